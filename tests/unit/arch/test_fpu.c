/* SPDX-License-Identifier: BSD-2-Clause */
/* flags: -no-pie -Wl,--unresolved-symbols=ignore-all */
/* On which CPUs the FPU's state is switched with each vCPU: those that CVE-2018-3665 concerns. */
#include "arch/cpu.h"
#include "tests/unit/unit.h"

static uint32_t vendor, signature;

static struct cpu_cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpu_cpuid){.eax = leaf == 1 ? signature : 0, .ebx = leaf == 0 ? vendor : 0};
}

#define cpu_cpuid(leaf, subleaf) fake_cpuid(leaf, subleaf)
#include "arch/fpu.c"

static bool denied;

bool hv_use(enum hv_feature feature, bool present)
{
	assert_int_equal(feature, HV_EAGERFPU);
	return present && !denied;
}

#define VENDOR_VIA 0x746e6543u

/* Leaf 1 EAX of CPUs, as Intel and AMD list them. */
static const struct {
	const char *name;
	uint32_t vendor, signature;
	bool lazy;
} cpus[] = {
	{"Nehalem", VENDOR_INTEL, 0x106a5, false},
	{"Westmere", VENDOR_INTEL, 0x206c2, false},
	{"Sandy Bridge", VENDOR_INTEL, 0x206a7, false},
	{"Ivy Bridge", VENDOR_INTEL, 0x306a9, false},
	{"Haswell", VENDOR_INTEL, 0x306c3, false},
	{"Broadwell", VENDOR_INTEL, 0x306d4, false},
	{"Skylake server", VENDOR_INTEL, 0x50654, false},
	{"Kaby Lake", VENDOR_INTEL, 0x906e9, false},
	{"Ice Lake", VENDOR_INTEL, 0x706e5, false},
	{"one of tomorrow", VENDOR_INTEL, 0xff6f0, false},
	{"another family", VENDOR_INTEL, 0x00f43, false},
	{"Silvermont", VENDOR_INTEL, 0x406d8, true},
	{"Airmont", VENDOR_INTEL, 0x406c4, true},
	{"Goldmont", VENDOR_INTEL, 0x506c9, true},
	{"Goldmont Plus", VENDOR_INTEL, 0x706a1, true},
	{"Knights Landing", VENDOR_INTEL, 0x50671, true},
	{"Bulldozer", VENDOR_AMD, 0x600f12, true},
	{"Zen", VENDOR_AMD, 0x800f11, true},
	{"Zen 4", VENDOR_AMD, 0xa60f12, true},
	{"Hygon", VENDOR_HYGON, 0x900f02, true},
	{"another vendor", VENDOR_VIA, 0x006fe, false},
};

static void test_cpus(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cpus); i++) {
		vendor = cpus[i].vendor;
		signature = cpus[i].signature;
		fpu_probe();
		if (fpu_lazy != cpus[i].lazy)
			fail_msg("%s", cpus[i].name);
	}
}

static void test_word(void **state)
{
	(void)state;
	vendor = VENDOR_INTEL;
	signature = 0x306c3;
	denied = true;
	fpu_probe();
	assert_true(fpu_lazy);
	denied = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpus),
					   cmocka_unit_test(test_word)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
