/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast the TSC runs, for small guests. */
#pragma once

#include <stdint.h>

/* From KVM's paravirtual clock where there is one, else measured against the
 * ACPI PM timer at port 0x608. */
uint64_t tsc_khz(void);

/* KVM's clock (Linux: Documentation/virt/kvm/x86/msr.rst). */
#define MSR_KVM_WALL_CLOCK       0x4b564d00u
#define MSR_KVM_SYSTEM_TIME      0x4b564d01u
#define MSR_KVM_PV_EOI           0x4b564d04u
#define CPUID_KVM_SIGNATURE      0x40000000u
#define CPUID_KVM_FEATURES       0x40000001u
#define KVM_FEATURE_CLOCKSOURCE2 (1u << 3)
#define KVM_FEATURE_PV_EOI       (1u << 6)
struct kvm_time {
	uint32_t version, pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad2[2];
};
/* Maps the clock; NULL: the machine has none. */
const volatile struct kvm_time *kvm_clock(void);
