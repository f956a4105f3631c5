/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/sched/sched.c kernel/base/heap.c */
/*
 * The scheduler in simulated time, in microseconds: hogs, which always want to
 * run, and sleepers, which run for a while and sleep for a while.
 */
#include "kernel/sched/sched.h"
#include "tests/unit/unit.h"

#define MS   1000ull
#define TURN (1 * MS)
#define MAX  4096

struct task {
	struct sched_entity entity;
	uint64_t run, sleep; /* burst lengths; sleep 0: a hog */
	uint64_t left;       /* of the burst */
	uint64_t wake_at;    /* 0: awake */
	uint64_t ready_since, worst_latency, worst_gap, last_ran;
};

static struct sched_rq rq;
static struct task task[MAX];
static unsigned tasks;
static uint64_t now, picks;

static struct task *of(struct sched_entity *e)
{
	return (struct task *)e; /* the entity is the first member */
}

static void begin(void)
{
	memset(task, 0, sizeof(task));
	tasks = 0;
	/* Close to where 64 bits wrap. */
	now = ~0ull - 100 * MS;
	sched_init(&rq, 0, TURN, now);
}

static struct task *add(uint32_t weight, uint64_t run, uint64_t sleep)
{
	struct task *t = &task[tasks++];

	sched_entity_init(&rq, &t->entity, weight, &rq);
	t->run = t->left = run;
	t->sleep = sleep;
	t->last_ran = t->ready_since = now;
	sched_wake(&rq, &t->entity, now);
	return t;
}

static void started(struct task *t)
{
	uint64_t latency = now - t->ready_since;

	if (t->ready_since && latency > t->worst_latency)
		t->worst_latency = latency;
	t->ready_since = 0;
	if (now - t->last_ran > t->worst_gap)
		t->worst_gap = now - t->last_ran;
}

/* What is in the heap, and that it is one: parent links, order, ranks. */
static unsigned heap_check(const struct heap_node *node, const struct heap_node *parent,
			   uint64_t *weight)
{
	unsigned l, r;

	if (!node)
		return 0;
	assert_ptr_equal(node->parent, parent);
	if (parent)
		assert_true((int64_t)(node->key - parent->key) >= 0);
	l = node->left ? node->left->rank : 0;
	r = node->right ? node->right->rank : 0;
	assert_true(l >= r);
	assert_int_equal(node->rank, r + 1);
	*weight += ((const struct sched_entity *)node)->weight;
	return 1 + heap_check(node->left, node, weight) + heap_check(node->right, node, weight);
}

static void check_queue(void)
{
	uint64_t weight = 0;
	unsigned count = heap_check(rq.ready, NULL, &weight);

	if (rq.current && rq.current->state == SCHED_RUNNING) {
		count++;
		weight += rq.current->weight;
	}
	assert_int_equal(count, rq.count);
	assert_int_equal(weight, rq.weight);
}

/* Lets time pass until `end`. */
static void simulate(uint64_t end)
{
	struct sched_entity *e = sched_pick(&rq, now);

	if (e)
		started(of(e));
	while ((int64_t)(end - now) > 0) {
		uint64_t slice = sched_slice(&rq, now);
		uint64_t step = end - now;
		bool again = false;

		step = slice < step ? slice : step;
		if (e && of(e)->sleep && of(e)->left < step)
			step = of(e)->left;
		for (unsigned i = 0; i < tasks; i++)
			if (task[i].wake_at && task[i].wake_at - now < step)
				step = task[i].wake_at - now;
		now += step;
		if (e) {
			of(e)->last_ran = now;
			of(e)->left -= of(e)->sleep ? step : 0;
			if (of(e)->sleep && !of(e)->left) {
				of(e)->wake_at = now + of(e)->sleep;
				of(e)->left = of(e)->run;
				sched_sleep(&rq, e, now);
				again = true;
			}
		}
		for (unsigned i = 0; i < tasks; i++) {
			if (task[i].wake_at != now || !task[i].wake_at)
				continue;
			task[i].wake_at = 0;
			task[i].ready_since = task[i].last_ran = now;
			again |= sched_wake(&rq, &task[i].entity, now);
		}
		if (!again && sched_slice(&rq, now))
			continue;
		picks++;
		struct sched_entity *next = sched_pick(&rq, now);

		assert_true(next || !rq.ready);
		if (next && next != e)
			started(of(next));
		e = next;
	}
	sched_pick(&rq, now);
}

static void assert_near(double value, double wanted, double slack)
{
	if (value < wanted - slack || value > wanted + slack)
		fail_msg("%f is not %f +- %f", value, wanted, slack);
}

static void test_alone(void **state)
{
	(void)state;
	begin();
	assert_null(sched_pick(&rq, now));
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
	struct task *a = add(SCHED_WEIGHT, 0, 0);

	assert_ptr_equal(sched_pick(&rq, now), a);
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
	now += 3600 * 1000 * MS;
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
	/* A second one: the turn of the first is bounded, and the second got
	 * nothing for the hour that it was not there. */
	struct task *b = add(SCHED_WEIGHT, 0, 0);

	assert_in_range(sched_slice(&rq, now), 0, (6 * TURN));
	a->entity.ran = b->entity.ran = 0;
	simulate(now + 1000 * MS);
	assert_near((double)a->entity.ran, 500 * MS, 2 * (6 * TURN));
	assert_near((double)b->entity.ran, 500 * MS, 2 * (6 * TURN));
	assert_int_equal(a->entity.state + b->entity.state, SCHED_RUNNING + SCHED_QUEUED);
}

