/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest is shown of the CPU: CPUID, MSRs and KVM's paravirtual clock. */
#pragma once

#include "arch/cpu.h"

struct vcpu;

/* The answer to CPUID (leaf in EAX, subleaf in ECX of the guest). */
struct cpu_cpuid cpuid_read(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

enum msr_result {
	MSR_DONE,    /* step over the instruction */
	MSR_FAULT,   /* #GP */
	MSR_EOI,     /* done; a level-triggered interrupt ended: vector in the exit page */
	MSR_MONITOR, /* not the kernel's */
};
enum msr_result msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
enum msr_result msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* KVM's clock MSRs, as Linux's Documentation/virt/kvm/x86/msr.rst has them: where
 * the value of one is kept, or NULL; and what follows when such a value has been written. */
uint64_t *pvclock_msr(struct vcpu *vcpu, uint32_t msr);
void pvclock_written(struct vcpu *vcpu, const uint64_t *msr);

/* paravirt.c. Before an entry with VCPU_PEND_STEAL: the guest is told how long it
 * waited, and TLB flushes that it was sent meanwhile are done. */
void steal_update(struct vcpu *vcpu);
/* The current vCPU makes way for another. */
void steal_begin(struct vcpu *vcpu);
/* A hypercall of KVM's; false: not one of those that there are. */
bool paravirt_call(struct vcpu *vcpu);

/* Unix time in nanoseconds when the TSC was `tsc`; dom0 sets it, 0 until then. */
extern uint64_t wall_ns, wall_tsc;
