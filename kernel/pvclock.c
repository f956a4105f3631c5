/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's paravirtual clock: two structures in the guest's memory that say how
 * its TSC relates to nanoseconds since its start and to Unix time. The TSC is
 * constant here, so they are written once, when the guest asks.
 */
#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/policy.h"
#include "kernel/vcpu.h"

#define MSR_KVM_WALL_OLD  0x11u
#define MSR_KVM_CLOCK_OLD 0x12u
#define MSR_KVM_WALL      0x4b564d00u
#define MSR_KVM_CLOCK     0x4b564d01u
#define MSR_KVM_STEAL     0x4b564d03u
#define CLOCK_ENABLE      1ull
#define CLOCK_STABLE      1u

struct pvclock_time {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
} __attribute__((packed));

struct pvclock_wall {
	uint32_t version, sec, nsec;
} __attribute__((packed));

uint64_t wall_ns, wall_tsc;

static void write_clock(struct vcpu *vcpu, uint64_t gpa)
{
	struct pvclock_time time = {.version = 2, .flags = CLOCK_STABLE};

	/* (ticks << shift) * mul >> 32, where mul has 32 bits */
	while (tsc_ns_per_tick >> time.shift >> 32)
		time.shift++;
	time.mul = (uint32_t)(tsc_ns_per_tick >> time.shift);
	/* The guest's TSC started at 0 when its clock did. A bad address is
	 * the guest's affair. */
	domain_write(vcpu->domain, gpa, &time, sizeof(time));
}

static void write_wall(struct vcpu *vcpu, uint64_t gpa)
{
	/* Unix time when the guest's clock was 0. */
	uint64_t start = 0 - vcpu->tsc_offset;
	uint64_t ns = start >= wall_tsc ? wall_ns + tsc_to_ns(start - wall_tsc)
					: wall_ns - tsc_to_ns(wall_tsc - start);
	struct pvclock_wall wall = {
		.version = 2,
		.sec = (uint32_t)(ns / 1000000000),
		.nsec = (uint32_t)(ns % 1000000000),
	};

	domain_write(vcpu->domain, gpa, &wall, sizeof(wall));
}

/* Each has an old and a new number. */
uint64_t *pvclock_msr(struct vcpu *vcpu, uint32_t msr)
{
	if (msr == MSR_KVM_CLOCK || msr == MSR_KVM_CLOCK_OLD)
		return &vcpu->kvm_clock;
	if (msr == MSR_KVM_STEAL)
		return &vcpu->kvm_steal;
	return msr == MSR_KVM_WALL || msr == MSR_KVM_WALL_OLD ? &vcpu->kvm_wall : NULL;
}

void pvclock_written(struct vcpu *vcpu, const uint64_t *msr)
{
	if (msr == &vcpu->kvm_steal)
		vcpu->pending |= VCPU_PEND_STEAL;
	else if (msr == &vcpu->kvm_wall)
		write_wall(vcpu, *msr);
	else if (msr == &vcpu->kvm_clock && *msr & CLOCK_ENABLE)
		write_clock(vcpu, *msr & ~CLOCK_ENABLE);
}