static void shares(unsigned n, uint64_t length, uint32_t (*weight)(unsigned i))
{
	uint64_t sum = 0, start;

	begin();
	start = now;
	for (unsigned i = 0; i < n; i++)
		sum += add(weight(i), 0, 0)->entity.weight;
	simulate(start + length);
	check_queue();
	for (unsigned i = 0; i < n; i++) {
		const struct sched_entity *e = &task[i].entity;

		/* Off by no more than some turns, whatever the time and the others. */
		assert_near((double)e->ran, (double)length * e->weight / (double)sum, 6 * TURN);
		uint64_t pending = e->state == SCHED_QUEUED ? now - e->since : 0;

		assert_int_equal(e->ran + e->waited + pending, length);
	}
}

static uint32_t equal_weights(unsigned i)
{
	(void)i;
	return SCHED_WEIGHT;
}

static uint32_t mixed_weights(unsigned i)
{
	static const uint32_t weights[] = {1, 64, 256, 1024, 1024, 4096, 65535};

	return weights[i % 7];
}

static uint32_t any_weights(unsigned i)
{
	(void)i;
	return 1 + (uint32_t)random_below(65535);
}

static void test_shares(void **state)
{
	(void)state;
	shares(2, 1000 * MS, equal_weights);
	shares(3, 10000 * MS, equal_weights);
	shares(7, 60000 * MS, mixed_weights);
	shares(50, 60000 * MS, any_weights);
	shares(1000, 100000 * MS, any_weights);
	shares(MAX, 100000 * MS, equal_weights);
}

/* One heavy vCPU beside seven light ones, each with half: it does not wait until all of them have
 * had a turn, nor they until it has had seven. */
static void test_heavy(void **state)
{
	struct task *heavy;

	(void)state;
	begin();
	heavy = add(7 * SCHED_WEIGHT, 0, 0);
	for (unsigned i = 0; i < 7; i++)
		add(SCHED_WEIGHT, 0, 0);
	for (uint64_t at = now, ms = 1; ms <= 1000; ms++) {
		simulate(at + ms * MS);
		assert_in_range(2 * heavy->entity.ran + 2 * TURN - ms * MS, 0, 4 * TURN);
	}
	assert_in_range(heavy->worst_gap, TURN, 2 * TURN);
}

static void test_no_starvation(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 1000; i++)
		add(equal_weights(i), 0, 0);
	simulate(now + 10000 * MS);
	for (unsigned i = 0; i < tasks; i++)
		assert_in_range(task[i].worst_gap, 1, 1000 * TURN + (6 * TURN));

	/* The lightest beside the heaviest comes to its turn, too, and newcomers
	 * do not push it back for ever. */
	begin();
	struct task *light = add(1, 0, 0);

	for (unsigned i = 0; i < 4; i++)
		add(1024, 0, 0);
	for (unsigned i = 0; i < 2000; i++) {
		simulate(now + 10 * MS);
		add(1024, 1 + random_below(2000), 100000 * MS);
	}
	assert_near((double)light->entity.ran, 20000.0 * MS / 4097, 2 * TURN);
}

static void test_latency(void **state)
{
	uint64_t start;

	(void)state;
	begin();
	start = now;
	/* Interactive ones, 10 % together, among ten hogs: served at once. */
	for (unsigned i = 0; i < 5; i++)
		add(SCHED_WEIGHT, 200, 9800 + i * 7);
	for (unsigned i = 0; i < 10; i++)
		add(SCHED_WEIGHT, 0, 0);
	simulate(start + 100 * MS);
	for (unsigned i = 0; i < 5; i++)
		task[i].worst_latency = 0;
	simulate(start + 20000 * MS);
	for (unsigned i = 0; i < 5; i++) {
		/* Only other interactive ones come before it. */
		assert_in_range(task[i].worst_latency, 0, 4 * 200);
		assert_near((double)task[i].entity.ran, 20000.0 * MS * 200 / (10000 + i * 7),
			    2 * MS);
	}

	/* Thousands of sleepers beside a hog: nobody waits longer than the sum
	 * of all that are ahead of it. */
	begin();
	add(SCHED_WEIGHT, 0, 0);
	for (unsigned i = 1; i < 2000; i++)
		add(SCHED_WEIGHT, 1 + random_below(100), 150 * MS + random_below(100 * MS));
	simulate(now + 2000 * MS);
	for (unsigned i = 1; i < tasks; i++)
		task[i].worst_latency = 0;
	simulate(now + 5000 * MS);
	for (unsigned i = 1; i < tasks; i++)
		assert_in_range(task[i].worst_latency, 0, 20 * MS);
	check_queue();
}

static void test_no_hoarding(void **state)
{
	(void)state;
	/* One that slept for a minute has no more than the credit to catch up. */
	begin();
	struct task *sleeper = add(SCHED_WEIGHT, 10, 60000 * MS);
	struct task *hog = add(SCHED_WEIGHT, 0, 0);

	simulate(now + 60000 * MS);
	sleeper->sleep = 0; /* a hog from now on */
	uint64_t mine = sleeper->entity.ran, others = hog->entity.ran;

	simulate(now + 1000 * MS);
	mine = sleeper->entity.ran - mine;
	others = hog->entity.ran - others;
	assert_near((double)mine - (double)others, 0, 2 * (6 * TURN));

	/* Nor does sleeping often give more than the share. */
	begin();
	struct task *clever = add(SCHED_WEIGHT, 4 * MS, 1 * MS);
	uint64_t start = now;

	for (unsigned i = 0; i < 3; i++)
		add(SCHED_WEIGHT, 0, 0);
	simulate(start + 20000 * MS);
	assert_true(clever->entity.ran < 20000 * MS / 4 + (6 * TURN));
	assert_true(clever->entity.ran > 20000 * MS / 4 * 8 / 10);
}

