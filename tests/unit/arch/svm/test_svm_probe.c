/* SPDX-License-Identifier: BSD-2-Clause */
/* flags: -no-pie -Wl,--unresolved-symbols=ignore-all */
/*
 * What of SVM is refused, and how: no emulator has a VM_CR that a firmware
 * could have written. CPUID and RDMSR are ours here; what else svm.c calls is not there.
 */
#include "arch/cpu.h"
#include "arch/msr.h"
#include "tests/unit/unit.h"

static uint32_t features;
static uint64_t vm_cr;
static bool vm_cr_faults, absent;

static struct cpu_cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpu_cpuid){.eax = leaf == 0x80000000 ? 0x8000001e : 0,
				  .ecx = leaf == 0x80000001 && !absent ? 4 : 0,
				  .edx = leaf == 0x8000000a ? features : 0};
}

static int fake_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	assert_int_equal(msr, MSR_VM_CR);
	if (vm_cr_faults)
		return -1;
	*value = vm_cr;
	return 0;
}

#define cpu_cpuid(leaf, subleaf) fake_cpuid(leaf, subleaf)
#define cpu_rdmsr_safe           fake_rdmsr_safe
#include "arch/svm/svm.c"

#define ALL (SVM_HAS_NPT | SVM_HAS_LOCK)

uint8_t hv_msr_bitmap[HV_MSR_BITMAPS * HV_MSR_BITMAP];
const char hv_absent[] = "";

void hv_permissions(void (*pass)(uint8_t *bitmap, uint32_t msr))
{
	pass(hv_msr_bitmap, 0xc0000081);
}

static int turned_off = -1;

bool hv_use(enum hv_feature feature, bool present)
{
	return present && (int)feature != turned_off;
}

static void assert_refused(const char *wanted)
{
	const char *said = svm_probe();

	assert_non_null(said);
	if (!strstr(said, wanted))
		fail_msg("\"%s\" does not say \"%s\"", said, wanted);
}

static void test_absent(void **state)
{
	(void)state;
	absent = true;
	assert_ptr_equal(svm_probe(), hv_absent);
	absent = false;
}

static void test_taken(void **state)
{
	(void)state;
	features = ALL;
	vm_cr = 0;
	assert_null(svm_probe());
	vm_cr = 8; /* locked, and on */
	assert_null(svm_probe());
	vm_cr_faults = true;
	assert_null(svm_probe());
	vm_cr_faults = false;
}

static void test_turned_off(void **state)
{
	(void)state;
	features = ALL | SVM_HAS_NRIPS;
	assert_null(svm_probe());
	assert_int_equal(svm_features, features);
	turned_off = HV_NRIPS;
	assert_null(svm_probe());
	assert_int_equal(svm_features, ALL);
	turned_off = -1;
}

static void test_refused(void **state)
{
	(void)state;
	features = ALL;
	vm_cr = 0x18;
	assert_refused("SVM is locked off by the firmware");
	features = SVM_HAS_NPT; /* CPUs without the lock have the bit */
	vm_cr = 0x10;
	assert_refused("SVM is disabled by the firmware");
	features = 0;
	vm_cr = 0;
	assert_refused("no nested paging");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_turned_off),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
