/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/cpuid.c */
/* The table of CPUID's answers, made from those of the host of this test. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guests/dom0/cpuid.h"
#include "guests/lib/sampo.h"

bool sampo_by_vmcall;

static struct sampo_vcpu_page page;

/* What the kernel answers: the last entry of the leaf that is not above the subleaf. */
static const struct sampo_cpuid *answer(uint32_t leaf, uint32_t subleaf)
{
	static const struct sampo_cpuid zero;
	const struct sampo_cpuid *found = &zero;

	for (unsigned i = 0; i < page.cpuids; i++)
		if (page.cpuid[i].key >> 32 == leaf && (uint32_t)page.cpuid[i].key <= subleaf)
			found = &page.cpuid[i];
	return found;
}

static void fill(bool intel, uint64_t xcr0)
{
	struct cpuid_shape shape = {
		.apic_id = 5,
		.core_threads = 2,
		.package_threads = 6,
		.core_bits = 1,
		.package_bits = 3,
		.xcr0 = xcr0,
		.tsc_khz = 1234567,
	};

	sampo_by_vmcall = intel;
	memset(&page, 0xff, sizeof(page));
	cpuid_fill(&page, &shape);
	assert_true(page.cpuids < SAMPO_CPUIDS); /* none was left out */
	for (unsigned i = 1; i < page.cpuids; i++)
		assert_true(page.cpuid[i - 1].key < page.cpuid[i].key);
}

static void test_features(void **state)
{
	(void)state;
	for (unsigned intel = 0; intel < 2; intel++) {
		fill(intel, 7);
		assert_int_equal(answer(0, 0)->eax > 0xd, 0);
		assert_int_equal(answer(1, 0)->ebx >> 24, 5);
		assert_int_equal(answer(1, 0)->ebx >> 16 & 0xff, 8);
		assert_int_equal(answer(1, 0)->ecx & (1u << 3 | 1u << 5), 0); /* MONITOR, VMX */
		assert_int_equal(answer(1, 0)->ecx >> 31, 1);
		assert_int_equal(answer(7, 1)->eax, 0);
		assert_int_equal(answer(0x80000001, 0)->ecx & 4, 0); /* SVM */
		assert_int_equal(answer(0x8000000a, 0)->eax, 0);
		assert_int_equal(answer(0x40000010, 0)->eax, 1234567);
		assert_int_equal(answer(SAMPO_CPUID_ABI, 0)->ebx, intel);
		assert_int_equal(answer(0x80000000, 0)->eax, intel ? 0x80000008 : 0x8000001e);
		assert_int_equal(answer(5, 0)->eax | answer(0x1f, 0)->eax, 0);
	}
}

static void test_topology(void **state)
{
	(void)state;
	fill(false, 7);
	assert_int_equal(answer(0xb, 0)->eax, 1);
	assert_int_equal(answer(0xb, 0)->ebx, 2);
	assert_int_equal(answer(0xb, 1)->eax, 3);
	assert_int_equal(answer(0xb, 1)->ebx, 6);
	assert_int_equal(answer(0xb, 7)->ebx, 0);
	assert_int_equal(answer(0xb, 7)->edx, 5);
	assert_int_equal(answer(0x80000008, 0)->ecx, 3 << 12 | 5);
	assert_int_equal(answer(0x8000001e, 0)->eax, 5);
	assert_int_equal(answer(0x8000001e, 0)->ebx, 1 << 8 | 2);
	assert_int_equal(answer(4, 31)->eax, 0);
}

static void test_xsave(void **state)
{
	(void)state;
	fill(true, 7);
	assert_int_equal(answer(0xd, 0)->eax, 7);
	assert_true(answer(0xd, 0)->ecx >= 576);
	assert_int_equal(answer(0xd, 3)->eax, 0); /* MPX is none of ours */
	assert_int_equal(answer(0xd, 63)->eax, 0);
	fill(true, 0xe7);
	assert_int_equal(answer(0xd, 4)->eax, 0);
	assert_true(answer(0xd, 5)->key == (0xdull << 32 | 5));
	assert_true(answer(0xd, 7)->key == (0xdull << 32 | 7));
	assert_int_equal(answer(0xd, 8)->eax, 0);
	fill(true, 0);
	assert_int_equal(answer(1, 0)->ecx & 0x0c000000, 0);
	assert_int_equal(answer(0xd, 0)->eax | answer(0xd, 0)->ecx | answer(0xd, 2)->eax, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_topology),
		cmocka_unit_test(test_xsave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