/*
 * A guest that needs its monitor all the time: 30 us of its own, 20 us of the
 * monitor's, over and over. Returns how often it was served.
 */
enum way { PLAIN, DONATE, HAND_OFF };

static unsigned handoffs;

static unsigned ping_pong(struct task *guest, struct task *monitor, uint64_t end, enum way way)
{
	unsigned rounds = 0;
	struct sched_entity *e = sched_pick(&rq, now);
	uint64_t guest_left = 30, monitor_left = 0;

	while ((int64_t)(end - now) > 0) {
		uint64_t *left = e == &guest->entity ? &guest_left : &monitor_left;
		uint64_t slice = sched_slice(&rq, now),
			 step = slice < end - now ? slice : end - now;
		bool mine = e == &guest->entity || e == &monitor->entity;

		if (mine)
			step = *left < step ? *left : step;
		now += step;
		if (mine && !(*left -= step)) {
			struct sched_entity *to =
				e == &guest->entity ? &monitor->entity : &guest->entity;

			rounds += to == &guest->entity;
			*(to == &guest->entity ? &guest_left : &monitor_left) =
				to == &guest->entity ? 30 : 20;
			if (way == HAND_OFF && sched_handoff(&rq, to, now)) {
				handoffs++;
				e = to;
				assert_ptr_equal(rq.current, e);
				continue;
			}
			sched_sleep(&rq, e, now);
			sched_wake(&rq, to, now);
			if (way != PLAIN && to == &monitor->entity)
				sched_donate(&rq, e, to);
		}
		e = sched_pick(&rq, now);
		assert_non_null(e);
	}
	return rounds;
}

static void test_donation(void **state)
{
	struct task *guest, *monitor, *hog;
	unsigned rounds;

	(void)state;
	for (enum way way = DONATE; way <= HAND_OFF; way++) {
		begin();
		monitor = add(SCHED_WEIGHT, 0, 0);
		sched_sleep(&rq, &monitor->entity, now);
		hog = add(SCHED_WEIGHT, 0, 0);
		guest = add(SCHED_WEIGHT, 0, 0);
		handoffs = 0;
		rounds = ping_pong(guest, monitor, now + 10000 * MS, way);
		check_queue();
		/* Guest and monitor together have the guest's half, without the
		 * hog's turns in between. */
		assert_near((double)hog->entity.ran, 5000 * MS, 3 * (6 * TURN));
		assert_near((double)guest->entity.ran, 3000 * MS, 3 * (6 * TURN));
		assert_near((double)monitor->entity.ran, 2000 * MS, 3 * (6 * TURN));
		assert_near(rounds, 100000, 500);
		if (way == HAND_OFF)
			assert_near(handoffs, 200000, 5000);
	}
	/* Without donation the monitor pays, and the guest gets more. */
	begin();
	monitor = add(SCHED_WEIGHT, 0, 0);
	sched_sleep(&rq, &monitor->entity, now);
	hog = add(SCHED_WEIGHT, 0, 0);
	guest = add(SCHED_WEIGHT, 0, 0);
	ping_pong(guest, monitor, now + 10000 * MS, PLAIN);
	assert_true(guest->entity.ran + monitor->entity.ran > 5500 * MS);

	/* Alone: no slice at all. */
	begin();
	monitor = add(SCHED_WEIGHT, 0, 0);
	sched_sleep(&rq, &monitor->entity, now);
	guest = add(SCHED_WEIGHT, 0, 0);
	assert_int_equal(ping_pong(guest, monitor, now + 50 * MS, DONATE), 1000);
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);

	/* Donated time is the donor's: the monitor's own virtual time stands. */
	begin();
	monitor = add(SCHED_WEIGHT, 0, 0);
	sched_sleep(&rq, &monitor->entity, now);
	guest = add(2 * SCHED_WEIGHT, 0, 0);
	assert_ptr_equal(sched_pick(&rq, now), guest);
	now += 100;
	sched_sleep(&rq, &guest->entity, now);
	sched_wake(&rq, &monitor->entity, now);
	sched_donate(&rq, &guest->entity, &monitor->entity);
	assert_ptr_equal(sched_pick(&rq, now), monitor);
	uint64_t own = monitor->entity.vtime, donor = guest->entity.vtime;

	now += 500;
	sched_wake(&rq, &guest->entity, now);
	assert_int_equal(monitor->entity.vtime, own);
	assert_int_equal(monitor->entity.ran, 500);
	assert_int_equal(guest->entity.vtime, donor + 250 * 64);
	assert_int_equal(guest->entity.ran, 100);
	/* From the answer on it pays itself. */
	now += 40;
	sched_sleep(&rq, &monitor->entity, now);
	assert_int_equal(monitor->entity.vtime, own + 40 * 64);
	assert_ptr_equal(sched_pick(&rq, now), guest);
}

/* The monitor has to wait for something itself: the turn is over. */
static void test_monitor_sleeps(void **state)
{
	struct task *guest, *monitor, *hog;

	(void)state;
	for (unsigned hand_off = 0; hand_off < 2; hand_off++) {
		begin();
		monitor = add(SCHED_WEIGHT, 0, 0);
		sched_sleep(&rq, &monitor->entity, now);
		guest = add(SCHED_WEIGHT, 0, 0);
		assert_ptr_equal(sched_pick(&rq, now), guest);
		hog = add(SCHED_WEIGHT, 0, 0);
		now += 10;
		if (hand_off) {
			assert_true(sched_handoff(&rq, &monitor->entity, now));
			/* Not to a third one, nor to somebody awake. */
			assert_false(sched_handoff(&rq, &hog->entity, now));
		} else {
			sched_sleep(&rq, &guest->entity, now);
			sched_wake(&rq, &monitor->entity, now);
			sched_donate(&rq, &guest->entity, &monitor->entity);
			assert_ptr_equal(sched_pick(&rq, now), monitor);
		}
		now += 10;
		sched_sleep(&rq, &monitor->entity, now);
		assert_ptr_equal(sched_pick(&rq, now), hog);
		check_queue();
		now += 10;
		sched_wake(&rq, &monitor->entity, now);
		sched_wake(&rq, &guest->entity, now);
		check_queue();
		assert_int_equal(guest->entity.ran, 10);
		assert_int_equal(monitor->entity.ran, 10);
	}
}

