/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that the assembly files need: see the Makefile for how they get
 * from here into offsets.h. */
#include "arch/vmx/vmcs.h"
#include "kernel/abi.h"

#define OFFSET(name, value) __asm__ volatile(".ascii \"->" #name " %c0\"" : : "i"(value))

void offsets(void);
void offsets(void)
{
	OFFSET(HOST_RSP, VMCS_HOST_RSP_ID);
	OFFSET(GPR_RAX, SAMPO_RAX * 8);
	OFFSET(GPR_RCX, SAMPO_RCX * 8);
	OFFSET(GPR_RDX, SAMPO_RDX * 8);
	OFFSET(GPR_RBX, SAMPO_RBX * 8);
	OFFSET(GPR_RSP, SAMPO_RSP * 8);
	OFFSET(GPR_RBP, SAMPO_RBP * 8);
	OFFSET(GPR_RSI, SAMPO_RSI * 8);
	OFFSET(GPR_RDI, SAMPO_RDI * 8);
	OFFSET(GPR_R8, SAMPO_R8 * 8);
	OFFSET(GPR_R9, SAMPO_R9 * 8);
	OFFSET(GPR_R10, SAMPO_R10 * 8);
	OFFSET(GPR_R11, SAMPO_R11 * 8);
	OFFSET(GPR_R12, SAMPO_R12 * 8);
	OFFSET(GPR_R13, SAMPO_R13 * 8);
	OFFSET(GPR_R14, SAMPO_R14 * 8);
	OFFSET(GPR_R15, SAMPO_R15 * 8);
}
