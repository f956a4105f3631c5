/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/tsc.h"

#include <stddef.h>
#include <string.h>

#include "guests/lib/cpu.h"

#define PM_TIMER 0x608
#define PM_KHZ   3580u
#define PM_MASK  0xffffffu
#define PM_TICKS 35795u /* 10 ms */
#define GIVE_UP  1000000u
#define ENABLE   1u

static _Alignas(64) struct kvm_time clock;

const volatile struct kvm_time *kvm_clock(void)
{
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	if (!(leaf[2] & 1u << 31))
		return NULL;
	cpuid(CPUID_KVM_SIGNATURE, 0, leaf);
	if (memcmp(&leaf[1], "KVMKVMKVM\0\0\0", 12))
		return NULL;
	cpuid(CPUID_KVM_FEATURES, 0, leaf);
	if (!(leaf[0] & KVM_FEATURE_CLOCKSOURCE2))
		return NULL;
	wrmsr(MSR_KVM_SYSTEM_TIME, (uint64_t)(uintptr_t)&clock | ENABLE);
	return clock.tsc_to_system_mul ? &clock : NULL;
}

/* ns = (ticks << shift) * mul >> 32 */
static uint64_t from_clock(const volatile struct kvm_time *time)
{
	uint64_t khz = (1000000ull << 32) / time->tsc_to_system_mul;

	return time->tsc_shift < 0 ? khz << -time->tsc_shift : khz >> time->tsc_shift;
}

uint64_t tsc_khz(void)
{
	const volatile struct kvm_time *time = kvm_clock();
	uint32_t start, spins = 0;
	uint64_t begin;

	if (time)
		return from_clock(time);
	start = inl(PM_TIMER);
	begin = rdtsc();
	while (((inl(PM_TIMER) - start) & PM_MASK) < PM_TICKS)
		if (++spins == GIVE_UP)
			return 1000000;
	return (rdtsc() - begin) * PM_KHZ / PM_TICKS;
}