static void test_donor_dies(void **state)
{
	struct task *guest, *monitor, *hog;

	(void)state;
	begin();
	monitor = add(SCHED_WEIGHT, 0, 0);
	sched_sleep(&rq, &monitor->entity, now);
	guest = add(SCHED_WEIGHT, 0, 0);
	sched_pick(&rq, now);
	sched_sleep(&rq, &guest->entity, now += 10);
	sched_wake(&rq, &monitor->entity, now);
	sched_donate(&rq, &guest->entity, &monitor->entity);
	assert_ptr_equal(sched_pick(&rq, now), monitor);
	sched_remove(&rq, &guest->entity, now += 10);
	memset(guest, 0xee, sizeof(*guest));
	now += 10;
	hog = add(SCHED_WEIGHT, 0, 0);
	assert_in_range(sched_slice(&rq, now), 0, (6 * TURN));
	assert_int_equal(monitor->entity.ran, 20);
	/* From then on nobody else paid. */
	assert_int_equal(guest->entity.vtime, 0xeeeeeeeeeeeeeeee);
	assert_int_equal(monitor->entity.vtime - rq.vmin, 0);
	/* And the one that was donated to. */
	sched_sleep(&rq, &monitor->entity, now);
	assert_ptr_equal(sched_pick(&rq, now), hog);
	sched_sleep(&rq, &hog->entity, now);
	sched_wake(&rq, &monitor->entity, now);
	sched_donate(&rq, &hog->entity, &monitor->entity);
	sched_remove(&rq, &monitor->entity, now);
	assert_null(hog->entity.donee);
	memset(monitor, 0xee, sizeof(*monitor));
	assert_null(sched_pick(&rq, now));
	sched_wake(&rq, &hog->entity, now);
	assert_ptr_equal(sched_pick(&rq, now), hog);
	sched_remove(&rq, &hog->entity, now);
	memset(hog, 0xee, sizeof(*hog));
	assert_null(sched_pick(&rq, now += 5));
	check_queue();
}

/* The short way from idle is as the long one, and only from there. */
static void test_start(void **state)
{
	struct sched_entity *a, *b;

	(void)state;
	begin();
	a = &add(SCHED_WEIGHT, 0, 0)->entity;
	b = &add(SCHED_WEIGHT, 0, 0)->entity;
	assert_false(sched_start(&rq, a, now)); /* it is awake */
	sched_sleep(&rq, a, now);
	assert_false(sched_start(&rq, a, now)); /* the other one waits */
	sched_sleep(&rq, b, now);
	assert_null(sched_pick(&rq, now));
	assert_true(sched_start(&rq, a, now += 100));
	assert_int_equal(rq.idle, 100);
	check_queue();
	assert_false(sched_start(&rq, b, now)); /* the other one runs */
	assert_ptr_equal(sched_pick(&rq, now += 100), a);
	assert_int_equal(a->ran, 100);
	sched_wake(&rq, b, now);
	assert_ptr_equal(sched_pick(&rq, now += 2 * TURN), b);
	sched_sleep(&rq, b, now);
	sched_sleep(&rq, a, now);
	assert_null(sched_pick(&rq, now));
	sched_set_cap(&rq, a, 1000, 10000, now);
	assert_false(sched_start(&rq, a, now)); /* it may have had its quota */
	check_queue();
}

/* Who is handed the CPU has nobody to donate to any more, though it once had. */
static void test_donee_goes(void **state)
{
	struct task *guest, *monitor, *hog;

	(void)state;
	begin();
	monitor = add(SCHED_WEIGHT, 0, 0);
	sched_sleep(&rq, &monitor->entity, now);
	guest = add(SCHED_WEIGHT, 0, 0);
	assert_ptr_equal(sched_pick(&rq, now), guest);
	sched_sleep(&rq, &guest->entity, now += 10);
	sched_wake(&rq, &monitor->entity, now);
	sched_donate(&rq, &guest->entity, &monitor->entity);
	/* In a turn of the monitor's own the guest goes on. */
	assert_ptr_equal(sched_pick(&rq, now += 2 * TURN), monitor);
	assert_true(sched_handoff(&rq, &guest->entity, now += 10));
	/* While another one runs the monitor goes to another queue, and is awake there. */
	hog = add(SCHED_WEIGHT, 0, 0);
	assert_ptr_equal(sched_pick(&rq, now += 4 * TURN), hog);
	sched_detach(&rq, &monitor->entity, now);
	monitor->entity.state = SCHED_QUEUED;
	sched_sleep(&rq, &hog->entity, now += 10);
	assert_ptr_equal(sched_pick(&rq, now += 2 * TURN), guest);
	sched_sleep(&rq, &guest->entity, now += 10);
	assert_null(sched_pick(&rq, now));
	check_queue();
}

