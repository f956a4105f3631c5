/* SPDX-License-Identifier: BSD-2-Clause */
/* What belongs to one physical CPU and is touched by that CPU only. */
#pragma once

#include "kernel/sched.h"
#include "kernel/timer.h"

#define STACK_SIZE 16384u

struct vcpu;

struct cpu {
	uint32_t id, apic_id;
	struct vcpu *current; /* whose turn it is; NULL: idle */
	struct vcpu *loaded;  /* whose vendor state the CPU holds */
	struct vcpu *fpu;     /* whose FPU state and DR0-3 the CPU holds */
	bool resched;         /* choose again before the next entry */
	struct sched_rq rq;
	struct timer_queue timers;
	struct timer slice; /* end of current's turn */
	bool has_ibpb, has_tsc_aux;
	uint64_t tsc_aux; /* what the MSR holds */
	/* vendor part: ASIDs or VPIDs */
	uint32_t asid_next, asid_count;
	uint64_t asid_generation;
	uint64_t host_save_pa; /* SVM: VM_HSAVE_PA; VMX: VMXON region */
	uint64_t vmcs;         /* VMX: the current one */
};

/* The CPU's structure stands at the lowest address of its stack. */
static inline struct cpu *this_cpu(void)
{
	uint64_t rsp;

	__asm__("movq %%rsp, %0" : "=r"(rsp));
	return *(struct cpu **)(rsp & ~(uint64_t)(STACK_SIZE - 1));
}
