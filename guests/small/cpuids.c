/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID tells a guest: a hypervisor with KVM's and Sampo's leaves, no
 * virtualization to use, and nothing that then does not work. */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"
#include "guests/lib/sampo.h"

#define HYPERVISOR       (1u << 31)
#define VMX              (1u << 5)
#define MONITOR          (1u << 3)
#define X2APIC           (1u << 21)
#define TSC_DEADLINE     (1u << 24)
#define XSAVE            (1u << 26)
#define OSXSAVE          (1u << 27)
#define SVM              (1u << 2)
#define APIC             (1u << 9)
#define MTRR             (1u << 12)
#define INVARIANT_TSC    (1u << 8)
#define CR4_OSXSAVE      0x40000ull
#define KVM_CLOCK_STABLE (1u << 24)
#define KVM_CLOCKSOURCE2 (1u << 3)

static uint32_t a, b, c, d;

static void leaf(uint32_t number, uint32_t sub)
{
	uint32_t out[4];

	cpuid(number, sub, out);
	a = out[0];
	b = out[1];
	c = out[2];
	d = out[3];
}

static bool signature(uint32_t number, const char *text)
{
	uint32_t out[4];

	cpuid(number, 0, out);
	return !memcmp(&out[1], text, 12);
}

static void check_features(void)
{
	uint64_t cr4 = 0;

	leaf(1, 0);
	check(c & HYPERVISOR, "hypervisor bit", "ECX %#x", c);
	check(!(c & VMX), "no VMX", "ECX %#x", c);
	check(!(c & MONITOR), "no MONITOR", "ECX %#x", c);
	check(c & X2APIC, "x2APIC", "ECX %#x", c);
	check(c & TSC_DEADLINE, "TSC-deadline", "ECX %#x", c);
	check(d & APIC, "APIC", "EDX %#x", d);
	check(b >> 24 == 0, "APIC id", "EBX %#x", b);
	if (c & XSAVE) {
		try_read_cr(4, &cr4);
		try_write_cr(4, cr4 | CR4_OSXSAVE);
		leaf(1, 0);
		check(c & OSXSAVE, "OSXSAVE follows CR4", "ECX %#x", c);
		try_write_cr(4, cr4 & ~CR4_OSXSAVE);
		leaf(1, 0);
		check(!(c & OSXSAVE), "OSXSAVE follows CR4 back", "ECX %#x", c);
		try_write_cr(4, cr4);
	}
	leaf(0x80000001, 0);
	check(!(c & SVM), "no SVM", "ECX %#x", c);
	leaf(0x80000000, 0);
	if (a >= 0x8000000a) {
		leaf(0x8000000a, 0);
		check(!(a | b | c | d), "no SVM leaf", "%#x %#x %#x %#x", a, b, c, d);
	}
	leaf(0x80000000, 0);
	if (a >= 0x80000007) {
		leaf(0x80000007, 0);
		printf("invariant TSC: %s\n", d & INVARIANT_TSC ? "yes" : "no");
	}
}

static void check_hypervisor(void)
{
	leaf(0x40000000, 0);
	check(signature(0x40000000, "KVMKVMKVM\0\0\0") && a >= 0x40000001, "KVM's signature",
	      "EAX %#x", a);
	leaf(0x40000001, 0);
	check(a & KVM_CLOCKSOURCE2, "KVM's clock", "EAX %#x", a);
	check(a & KVM_CLOCK_STABLE, "KVM's clock is stable", "EAX %#x", a);
	check(signature(SAMPO_CPUID_SIGNATURE, "SampoSampo\0\0"), "Sampo's signature", "not there");
	leaf(SAMPO_CPUID_ABI, 0);
	check(a == SAMPO_ABI_VERSION, "Sampo's version", "%#x", a);
}

/* Leaves that nobody has, with any subleaf: zeros or what the CPU gives, but
 * never a fault or a hang. */
static void check_wild(uint64_t *seed)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 5000; i++) {
		uint64_t r = random_next(seed);

		leaf((uint32_t)r, (uint32_t)(r >> 32));
		if ((uint32_t)r >> 28 == 4)
			bits |= a | b | c | d;
	}
	check(!bits, "unknown leaves of hypervisors", "%#x", bits);
}

static void check_topology(void)
{
	leaf(0, 0);
	if (a < 0xb)
		return;
	leaf(0xb, 0);
	check(d == 0, "x2APIC id of leaf 0xb", "%#x", d);
}

int main(void)
{
	uint64_t seed = option("seed", 1);

	faults_init();
	check_features();
	check_hypervisor();
	check_topology();
	check_wild(&seed);
	check_end();
	guest_poweroff();
}
