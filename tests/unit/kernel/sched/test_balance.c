/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/sched/balance.c kernel/sched/sched.c kernel/base/heap.c */
/* Work between CPUs, step by step; tests/sim has whole machines. Time in microseconds. */
#include "kernel/sched/balance.h"
#include "tests/unit/unit.h"

#define MS     1000ull
#define TURN   500u
#define QUEUES 4

static struct balance b;
static struct sched_rq rq[SCHED_CPUS];
static struct sched_entity entity[16];
static uint64_t now;
static uint32_t to;

static void begin(void)
{
	memset(&b, 0, sizeof(b));
	memset(entity, 0, sizeof(entity));
	now = 1000 * MS;
	for (unsigned i = 0; i < QUEUES; i++) {
		sched_init(&rq[i], i, TURN, now);
		balance_publish(&b, &rq[i]);
	}
}

static void choose(unsigned cpu)
{
	sched_pick(&rq[cpu], now);
	balance_publish(&b, &rq[cpu]);
}

static struct sched_entity *add(unsigned n, unsigned cpu)
{
	sched_entity_init(&rq[cpu], &entity[n], SCHED_WEIGHT, &b);
	sched_wake(&rq[cpu], &entity[n], now);
	choose(cpu);
	return &entity[n];
}

static void pin(struct sched_entity *e, uint64_t cpus)
{
	memset(e->affinity, 0, sizeof(e->affinity));
	e->affinity[0] = cpus;
}

/* Time passes; all but one (which is about to) have chosen again. */
static void pass(uint64_t time, unsigned but)
{
	now += time;
	for (unsigned i = 0; i < QUEUES; i++)
		if (i != but)
			choose(i);
}

static void test_published(void **state)
{
	(void)state;
	begin();
	assert_int_equal(b.online[0].bits, 0xf);
	assert_int_equal(b.idle[0].bits, 0xf);
	assert_int_equal(b.busy[0].bits, 0);
	add(0, 1);
	assert_int_equal(b.idle[0].bits, 0xd);
	assert_int_equal(b.busy[0].bits, 0);
	assert_int_equal(b.cpu[1].weight, SCHED_WEIGHT);
	add(1, 1);
	assert_int_equal(b.busy[0].bits, 2);
	assert_int_equal(b.cpu[1].weight, 2 * SCHED_WEIGHT);
	assert_int_equal(balance_ask(&b, &rq[0]), 1);
	assert_int_equal(balance_ask(&b, &rq[1]), SCHED_CPUS);
	/* The last CPU that there may be. */
	sched_init(&rq[SCHED_CPUS - 1], SCHED_CPUS - 1, TURN, now);
	balance_publish(&b, &rq[SCHED_CPUS - 1]);
	assert_int_equal(b.idle[3].bits, 1ull << 63);
	assert_int_equal(balance_ask(&b, &rq[SCHED_CPUS - 1]), 1);
}

static void test_wake(void **state)
{
	struct sched_entity *sleeper = &entity[9];

	(void)state;
	begin();
	sched_entity_init(&rq[0], sleeper, SCHED_WEIGHT, &b);
	/* Nobody here: here. */
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 0);
	add(0, 0);
	/* To one that is idle, and each of them once. */
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 1);
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 2);
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 3);
	assert_int_equal(b.idle[0].bits, 0);
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 0);
	/* One says again that it is idle, but may not be used. */
	balance_publish(&b, &rq[2]);
	pin(sleeper, 1 << 0 | 1 << 3);
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 0);
	/* Not here, and there all are busy, or not there. */
	pin(sleeper, 1 << 3);
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 3);
	pin(sleeper, 1ull << 40 | 1 << 1);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(balance_wake(&b, &rq[0], sleeper), 1);
	pin(sleeper, 1ull << 40);
	assert_int_equal(balance_wake(&b, &rq[0], sleeper), 0);
}

static void test_idle(void **state)
{
	struct sched_entity *e;

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++)
		add(i, 0);
	pin(&entity[1], 1 << 0);
	/* What may leave does, though it has come just now; the current one does not. */
	e = balance_push(&b, &rq[0], now, &to);
	assert_ptr_equal(e, &entity[2]);
	assert_int_equal(e->state, SCHED_MOVING);
	assert_in_range(to, 1, 3);
	assert_false(b.idle[0].bits >> to & 1);
	assert_true(sched_attach(&rq[to], e, now));
	assert_ptr_equal(sched_pick(&rq[to], now), e);
	assert_null(balance_push(&b, &rq[0], now, &to));
	/* With one there is nothing to give. */
	sched_sleep(&rq[0], &entity[1], now);
	assert_null(balance_push(&b, &rq[0], now, &to));
}

