/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/asid.c */
/* What is flushed before an entry: enough, and no more. No emulator shows a stale translation. */
#include "arch/hv.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"
#include "tests/unit/unit.h"

#define COUNT 4

static struct cpu cpu[2];
static struct domain domain;
static struct vcpu a, b;

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		cpu[i] = (struct cpu){.asid_next = 1, .asid_count = COUNT, .asid_generation = 1};
	a.domain = b.domain = &domain;
	a.cpu = b.cpu = &cpu[0];
	asid_forget(&a);
	asid_forget(&b);
	assert_int_equal(asid_renew(&a), ASID_NEW | ASID_FLUSH_SLAT);
	assert_int_equal(asid_renew(&b), ASID_NEW | ASID_FLUSH_SLAT);
	assert_int_not_equal(a.asid, b.asid);
	return 0;
}

/* A new domain may get the page tables of one that is gone: the first entry flushes. */
static void first_entry(void **state)
{
	(void)state;
	assert_int_equal(asid_renew(&a), 0);
	assert_int_equal(asid_renew(&b), 0);
}

/* Each vCPU flushes what the table gave, and keeps its number. */
static void table_changes(void **state)
{
	uint32_t asid = a.asid;

	(void)state;
	domain.slat_changes++;
	assert_int_equal(asid_renew(&a), ASID_FLUSH_SLAT);
	assert_int_equal(asid_renew(&a), 0);
	assert_int_equal(asid_renew(&b), ASID_FLUSH_SLAT);
	assert_int_equal(a.asid, asid);
}

/* Its own translations: a number that marks nothing yet. */
static void own_translations(void **state)
{
	uint32_t asid = a.asid;

	(void)state;
	a.asid_generation = 0;
	assert_int_equal(asid_renew(&a), ASID_NEW);
	assert_int_not_equal(a.asid, asid);
	assert_int_not_equal(a.asid, b.asid);
	assert_int_equal(asid_renew(&b), 0);
}

/* Numbers are used up: all is flushed once, and everybody gets another. */
static void used_up(void **state)
{
	unsigned flushes = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct vcpu *v = random_below(2) ? &a : &b;
		uint64_t before = cpu[0].asid_generation;

		v->asid_generation = 0;
		if (asid_renew(v) & ASID_FLUSH_ALL) {
			flushes++;
			assert_int_equal(v->asid, 1);
			assert_int_not_equal(cpu[0].asid_generation, before);
		} else {
			assert_int_equal(cpu[0].asid_generation, before);
		}
		assert_in_range(v->asid, 1, COUNT - 1);
		if (a.asid_generation == b.asid_generation)
			assert_int_not_equal(a.asid, b.asid);
	}
	assert_in_range(flushes, 100 / (COUNT - 1) - 1, 100 / (COUNT - 1) + 1);
}

/* The numbers are a CPU's own, and so is what has been flushed there. */
static void moves(void **state)
{
	(void)state;
	asid_forget(&a);
	a.cpu = &cpu[1];
	assert_int_equal(asid_renew(&a), ASID_NEW | ASID_FLUSH_SLAT);
	assert_int_equal(a.asid, 1);
	asid_forget(&a);
	a.cpu = &cpu[0];
	assert_int_equal(asid_renew(&a), ASID_NEW | ASID_FLUSH_SLAT);
	assert_int_not_equal(a.asid, b.asid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(first_entry, setup),
		cmocka_unit_test_setup(table_changes, setup),
		cmocka_unit_test_setup(own_translations, setup),
		cmocka_unit_test_setup(used_up, setup),
		cmocka_unit_test_setup(moves, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