static void test_yield(void **state)
{
	struct sched_entity *first, *second, *third;

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++)
		add(SCHED_WEIGHT, 0, 0);
	first = sched_pick(&rq, now);
	sched_pass(&rq, now += 1);
	second = sched_pick(&rq, now);
	assert_ptr_not_equal(second, first);
	sched_pass(&rq, now += 1);
	third = sched_pick(&rq, now);
	assert_ptr_not_equal(third, second);
	assert_ptr_not_equal(third, first);
	/* Only one place back, not behind everybody. */
	assert_int_equal((int64_t)(second->vtime - third->vtime) <= 64 * 2, 1);
	/* A heavy one makes way as well. */
	begin();
	add(SCHED_WEIGHT, 0, 0);
	add(8 * SCHED_WEIGHT, 0, 0);
	first = sched_pick(&rq, now);
	assert_int_equal(first->weight, 8 * SCHED_WEIGHT);
	sched_pass(&rq, now += 1);
	assert_ptr_not_equal(sched_pick(&rq, now), first);
	/* Alone, it comes back. */
	begin();
	add(SCHED_WEIGHT, 0, 0);
	first = sched_pick(&rq, now);
	sched_pass(&rq, now);
	assert_ptr_equal(sched_pick(&rq, now), first);
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
}

static void test_statistics(void **state)
{
	struct task *a, *b;

	(void)state;
	begin();
	a = add(SCHED_WEIGHT, 0, 0);
	b = add(0, 0, 0);
	assert_int_equal(b->entity.weight, 1);
	sched_set_weight(&rq, &b->entity, 100000, now);
	assert_int_equal(b->entity.weight, 65535);
	assert_ptr_equal(sched_pick(&rq, now), a);
	now += 70;
	sched_sleep(&rq, &b->entity, now);
	assert_int_equal(b->entity.waited, 70);
	now += 1000;
	assert_int_equal(a->entity.waited, 0);
	sched_pick(&rq, now);
	assert_int_equal(a->entity.ran, 1070);
	check_queue();
}

static void test_preemption(void **state)
{
	struct task *hog, *sleeper;

	(void)state;
	begin();
	hog = add(SCHED_WEIGHT, 0, 0);
	sleeper = add(SCHED_WEIGHT, 0, 0);
	sched_sleep(&rq, &sleeper->entity, now);
	assert_ptr_equal(sched_pick(&rq, now), hog);
	now += 100 * MS;
	assert_true(sched_wake(&rq, &sleeper->entity, now));
	assert_ptr_equal(sched_pick(&rq, now), sleeper);
	/* Awake already: nothing. */
	assert_false(sched_wake(&rq, &sleeper->entity, now));
	assert_false(sched_wake(&rq, &hog->entity, now));
	/* Having had its share it does not preempt. */
	now += 4 * MS;
	sched_sleep(&rq, &sleeper->entity, now);
	assert_ptr_equal(sched_pick(&rq, now), hog);
	now += 100;
	assert_false(sched_wake(&rq, &sleeper->entity, now));
	/* An idle CPU is taken at once. */
	sched_sleep(&rq, &sleeper->entity, now);
	sched_sleep(&rq, &hog->entity, now);
	assert_null(sched_pick(&rq, now));
	now += 50;
	assert_true(sched_wake(&rq, &hog->entity, now));
	assert_int_equal(rq.idle, 50);
	/* Sleep and wake without a pick in between. */
	assert_ptr_equal(sched_pick(&rq, now), hog);
	sched_sleep(&rq, &hog->entity, now);
	assert_false(sched_wake(&rq, &hog->entity, now));
	assert_int_equal(hog->entity.state, SCHED_RUNNING);
	assert_ptr_equal(sched_pick(&rq, now), hog);
	check_queue();
}

/* Hogs with caps beside one without: exact in each period, asleep in between. */
static void test_caps(void **state)
{
	struct task *capped[2], *hog;

	(void)state;
	begin();
	capped[0] = add(SCHED_WEIGHT, 0, 0);
	capped[1] = add(4 * SCHED_WEIGHT, 0, 0);
	hog = add(SCHED_WEIGHT, 0, 0);
	sched_set_cap(&rq, &capped[0]->entity, 10 * MS, 100 * MS, now);
	sched_set_cap(&rq, &capped[1]->entity, 5 * MS, 20 * MS, now);
	for (unsigned i = 1; i <= 50; i++) {
		simulate(now + 100 * MS);
		assert_int_equal(capped[0]->entity.ran, i * 10 * MS);
		assert_int_equal(capped[1]->entity.ran, i * 25 * MS);
		check_queue();
	}
	assert_int_equal(hog->entity.ran, 50 * 65 * MS);
	/* Waiting for the period's end counts as waiting. */
	sched_sleep(&rq, &capped[0]->entity, now);
	assert_int_equal(capped[0]->entity.waited, 50 * 90 * MS);

	/* Alone: the next event is the end of the quota, then that of the period. */
	sched_sleep(&rq, &capped[1]->entity, now);
	sched_sleep(&rq, &hog->entity, now);
	assert_null(sched_pick(&rq, now));
	now += 7 * MS;
	sched_wake(&rq, &capped[1]->entity, now);
	assert_ptr_equal(sched_pick(&rq, now), capped[1]);
	assert_int_equal(sched_slice(&rq, now), 5 * MS);
	/* The timer is late by 1 ms, which is taken off the next quota. */
	now += 6 * MS;
	assert_int_equal(sched_slice(&rq, now), 0);
	assert_null(sched_pick(&rq, now));
	assert_int_equal(capped[1]->entity.state, SCHED_THROTTLED);
	assert_int_equal(sched_slice(&rq, now), 7 * MS);
	assert_false(sched_wake(&rq, &capped[1]->entity, now));
	now += 7 * MS;
	assert_ptr_equal(sched_pick(&rq, now), capped[1]);
	assert_int_equal(sched_slice(&rq, now), 4 * MS);
	now += 4 * MS;
	assert_null(sched_pick(&rq, now));
	/* Asleep meanwhile, it still has nothing left; a long sleep saves nothing up. */
	sched_sleep(&rq, &capped[1]->entity, now);
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
	assert_false(sched_wake(&rq, &capped[1]->entity, now += MS));
	assert_null(sched_pick(&rq, now));
	sched_sleep(&rq, &capped[1]->entity, now);
	now += 1000 * MS;
	assert_true(sched_wake(&rq, &capped[1]->entity, now));
	assert_ptr_equal(sched_pick(&rq, now), capped[1]);
	assert_in_range(sched_slice(&rq, now), 1, 5 * MS);

	/* Who has used up its cap may go on when that is lifted, or when it dies. */
	now += 5 * MS;
	sched_pick(&rq, now);
	now += 5 * MS;
	assert_null(sched_pick(&rq, now));
	sched_set_cap(&rq, &capped[1]->entity, 0, 0, now);
	assert_int_equal(sched_slice(&rq, now), 0);
	assert_ptr_equal(sched_pick(&rq, now), capped[1]);
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
	sched_set_cap(&rq, &capped[1]->entity, 20 * MS, 20 * MS, now); /* no cap */
	assert_int_equal(sched_slice(&rq, now), SCHED_NEVER);
	sched_set_cap(&rq, &capped[1]->entity, MS, 20 * MS, now);
	assert_null(sched_pick(&rq, now += 2 * MS));
	sched_remove(&rq, &capped[1]->entity, now);
	assert_null(rq.throttled);
	assert_null(sched_pick(&rq, now));
}

