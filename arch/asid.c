/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/hv.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

/*
 * A CPU hands out the numbers 1, 2 and so on to the vCPUs that come to it, each a fresh one, and
 * begins a new generation when they are used up: then its TLB is flushed once, and a vCPU whose
 * number is of an older generation gets another one when it is entered next. Number 0 is the host's
 * (APM 2 15.16, SDM 3C 29.1).
 */
unsigned asid_renew(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;
	uint64_t changes = __atomic_load_n(&vcpu->domain->slat_changes, __ATOMIC_RELAXED);
	unsigned flush = vcpu->slat_seen != changes ? ASID_FLUSH_SLAT : 0;

	vcpu->slat_seen = changes;
	if (vcpu->asid_generation == cpu->asid_generation)
		return flush;
	if (cpu->asid_next >= cpu->asid_count) {
		cpu->asid_generation++;
		cpu->asid_next = 1;
		flush |= ASID_FLUSH_ALL;
	}
	vcpu->asid = cpu->asid_next++;
	vcpu->asid_generation = cpu->asid_generation;
	return flush | ASID_NEW;
}

void asid_forget(struct vcpu *vcpu)
{
	vcpu->asid_generation = 0;
	vcpu->slat_seen = UINT64_MAX;
}
