/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks of their own for the exceptions that come where the CPU's stack may be unusable: NMI, #DF
 * and #MC, by the interrupt stack table (SDM 3A 6.14.5). On Intel only: there every exit loads the
 * host's task register. On AMD the register holds the guest's TSS while the kernel runs, whose
 * address the guest chooses, so no gate may look at it; that the stack suffices there is proved
 * by tests/depth.py.
 */
#pragma once

#include "kernel/base/types.h"

struct cpu;

#define TSS_SELECTOR 0x18u

/* SDM 3A figure 8-11 */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

/* The first of the pages that tss_new makes; the stacks are one page each behind it. */
struct cpu_tables {
	struct cpu *cpu; /* where this_cpu() looks */
	uint64_t gdt[5]; /* as boot_gdt, and the TSS in two entries */
	struct tss tss;
};

/* The pages of a CPU, before it is started; slot: the one of stack_new. False: no memory. */
bool tss_new(struct cpu *cpu, uint32_t slot);
/* On that CPU, before its IDT is loaded. */
void tss_load(const struct cpu *cpu);
