/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest is shown of the CPU: CPUID, MSRs and what KVM offers to several vCPUs. */
#pragma once

#include "arch/cpu.h"
#include "kernel/abi.h"

struct vcpu;

/* CPUID, from and into the guest's registers. */
void cpuid_answer(struct vcpu *vcpu);

/* Any other: done, and the monitor must hear of it, SAMPO_EXIT_* with what is in the exit page. */
enum msr_result {
	MSR_DONE = SAMPO_EXIT_NONE,   /* step over the instruction */
	MSR_MONITOR = SAMPO_EXIT_MSR, /* not the kernel's */
	MSR_FAULT = SAMPO_EXIT_COUNT, /* #GP */
};
enum msr_result msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
enum msr_result msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* paravirt.c. Before an entry with VCPU_PEND_STEAL: the guest is told how long it
 * waited, and TLB flushes that it was sent meanwhile are done. */
void steal_update(struct vcpu *vcpu);
/* The current vCPU makes way for another. */
void steal_begin(struct vcpu *vcpu);
/* An interrupt has been taken that has nothing behind it: its end may be said in memory,
 * without an exit. Before the next entry, or a HLT, with VCPU_PEND_EOI: was it? */
void eoi_offer(struct vcpu *vcpu);
void eoi_collect(struct vcpu *vcpu);
/* A hypercall of KVM's; false: not one of those that there are. */
bool paravirt_call(struct vcpu *vcpu);
