/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done between two domains, by what CPUID and IA32_ARCH_CAPABILITIES
 * say: no emulator has a CPU that says much of it.
 */
#include "arch/cpu.h"
#include "arch/msr.h"
#include "tests/unit/unit.h"

static uint32_t leaf7, amd;
static uint64_t capabilities;
static bool asked;
static unsigned written;

static struct cpu_cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpu_cpuid){.ebx = leaf == 0x80000008 ? amd : 0,
				  .edx = leaf == 7 ? leaf7 : 0};
}

static uint64_t fake_rdmsr(uint32_t msr)
{
	assert_int_equal(msr, 0x10a);
	asked = true;
	return capabilities;
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
	assert_int_equal(value, 1);
	written |= msr == 0x49 ? 1u : msr == 0x10b ? 2u : 4u;
}

#define cpu_cpuid(leaf, subleaf) fake_cpuid(leaf, subleaf)
#define cpu_rdmsr                fake_rdmsr
#define cpu_wrmsr                fake_wrmsr
#include "arch/barrier.h"

#define MD_CLEAR     (1u << 10)
#define IBRS_IBPB    (1u << 26)
#define L1D_FLUSH    (1u << 28)
#define CAPABILITIES (1u << 29)

static uint32_t needed(uint32_t edx, uint64_t caps)
{
	leaf7 = edx;
	capabilities = caps;
	asked = false;
	return barriers_needed();
}

/* The MSR faults where CPUID does not name it. */
static void old_intel(void **state)
{
	(void)state;
	assert_int_equal(needed(0, UINT64_MAX), 0);
	assert_int_equal(needed(IBRS_IBPB, UINT64_MAX), BARRIER_IBPB);
	assert_int_equal(needed(IBRS_IBPB | L1D_FLUSH | MD_CLEAR, UINT64_MAX),
			 BARRIER_IBPB | BARRIER_L1D | BARRIER_VERW);
	assert_false(asked);
}

static void newer_intel(void **state)
{
	uint32_t all = IBRS_IBPB | L1D_FLUSH | MD_CLEAR | CAPABILITIES;

	(void)state;
	assert_int_equal(needed(all, 0), BARRIER_IBPB | BARRIER_L1D | BARRIER_VERW);
	assert_true(asked);
	assert_int_equal(needed(all, 1), BARRIER_IBPB | BARRIER_VERW);     /* RDCL_NO */
	assert_int_equal(needed(all, 8), BARRIER_IBPB | BARRIER_VERW);     /* nested */
	assert_int_equal(needed(all, 0x21), BARRIER_IBPB | BARRIER_VERW);  /* TAA is left */
	assert_int_equal(needed(all, 0x101), BARRIER_IBPB | BARRIER_VERW); /* MDS is left */
	assert_int_equal(needed(all, 0x121), BARRIER_IBPB);
	assert_int_equal(needed(CAPABILITIES, 0), 0); /* what it does not have cannot be done */
}

static void amds(void **state)
{
	(void)state;
	amd = 1u << 12;
	assert_int_equal(needed(0, 0), BARRIER_IBPB);
	amd = 0;
	assert_int_equal(needed(0, 0), 0);
}

static void done(void **state)
{
	(void)state;
	barrier(0);
	assert_int_equal(written, 0);
	barrier(BARRIER_IBPB | BARRIER_VERW);
	assert_int_equal(written, 1);
	barrier(BARRIER_L1D);
	assert_int_equal(written, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_intel),
		cmocka_unit_test(newer_intel),
		cmocka_unit_test(amds),
		cmocka_unit_test(done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
