/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/tscmath.c */
#include "kernel/tscmath.h"
#include "tests/unit/unit.h"

#define NS 1000000000ull

/* Off by less than one part in 2^31, and never ahead. */
static uint64_t tsc_convert(uint64_t ticks, struct tsc_scale scale)
{
	ticks = scale.shift < 0 ? ticks >> -scale.shift : ticks << scale.shift;
	return (uint64_t)(((unsigned __int128)ticks * scale.mul) >> 32);
}

static void check(uint64_t from, uint64_t to, uint64_t ticks)
{
	struct tsc_scale scale = tsc_scale(from, to);
	unsigned __int128 exact = (unsigned __int128)ticks * to / from;
	uint64_t said;

	assert_true(scale.mul >> 31);
	if (exact >> 63 || (scale.shift > 0 && ticks >> (63 - scale.shift)))
		return;
	said = tsc_convert(ticks, scale);
	assert_true(said <= exact);
	/* One part in 2^31, and what bits below the shift are worth. */
	assert_true(exact - said <= (exact >> 31) + 2 + 2 * (to / from));
}

static void test_scales(void **state)
{
	static const uint64_t rates[] = {
		1,      2,      3,          32768,      3579545, 100 * 1000 * 1000, NS - 1, NS,
		NS + 1, 2 * NS, 2593905000, 2 * NS + 1, 5 * NS,  1ull << 40};

	(void)state;
	for (unsigned f = 0; f < 14; f++) {
		for (unsigned t = 0; t < 14; t++) {
			for (unsigned bit = 0; bit < 64; bit++) {
				check(rates[f], rates[t], 1ull << bit);
				check(rates[f], rates[t], (1ull << bit) - 1);
			}
			for (unsigned i = 0; i < 200; i++)
				check(rates[f], rates[t], random64() >> random_below(64));
		}
	}
	for (unsigned i = 0; i < 20000; i++)
		check(1 + random_below(1ull << 40), 1 + random_below(1ull << 40),
		      random64() >> random_below(64));
}

static void test_known(void **state)
{
	/* As Linux computes for its KVM clock: 1 GHz is a half, shifted by one. */
	struct tsc_scale one = tsc_scale(NS, NS), two = tsc_scale(2 * NS, NS);
	uint64_t day = 86400 * 2593905000ull;

	(void)state;
	assert_int_equal(one.mul, 0x80000000);
	assert_int_equal(one.shift, 1);
	assert_int_equal(two.mul, 0x80000000);
	assert_int_equal(two.shift, 0);
	/* There and back, and over a day. */
	assert_in_range(tsc_convert(day, tsc_scale(2593905000, NS)), 86400 * NS - 50000,
			86400 * NS);
	assert_int_equal(tsc_convert(123456789, one), 123456789);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_scales),
	};

	return cmocka_run_group_tests_name("tscmath", tests, NULL, NULL);
}
