/* SPDX-License-Identifier: BSD-2-Clause */
/* What a machine check does, by what is in the banks: MSRs here, of a CPU with three banks. */
#include <setjmp.h>

#include "arch/cpu.h"
#include "tests/unit/unit.h"

#define BANKS 3u

static uint64_t status[BANKS], control[BANKS], global, global_control, cap;
static unsigned logged;
static uint64_t cr4;
static bool present_bits = true, msr_missing;
static jmp_buf panicked;

static uint64_t fake_rdmsr(uint32_t msr)
{
	assert_in_range(msr, 0x400, 0x400 + 4 * BANKS - 1);
	return (msr & 3) == 1 ? status[(msr - 0x400) / 4] : msr & 3 ? 0x1000 + msr : 0;
}

static int fake_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	if (msr_missing)
		return -1;
	assert_in_range(msr, 0x179, 0x17a);
	*value = msr == 0x179 ? cap : global;
	return 0;
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
	if (msr == 0x17a) {
		global = value;
	} else if (msr == 0x17b) {
		global_control = value;
	} else {
		assert_in_range(msr, 0x400, 0x400 + 4 * BANKS - 1);
		assert_in_range(msr & 3, 0, 1);
		*(msr & 3 ? &status[(msr - 0x400) / 4] : &control[(msr - 0x400) / 4]) = value;
	}
}

static int fake_wrmsr_safe(uint32_t msr, uint64_t value)
{
	fake_wrmsr(msr, value);
	return 0;
}

static struct cpu_cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	assert_int_equal(leaf, 1);
	return (struct cpu_cpuid){.edx = present_bits ? 1u << 7 | 1u << 14 : 1u << 7};
}

static void fake_panic(void)
{
	longjmp(panicked, 1);
}

#define cpu_cpuid        fake_cpuid
#define cpu_rdmsr        fake_rdmsr
#define cpu_wrmsr        fake_wrmsr
#define cpu_rdmsr_safe   fake_rdmsr_safe
#define cpu_wrmsr_safe   fake_wrmsr_safe
#define cpu_read_cr4()   cr4
#define cpu_write_cr4(v) (cr4 = (v))
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#undef panic
#define panic(...)     fake_panic()
#define log_print(...) fake_print(__VA_ARGS__)
#define this_cpu()     (&cpu0)
static struct cpu cpu0;

static void fake_print(const char *format, ...)
{
	(void)format;
	logged++;
}
bool log_left;

#include "kernel/cpu/mce.c"

#define VAL  0x8000000000000000ull
#define UC   0x2000000000000000ull
#define EN   0x1000000000000000ull
#define PCC  0x0200000000000000ull
#define S    0x0100000000000000ull
#define AR   0x0080000000000000ull
#define OVER 0x4000000000000000ull
#define SRAR (VAL | UC | EN | S | AR | 0x134)
#define SRAO (VAL | UC | EN | S | 0xcf)

static void set(uint64_t what)
{
	memset(status, 0, sizeof(status));
	status[1] = what;
	global = 5; /* RIPV, MCIP */
	cap = BANKS | 1u << 8 | 1u << 24;
	logged = 0;
	mce_corrected = 0;
}

/* True if it panics. */
static bool dies(void (*function)(void))
{
	if (setjmp(panicked))
		return true;
	function();
	return false;
}

static bool goes_on;

static void in_guest(void)
{
	goes_on = mce_in_guest();
}

static void starts(void **state)
{
	(void)state;
	set(VAL | 0x135);
	mce_cpu_init();
	assert_int_equal(cr4, 0x40);
	assert_int_equal(global_control, UINT64_MAX);
	for (unsigned i = 0; i < BANKS; i++)
		assert_true(control[i] == UINT64_MAX && !status[i]);
	assert_int_equal(logged, 1); /* what the firmware left */
	cr4 = 0;
	present_bits = false;
	status[0] = VAL;
	mce_cpu_init();
	mce_poll();
	present_bits = true;
	msr_missing = true;
	mce_poll();
	msr_missing = false;
	assert_true(status[0] == VAL); /* not looked at */
	assert_int_equal(cr4, 0x40);
}

static void guests_end(void **state)
{
	static const struct {
		uint64_t status;
		bool goes_on, dies;
	} cases[] = {
		{0, true, false},          {VAL | 0x135, true, false},     /* corrected */
		{SRAO, true, false},       {VAL | UC | 0x9f, true, false}, /* not even signalled */
		{SRAR, false, false},      {SRAR | OVER, false, true},
		{SRAR | PCC, false, true}, {VAL | UC | PCC, false, true},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		set(cases[i].status);
		assert_int_equal(dies(in_guest), cases[i].dies);
		assert_int_equal(logged, cases[i].status ? 1 : 0);
		assert_int_equal(status[1], 0);
		if (cases[i].dies)
			continue;
		assert_int_equal(goes_on, cases[i].goes_on);
		assert_int_equal(global, 0);
	}
	/* What was interrupted cannot be resumed. */
	set(0);
	global = 4;
	assert_false(dies(in_guest));
	assert_false(goes_on);
	/* A CPU that knows no recovery: it was the guest that met it. */
	set(VAL | UC | EN);
	cap &= 0xff;
	assert_false(dies(in_guest));
	assert_false(goes_on);
}

static void kernel_survives(void **state)
{
	(void)state;
	set(SRAO); /* stays for the poll: the log may be busy */
	assert_false(dies(mce_in_kernel));
	assert_int_equal(logged, 0);
	assert_true(status[1] == SRAO && !global);
	mce_poll();
	assert_true(logged == 1 && !status[1]);
	set(SRAR);
	assert_true(dies(mce_in_kernel));
	assert_int_equal(logged, 1);
	set(0);
	global = 4;
	assert_true(dies(mce_in_kernel));
}

static void corrected(void **state)
{
	(void)state;
	set(0);
	for (unsigned i = 0; i < 1000; i++) {
		status[2] = VAL | 0x9f;
		mce_poll();
		assert_int_equal(status[2], 0);
	}
	assert_int_equal(mce_corrected, 1000);
	assert_int_equal(logged, 10); /* 1, 2, 4 ... 512 */
}

static void names(void **state)
{
	static const struct {
		uint16_t code;
		const char *text;
	} cases[] = {{0x0014, "TLB"},
		     {0x0135, "cache"},
		     {0x009f, "memory controller"},
		     {0x0400, "internal timer"},
		     {0x0c0f, "bus or interconnect"},
		     {0x0001, "other"},
		     {0x1135, "cache"}};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		unsigned n = 0;

		while ((cases[i].code & codes[n].mask) != codes[n].value)
			n++;
		assert_string_equal(codes[n].text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts),          cmocka_unit_test(guests_end),
		cmocka_unit_test(kernel_survives), cmocka_unit_test(corrected),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
