/* SPDX-License-Identifier: BSD-2-Clause */
/* flags: -Wno-missing-field-initializers -no-pie -Wl,--unresolved-symbols=ignore-all */
/*
 * What each CPU negotiates with its capability MSRs, which are ours here, and a vCPU whose VMCS
 * there is no memory for. What else vmx.c calls is not there.
 */
#include "arch/cpu.h"
#include "arch/msr.h"
#include "tests/unit/unit.h"

static uint64_t ept_cap;

static uint64_t fake_rdmsr(uint32_t msr)
{
	switch (msr) {
	case 0x480: /* basic: no true controls */
		return 1;
	case 0x48c:
		return ept_cap;
	default: /* all may be 1, none must be */
		return 0xffffffffull << 32;
	}
}

static int fake_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = 5; /* feature control: locked, on */
	return 0;
}

static struct cpu_cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)leaf;
	(void)subleaf;
	return (struct cpu_cpuid){.ecx = 0x20};
}

#define cpu_rdmsr                fake_rdmsr
#define cpu_rdmsr_safe           fake_rdmsr_safe
#define cpu_cpuid(leaf, subleaf) fake_cpuid(leaf, subleaf)
#include "arch/vmx/vmx.c"

#define CAPABLE (EPT_WALK_4 | EPT_WB | EPT_2M | EPT_1G | EPT_AD | INVEPT_CONTEXT | INVVPID_ALL)

uint8_t hv_msr_bitmap[4 * 4096];
const char hv_absent[] = "";
static unsigned denied, used, pages;

bool hv_use(enum hv_feature feature, bool present)
{
	bool use = present && !(denied >> feature & 1);

	used |= (unsigned)use << feature;
	return use;
}

void hv_permissions(void (*pass)(uint8_t *bitmap, uint32_t msr))
{
	(void)pass;
}

static uint64_t page[512] __attribute__((aligned(4096)));

/* The first is refused, as if another CPU gave memory back in between. */
void *domain_page_alloc(struct domain *domain)
{
	(void)domain;
	return pages++ ? page : NULL;
}

void domain_page_free(struct domain *domain, void *freed)
{
	(void)domain;
	assert_ptr_equal(freed, page);
	pages--;
}

/* Every CPU comes to the same as the first, whatever is turned off or not there. */
static void same_on_all(uint32_t without, uint64_t cap, bool log)
{
	uint32_t here[CONTROLS] = {0};

	denied = without;
	used = 0;
	ept_cap = cap;
	memset(control, 0, sizeof(control));
	assert_null(vmx_probe());
	assert_null(negotiate(here));
	assert_memory_equal(here, control, sizeof(here));
	assert_int_equal(capabilities(), ept_vpid_cap);
	assert_int_equal(!!(control[PROC2] & PROC2_PML), log);
	assert_int_equal(used >> HV_PML & 1, log);
}

static void test_features(void **state)
{
	(void)state;
	same_on_all(0, CAPABLE, true);
	same_on_all(1u << HV_PML, CAPABLE, false);
	same_on_all(1u << HV_AD, CAPABLE, false);
	same_on_all(0, CAPABLE & ~EPT_AD, false);
	same_on_all(UINT32_MAX - 1, CAPABLE, false);
}

static void test_no_memory(void **state)
{
	static struct vcpu vcpu;

	(void)state;
	same_on_all(0, CAPABLE, true);
	pages = 0;
	assert_int_equal(vmx_vcpu_init(&vcpu), SAMPO_ENOMEM);
	assert_int_equal(pages, 2);
	vmx_vcpu_free(&vcpu);
	assert_int_equal(pages, 1);
	vmx_vcpu_free(&vcpu);
	assert_int_equal(pages, 1);
}

/* Fields that a control which is on makes the CPU look at are written. */
static void test_written(void **state)
{
	bool xsaves = false;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(zero_fields); i++)
		xsaves |= zero_fields[i]->id == VMCS_XSS_EXITING.id;
	assert_true(xsaves);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
