/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/timer.c */
/* The heap of timers, against a plain list. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "guests/dom0/base/loop.h"

#define TIMERS 20000 /* of 1,000 guests */
#define BUSY   200

static struct timer timers[TIMERS];
static uint64_t fired[TIMERS * 4];
static unsigned fired_count;

static void note(struct timer *timer)
{
	fired[fired_count++] = (uint64_t)(timer - timers);
}

static void start(void)
{
	timers_run(UINT64_MAX);
	fired_count = 0;
	for (unsigned i = 0; i < TIMERS; i++)
		timer_init(&timers[i], note, NULL);
}

static void test_order(void **state)
{
	(void)state;
	start();
	timer_set(&timers[0], 30);
	timer_set(&timers[1], 10);
	timer_set(&timers[2], 20);
	assert_int_equal(timers_next, 10);
	timers_run(9);
	assert_int_equal(fired_count, 0);
	timers_run(20);
	assert_int_equal(fired_count, 2);
	assert_int_equal(fired[0], 1);
	assert_int_equal(fired[1], 2);
	assert_int_equal(timers[1].deadline, 0);
	assert_int_equal(timers_next, 30);
	timer_cancel(&timers[0]);
	timer_cancel(&timers[0]);
	assert_int_equal(timers_next, UINT64_MAX);
}

static void again(struct timer *timer)
{
	note(timer);
	timer_set(timer, 5);
}

static void test_set_again_waits(void **state)
{
	(void)state;
	start();
	timer_init(&timers[0], again, NULL);
	timer_set(&timers[0], 1);
	timers_run(100);
	assert_int_equal(fired_count, 1);
	assert_int_equal(timers_next, 5);
	timer_cancel(&timers[0]);
}

/* Random settings, movements and cancellations: always the same earliest. */
static void test_against_list(void **state)
{
	uint64_t deadline[BUSY] = {0};

	(void)state;
	start();
	srandom(1);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned which = (unsigned)random() % BUSY;
		uint64_t earliest = UINT64_MAX;

		if (random() % 3) {
			deadline[which] = (uint64_t)random() % 5000 + 1;
			timer_set(&timers[which], deadline[which]);
		} else {
			deadline[which] = 0;
			timer_cancel(&timers[which]);
		}
		for (unsigned i = 0; i < BUSY; i++)
			if (deadline[i] && deadline[i] < earliest)
				earliest = deadline[i];
		assert_int_equal(timers_next, earliest);
	}
	for (uint64_t now = 0; now < 5001; now++) {
		timers_run(now);
		for (unsigned i = 0; i < BUSY; i++)
			assert_int_equal(timers[i].deadline, deadline[i] > now ? deadline[i] : 0);
	}
	assert_int_equal(timers_next, UINT64_MAX);
}

/* All at once: each fires once, in the order of their deadlines. */
static void test_many(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < TIMERS; i++)
		timer_set(&timers[i], 1 + (i * 7919ull) % TIMERS);
	for (unsigned i = 0; i < TIMERS; i += 5)
		timer_cancel(&timers[i]);
	timers_run(UINT64_MAX);
	assert_int_equal(fired_count, TIMERS / 5 * 4);
	for (unsigned i = 1; i < fired_count; i++)
		assert_true((fired[i - 1] * 7919) % TIMERS < (fired[i] * 7919) % TIMERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_set_again_waits),
		cmocka_unit_test(test_against_list),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