/* A yield goes to a sibling, but not again and again at the others' expense. */
static void test_siblings(void **state)
{
	struct task *a, *b, *others[5];
	unsigned group, mine = 0;

	(void)state;
	begin();
	a = add(SCHED_WEIGHT, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		others[i] = add(SCHED_WEIGHT, 0, 0);
	b = add(SCHED_WEIGHT, 0, 0);
	a->entity.group = b->entity.group = &group;
	assert_ptr_equal(sched_pick(&rq, now), a);
	sched_pass(&rq, now += 10);
	assert_ptr_equal(sched_pick(&rq, now), b);
	for (unsigned i = 0; i < 100000; i++) {
		struct sched_entity *e = rq.current;

		now += 10;
		mine += e == &a->entity || e == &b->entity;
		if (e == &a->entity || e == &b->entity)
			sched_pass(&rq, now);
		else if (sched_slice(&rq, now))
			continue;
		sched_pick(&rq, now);
	}
	for (unsigned i = 0; i < 5; i++)
		assert_true(others[i]->entity.ran >= 1000 * MS / 7 - TURN);
	assert_true(mine > 1000);
	check_queue();

	/* One whose sibling spins on another CPU. */
	begin();
	a = add(SCHED_WEIGHT, 0, 0);
	b = add(SCHED_WEIGHT, 0, 0);
	sched_pick(&rq, now);
	assert_true(sched_favour(&rq, &b->entity, now += 10));
	assert_ptr_equal(sched_pick(&rq, now), b);
	assert_false(sched_favour(&rq, &b->entity, now)); /* runs */
	sched_sleep(&rq, &a->entity, now);
	assert_false(sched_favour(&rq, &a->entity, now)); /* sleeps */
}

static void test_find(void **state)
{
	uint64_t cpus[SCHED_WORDS] = {0, 0, 4, 0};
	unsigned group, siblings = 0;

	(void)state;
	begin();
	assert_null(sched_find(&rq, cpus));
	for (unsigned i = 0; i < 60; i++) {
		struct task *t = add(SCHED_WEIGHT, 0, 0);

		memset(t->entity.affinity, 0, sizeof(t->entity.affinity));
		t->entity.affinity[i % 2 ? 2 : 0] = 4;
		t->entity.group = i % 3 ? (void *)&rq : &group;
	}
	for (unsigned round = 0; round < 2000; round++) {
		struct sched_entity *pinned = NULL, *sibling = NULL, *least = NULL, *now_on;

		sched_pick(&rq, now);
		now += random_below(2 * TURN);
		now_on = sched_pick(&rq, now);
		for (unsigned i = 0; i < tasks; i++) {
			struct sched_entity *e = &task[i].entity;

			if (e->state != SCHED_QUEUED)
				continue;
			if (i % 2 && (!pinned || (int64_t)(e->vtime - pinned->vtime) < 0))
				pinned = e;
			if (e->group == now_on->group &&
			    (!sibling || (int64_t)(e->vtime - sibling->vtime) < 0))
				sibling = e;
			if (!least || (int64_t)(e->vtime - least->vtime) < 0)
				least = e;
		}
		assert_int_equal(sched_find(&rq, cpus)->vtime, pinned->vtime);
		/* Who yields prefers its own, unless that is unfair. */
		sched_pass(&rq, now);
		if (sibling->vtime - least->vtime > TURN << 6)
			sibling = least;
		siblings += sibling->group == now_on->group;
		assert_int_equal(sched_pick(&rq, now)->vtime, sibling->vtime);
	}
	assert_in_range(siblings, 100, 2000);
	cpus[2] = 8;
	assert_null(sched_find(&rq, cpus));
}

/* From one queue to another: as far behind, as much of the quota left. */
static void test_moving(void **state)
{
	struct sched_rq other;
	struct task *a, *b, *c;
	uint64_t lag, mean;

	(void)state;
	begin();
	a = add(SCHED_WEIGHT, 0, 0);
	b = add(SCHED_WEIGHT, 0, 0);
	c = add(SCHED_WEIGHT, 0, 0);
	simulate(now + 12 * MS);
	mean = sched_vtime(&rq, now);
	assert_in_range(mean - (a->entity.vtime + b->entity.vtime + c->entity.vtime) / 3, 0, 3);
	sched_detach(&rq, &c->entity, now);
	assert_int_equal(c->entity.state, SCHED_MOVING);
	assert_false(sched_wake(&rq, &c->entity, now));
	check_queue();
	/* To an idle one: it runs. */
	sched_init(&other, 1, TURN, now);
	now += 5;
	assert_true(sched_attach(&other, &c->entity, now));
	assert_ptr_equal(sched_pick(&other, now), c);
	assert_int_equal(other.count, 1);
	assert_int_equal(sched_slice(&other, now), SCHED_NEVER);
	/* It has been alone for 2 ms; who comes from where it got nothing goes first. */
	if (sched_pick(&rq, now) == &a->entity) {
		struct task *swap = a;

		a = b;
		b = swap;
	}
	now += 2 * MS;
	sched_detach(&rq, &a->entity, now);
	lag = sched_vtime(&other, now) - a->entity.vtime;
	assert_true((int64_t)lag > 64 * (int64_t)MS);
	assert_true(sched_attach(&other, &a->entity, now));
	assert_int_equal(c->entity.vtime + other.offset - a->entity.vtime - other.offset, lag);
	assert_ptr_equal(sched_pick(&other, now), a);
	/* The one that runs, one that sleeps, one that is donated to. */
	sched_detach(&other, &a->entity, now += 10);
	assert_null(other.current);
	assert_ptr_equal(sched_pick(&other, now), c);
	sched_sleep(&other, &c->entity, now);
	sched_detach(&other, &c->entity, now);
	assert_int_equal(c->entity.state, SCHED_ASLEEP);
	assert_false(sched_attach(&rq, &c->entity, now));
	assert_int_equal(c->entity.state, SCHED_ASLEEP);
	assert_null(sched_pick(&other, now));
	assert_int_equal(other.count + other.weight, 0);
	sched_wake(&rq, &c->entity, now);
	sched_attach(&rq, &a->entity, now);
	assert_int_equal(rq.count, 3);
	check_queue();
	/* From a queue of quite another time it comes in the middle. */
	sched_detach(&rq, &c->entity, now);
	c->entity.vtime += 1000000 * MS;
	sched_attach(&rq, &c->entity, now);
	assert_int_equal(c->entity.vtime,
			 a->entity.vtime + ((b->entity.vtime - a->entity.vtime) / 2));
	/* A cap goes along. */
	sched_set_cap(&rq, &c->entity, 3 * MS, 50 * MS, now);
	simulate(now + 20 * MS);
	assert_int_equal(c->entity.state, SCHED_THROTTLED);
	sched_detach(&rq, &c->entity, now);
	assert_null(rq.throttled);
	assert_int_equal(c->entity.state, SCHED_MOVING);
	assert_false(sched_attach(&other, &c->entity, now));
	assert_null(sched_pick(&other, now));
	assert_int_equal(sched_slice(&other, now), 30 * MS);
	assert_ptr_equal(sched_pick(&other, now + 30 * MS), c);
}

/* What the kernel does for one entity while another is the current one. */
static void test_charge(void **state)
{
	struct sched_entity *a, *b, *c;
	uint64_t v;

	(void)state;
	begin();
	a = &add(1024, 0, 0)->entity;
	b = &add(1024, 0, 0)->entity;
	c = &add(1024, 0, 0)->entity;
	sched_sleep(&rq, c, now);
	assert_ptr_equal(sched_pick(&rq, now), a);
	now += 100;
	v = a->vtime;
	/* 40 of it for b, which waits: the heap has it in its new place. */
	sched_charge(&rq, b, now - 40);
	now += 10;
	sched_charge(&rq, NULL, now);
	assert_int_equal(a->ran, 60);
	assert_int_equal(a->vtime - v, sched_span(a, 60));
	assert_int_equal(b->ran, 50);
	check_queue();
	/* For one that sleeps, and has slept for long: it does not pay with what it saved up. */
	now += 10 * TURN;
	sched_charge(&rq, c, now);
	now += TURN;
	sched_charge(&rq, NULL, now);
	assert_int_equal(a->ran, 60 + 10 * TURN);
	assert_int_equal(c->ran, TURN);
	v = c->vtime;
	assert_true((int64_t)(v - (rq.vmin - rq.credit + sched_span(c, TURN))) >= 0);
	sched_wake(&rq, c, now);
	assert_int_equal(c->vtime, v);
	/* What has been accounted for stays; whoever goes pays no more. */
	sched_charge(&rq, b, now - 5 * TURN);
	sched_remove(&rq, b, now + 7);
	assert_int_equal(b->ran, 57);
	assert_null(rq.cause);
	/* It counts for a cap. */
	sched_set_cap(&rq, c, 2 * TURN, 10 * TURN, now + 7);
	sched_charge(&rq, c, now + 7);
	sched_charge(&rq, NULL, now + 7 + 2 * TURN);
	sched_sleep(&rq, a, now + 7 + 2 * TURN);
	sched_pick(&rq, now + 7 + 2 * TURN); /* its turn ends as it begins */
	assert_int_equal(sched_slice(&rq, now + 7 + 2 * TURN), 0);
	assert_null(sched_pick(&rq, now + 7 + 2 * TURN));
	assert_int_equal(c->state, SCHED_THROTTLED);
}

/* Two hogs; for a third, which sleeps, something is done again and again: it gets no more than a
 * third of the time when it wakes, and the hogs lose no more than it is charged. */
static void test_charge_sleeper(void **state)
{
	struct sched_entity *a, *b, *c;
	uint64_t start, until, cost = TURN / 8;

	(void)state;
	begin();
	a = &add(1024, 0, 0)->entity;
	b = &add(1024, 0, 0)->entity;
	c = &add(1024, 0, 0)->entity;
	sched_pick(&rq, now);
	sched_sleep(&rq, c, now);
	sched_pick(&rq, now);
	start = now;
	until = now + 100 * TURN;
	for (; now < until; now += TURN - cost) {
		sched_charge(&rq, c, now);
		now += cost;
		sched_charge(&rq, NULL, now);
		sched_pick(&rq, now);
	}
	sched_pick(&rq, now);
	assert_int_equal(a->ran + b->ran + c->ran, now - start);
	assert_in_range(c->ran, (now - start) / 8 - TURN, (now - start) / 8 + TURN);
	assert_in_range(a->ran, b->ran - 2 * TURN, b->ran + 2 * TURN);
	/* It comes back no further behind than one that was never charged. */
	sched_wake(&rq, c, now);
	assert_true((int64_t)(c->vtime - (rq.vmin - rq.credit)) >= 0);
}

static void test_random(void **state)
{
	uint64_t start, ran = 0;

	(void)state;
	begin();
	start = now;
	for (unsigned i = 0; i < 300; i++)
		add(any_weights(i), 0, 0);
	for (unsigned i = 0; i < 100000; i++) {
		struct sched_entity *e = &task[random_below(tasks)].entity;

		now += random_below(3000);
		switch (random_below(12)) {
		case 9:
			sched_handoff(&rq, e, now);
			break;
		case 0:
			if (random_below(2) || !sched_start(&rq, e, now))
				sched_wake(&rq, e, now);
			break;
		case 1:
			sched_sleep(&rq, e, now);
			break;
		case 2:
			sched_set_weight(&rq, e, (uint32_t)random_below(100000), now);
			break;
		case 3:
			sched_set_cap(&rq, e, random_below(20000), random_below(20000), now);
			break;
		case 4:
			sched_pass(&rq, now);
			break;
		case 5:
			if (rq.current) {
				struct sched_entity *from = rq.current;

				sched_sleep(&rq, from, now);
				sched_wake(&rq, e, now);
				sched_donate(&rq, from, e);
			}
			break;
		case 6:
			sched_remove(&rq, e, now);
			ran += e->ran;
			memset(e, 0xee, sizeof(*e));
			sched_entity_init(&rq, e, any_weights(0), &rq);
			break;
		case 7:
			sched_detach(&rq, e, now);
			if (random_below(2))
				now += random_below(3000);
			sched_attach(&rq, e, now);
			break;
		default:
			e = sched_pick(&rq, now);
			assert_ptr_equal(e, rq.current);
			assert_true(e ? e->state == SCHED_RUNNING : !rq.ready);
			assert_true(!e || sched_slice(&rq, now));
			break;
		}
		if (i % 16 == 0)
			check_queue();
	}
	sched_pick(&rq, now);
	/* No time is lost. */
	for (unsigned i = 0; i < tasks; i++)
		ran += task[i].entity.ran;
	assert_int_equal(ran + rq.idle, now - start);
}

/* How long a sleeper's wake-up may wait: not at all if it would preempt; else the rest of the turn,
 * or until the one that runs has caught up, which has its limit. */
static void test_patience(void **unused)
{
	struct task *hog, *other;

	(void)unused;
	begin();
	hog = add(2 * SCHED_WEIGHT, MS, 0);
	other = add(SCHED_WEIGHT, MS, 0);
	sched_sleep(&rq, &other->entity, now);
	assert_int_equal(sched_patience(&rq, &other->entity, now), 0); /* nobody runs */
	assert_ptr_equal(sched_pick(&rq, now), &hog->entity);
	assert_int_equal(sched_patience(&rq, &hog->entity, now), 0);
	assert_int_equal(sched_patience(&rq, &other->entity, now), TURN);
	now += TURN / 4;
	assert_int_equal(sched_patience(&rq, &other->entity, now), TURN - TURN / 4);
	/* Charged: at half the weight it is caught up with after twice the time. */
	sched_charge(&rq, &other->entity, now);
	now += TURN;
	sched_charge(&rq, NULL, now);
	assert_int_equal(sched_patience(&rq, &other->entity, now), 2 * TURN - TURN / 4);
	sched_charge(&rq, &other->entity, now);
	now += 100 * TURN;
	sched_charge(&rq, NULL, now);
	assert_int_equal(sched_patience(&rq, &other->entity, now), 8 * TURN);
	now += 250 * TURN;
	assert_int_equal(sched_patience(&rq, &other->entity, now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),      cmocka_unit_test(test_shares),
		cmocka_unit_test(test_heavy),      cmocka_unit_test(test_no_starvation),
		cmocka_unit_test(test_latency),    cmocka_unit_test(test_no_hoarding),
		cmocka_unit_test(test_donation),   cmocka_unit_test(test_monitor_sleeps),
		cmocka_unit_test(test_donor_dies), cmocka_unit_test(test_donee_goes),
		cmocka_unit_test(test_yield),      cmocka_unit_test(test_preemption),
		cmocka_unit_test(test_statistics), cmocka_unit_test(test_caps),
		cmocka_unit_test(test_start),      cmocka_unit_test(test_siblings),
		cmocka_unit_test(test_find),       cmocka_unit_test(test_moving),
		cmocka_unit_test(test_charge),     cmocka_unit_test(test_charge_sleeper),
		cmocka_unit_test(test_patience),   cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
