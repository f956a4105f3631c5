/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DR0 to DR3, the addresses of breakpoints, which neither vendor's control block holds. The kernel
 * uses none of them. The CPU holds those of one vCPU, cpu.debug; every access of another vCPU to
 * any debug register exits, and hands them over. So a vCPU sees its own alone, and one that leaves
 * them alone costs nothing. Other ways to use them are breakpoints that DR7 has on already: a
 * vCPU with such ones gets its addresses back before it is entered (VCPU_PEND_DEBUG).
 */
#pragma once

#include "kernel/base/types.h"

struct cpu;
struct vcpu;

#define DR7_ENABLES 0xffull /* L0 to G3 */

/* The CPU, which is the vCPU's home, holds its registers from now on. */
void debug_take(struct cpu *cpu, struct vcpu *vcpu);
/* The vCPU leaves this CPU: its registers go to memory, if they are here. */
void debug_leave(struct cpu *cpu, struct vcpu *vcpu);
/* All are 0, as after power-up, and nowhere but in memory. */
void debug_reset(struct cpu *cpu, struct vcpu *vcpu);
/* The vCPU ends. */
void debug_forget(struct cpu *cpu, struct vcpu *vcpu);