/* Three on two CPUs. */
static void test_rotation(void **state)
{
	uint64_t ran[3];

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++)
		add(i, i != 0);
	for (unsigned i = 0; i < QUEUES; i++)
		for (unsigned k = 0; k < 3; k++)
			pin(&entity[k], 3);
	for (unsigned i = 0; i < 2000; i++) {
		now += TURN / 5;
		for (unsigned k = 0; k < 2; k++) {
			struct sched_entity *e = NULL;

			if (!sched_slice(&rq[k], now))
				e = balance_push(&b, &rq[k], now, &to);
			choose(k);
			if (!e)
				continue;
			assert_int_equal(to, !k);
			sched_attach(&rq[to], e, now);
			choose(to);
		}
		if (i == 999)
			for (unsigned k = 0; k < 3; k++)
				ran[k] = entity[k].ran;
	}
	for (unsigned k = 0; k < 3; k++) {
		double had = (double)(entity[k].ran - ran[k]);

		assert_true(had > 65.5 * MS && had < 67.5 * MS);
	}
}

static void test_lead(void **state)
{
	struct sched_entity *e;
	uint64_t stamp;

	(void)state;
	begin();
	for (unsigned i = 0; i < 4; i++)
		add(i, i / 2);
	add(4, 2);
	for (unsigned i = 0; i < 5; i++)
		pin(&entity[i], i < 4 ? 3 : 4);
	/* Who has not run since it came stays. */
	pass(TURN, 0);
	rq[1].offset += 2 * TURN << 6;
	choose(1);
	assert_null(balance_push(&b, &rq[0], now, &to));
	rq[1].offset -= 2 * TURN << 6;
	pass(TURN, QUEUES);
	pass(TURN, QUEUES);
	/* Two and two: nothing to be gained. */
	pass(TURN, 0);
	assert_null(balance_push(&b, &rq[0], now, &to));
	/* One has become free; but it does not say what it has: being written, or promised
	 * something. */
	sched_remove(&rq[1], &entity[2], now);
	pass(TURN, QUEUES);
	pass(TURN, 0);
	assert_true(b.cpu[1].weight == SCHED_WEIGHT);
	stamp = b.cpu[1].stamp;
	b.cpu[1].stamp = 0;
	assert_null(balance_push(&b, &rq[0], now, &to));
	b.cpu[1].stamp = stamp;
	e = balance_push(&b, &rq[0], now, &to);
	assert_non_null(e);
	assert_int_equal(to, 1);
	assert_int_equal(b.cpu[1].stamp, 0);
	sched_attach(&rq[0], e, now);

	/* A CPU of quite another virtual time: as many there as here, nothing moves, and now
	 * the two are equal; fewer: one moves. */
	begin();
	for (unsigned i = 0; i < 4; i++)
		add(i, i / 2);
	for (unsigned i = 2; i < QUEUES; i++)
		add(2 + i, i);
	rq[1].offset += 1000000 * MS;
	for (unsigned i = 0; i < 4; i++)
		pin(&entity[i], 3);
	pass(TURN, QUEUES);
	pass(TURN, QUEUES);
	pass(TURN, 0);
	assert_null(balance_push(&b, &rq[0], now, &to));
	assert_in_range(sched_vtime(&rq[1], now) - sched_vtime(&rq[0], now) + 64 * TURN, 0,
			2 * 64 * TURN);
	rq[1].offset += 1000000 * MS;
	sched_remove(&rq[1], &entity[3], now);
	pass(TURN, 0);
	assert_non_null(balance_push(&b, &rq[0], now, &to));
	assert_int_equal(to, 1);
}

/* Who comes out of idleness has the virtual time of the busy. */
static void test_after_idleness(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 10; i++)
		add(i, 0);
	for (unsigned i = 0; i < 400; i++)
		pass(TURN, 0);
	add(10, 1);
	assert_in_range(sched_vtime(&rq[0], now) - sched_vtime(&rq[1], now), 0, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published), cmocka_unit_test(test_wake),
		cmocka_unit_test(test_idle),      cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_lead),      cmocka_unit_test(test_after_idleness),
	};

	return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}
