/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/base/types.h"

/* SDM 3A table 6-1 */
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_UD  6
#define VECTOR_NM  7
#define VECTOR_DF  8
#define VECTOR_GP  13
#define VECTOR_AC  17
#define VECTOR_MC  18

/* The frame that arch/traps.S leaves on the stack. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* SDM 3A 6.14.1 */
struct idt_gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};

extern struct idt_gate idt[];
/* Make the IDT, and load it; and load it on another CPU. */
void trap_init(void);
void trap_load(void);

/* RDMSR and WRMSR that survive #GP: 0, or -1 and *value unchanged. */
int cpu_rdmsr_safe(uint32_t msr, uint64_t *value);
int cpu_wrmsr_safe(uint32_t msr, uint64_t value);
