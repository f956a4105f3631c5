/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/sim/sampo.c tests/sim/round_robin.c tests/sim/credit.c */
/* sources: kernel/sched/sched.c kernel/sched/balance.c kernel/base/heap.c */
/* flags: -O2 */
/*
 * sim [-l] [-s SEED] [NAME...]: simulates the machines with these names (all), under each
 * policy; prints what came of it, and fails if the kernel's scheduler does not keep
 * what it promises. -l: for ten times as long. docs/scheduler.md has the results.
 *
 * Shares are looked at in windows of 100 ms, one begins about every millisecond: what
 * each vCPU had against its part, by weight, of what its class had, in parts of the
 * window (error, mean) and of its part (rel.). gap: the longest that one waited.
 * waste: CPUs that idle while others have vCPUs that wait and might run there.
 */
#include <math.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define WINDOW   (100 * MS)
#define SAMPLES  103u /* of a window: no fraction of a turn */
#define STEP     (WINDOW / SAMPLES)
#define SPIN_FOR (20 * US)
#define GROUPS   2048u

enum { CPU_EVENT, WAKE_EVENT, MESSAGE_EVENT, SAMPLE_EVENT, PERIOD_EVENT, PIN_EVENT };

struct event {
	uint64_t time, order;
	unsigned type, cpu, what;
	uint64_t stamp;
	struct task *task;
};

static struct cpu {
	struct task *current;
	uint64_t since, stamp;
	bool pending;
} cpu[CPUS];

static const struct policy *policy;
static struct event *events;
static size_t event_count, event_room;
static uint64_t now, order, seed, counting_from;
static unsigned cpus, tasks;
static struct task task[TASKS];
static struct task *holder[GROUPS];
static unsigned pending[CPUS], pendings;
static uint64_t history[SAMPLES + 1][TASKS];
static unsigned samples;
static unsigned waiting, idle;

static struct result {
	double worst, worst_relative, sum;
	uint64_t errors;
	uint32_t *wakes;
	size_t wake_count, wake_room;
	uint64_t migrations, switches, decisions, decision_ns, wasted, rounds;
	uint64_t gap;
	double cap_over, cap_under;
} result;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t around(uint64_t mean)
{
	double u = (double)(random64() >> 11) / 9007199254740992.0;
	double x = -log(1 - u) * (double)mean;

	return (uint64_t)x + 1;
}

/* --- events --- */

static bool sooner(const struct event *a, const struct event *b)
{
	return a->time < b->time || (a->time == b->time && a->order < b->order);
}

static void push_event(struct event e)
{
	size_t i = event_count++;

	if (event_count > event_room) {
		event_room = event_room ? 2 * event_room : 1024;
		events = realloc(events, event_room * sizeof(*events));
		if (!events)
			abort();
	}
	e.order = order++;
	for (; i && sooner(&e, &events[(i - 1) / 2]); i = (i - 1) / 2)
		events[i] = events[(i - 1) / 2];
	events[i] = e;
}

static struct event pop_event(void)
{
	struct event first = events[0], last = events[--event_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < event_count) {
		if (child + 1 < event_count && sooner(&events[child + 1], &events[child]))
			child++;
		if (!sooner(&events[child], &last))
			break;
		events[i] = events[child];
		i = child;
	}
	events[i] = last;
	return first;
}

void sim_choose(unsigned c)
{
	if (!cpu[c].pending)
		pending[pendings++] = c;
	cpu[c].pending = true;
}

void sim_send(unsigned c, struct task *t, unsigned what, uint64_t at)
{
	push_event((struct event){
		.time = at + IPI, .type = MESSAGE_EVENT, .cpu = c, .task = t, .what = what});
}

void sim_migrated(void)
{
	result.migrations += now >= counting_from;
}

/* --- what runs --- */

static void settle(struct cpu *c)
{
	struct task *t = c->current;
	uint64_t delta = now - c->since;

	c->since = now;
	if (!t)
		return;
	t->ran += delta;
	if (t->kind != HOG)
		t->left -= delta;
}

static void set_waiting(struct task *t, bool on)
{
	waiting += (on ? 1u : ~0u) * (t->class < 1000);
}

static void stop(struct task *t, bool awake)
{
	t->running = false;
	t->awake = awake;
	t->stopped = now;
	if (awake)
		set_waiting(t, true);
}

static void start(struct task *t, unsigned c)
{
	if (!sim_allowed(t, c) || t->running || !t->awake) {
		fprintf(stderr, "%s: vCPU %u runs on CPU %u, where it may not\n", policy->name,
			t->id, c);
		exit(1);
	}
	t->running = true;
	set_waiting(t, false);
	if (now - t->stopped > t->worst_gap && now >= counting_from)
		t->worst_gap = now - t->stopped;
	if (!t->woken)
		return;
	if (t->kind == SLEEPER && now >= counting_from) {
		if (result.wake_count == result.wake_room) {
			result.wake_room = result.wake_room ? 2 * result.wake_room : 65536;
			result.wakes =
				realloc(result.wakes, result.wake_room * sizeof(*result.wakes));
			if (!result.wakes)
				abort();
		}
		result.wakes[result.wake_count++] = (uint32_t)(now - t->woken);
	}
	t->woken = 0;
}

static void choose(unsigned n)
{
	struct cpu *c = &cpu[n];
	struct task *before = c->current, *next;
	struct timespec from, to;
	uint64_t until = NEVER;

	settle(c);
	clock_gettime(CLOCK_MONOTONIC, &from);
	next = policy->choose(n, now, &until);
	clock_gettime(CLOCK_MONOTONIC, &to);
	result.decisions++;
	result.decision_ns +=
		(uint64_t)((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec);
	if (next != before) {
		result.switches += now >= counting_from;
		idle += (unsigned)!next - (unsigned)!before;
		if (before)
			stop(before, true);
		if (next)
			start(next, n);
		c->current = next;
	}
	if (next && next->kind != HOG && next->left < until - now)
		until = now + next->left;
	c->stamp++;
	if (until != NEVER)
		push_event((struct event){.time = until > now ? until : now + 1,
					  .type = CPU_EVENT,
					  .cpu = n,
					  .stamp = c->stamp});
}

static void to_sleep(struct cpu *c, struct task *t)
{
	stop(t, false);
	c->current = NULL;
	idle++;
	policy->sleep(t, now);
	t->left = around(t->run);
	push_event((struct event){.time = now + around(t->sleep), .type = WAKE_EVENT, .task = t});
}

static void next_phase(struct task *t)
{
	if (t->phase == CRITICAL) {
		holder[t->group] = NULL;
		t->rounds++;
		t->phase = THINK;
		t->left = around(t->run);
	} else if (!holder[t->group]) {
		holder[t->group] = t;
		t->phase = CRITICAL;
		t->left = around(t->sleep);
	} else {
		if (t->phase == SPIN)
			policy->yield(t, holder[t->group], now);
		t->phase = SPIN;
		t->left = SPIN_FOR;
	}
}

static void cpu_event(unsigned n)
{
	struct cpu *c = &cpu[n];
	struct task *t = c->current;

	settle(c);
	if (t && t->kind != HOG && !t->left) {
		if (t->kind == LOCKER)
			next_phase(t);
		else
			to_sleep(c, t);
	}
	sim_choose(n);
}

/* --- what is measured --- */

static uint64_t ran(const struct task *t)
{
	return t->ran + (t->running ? now - cpu[t->cpu].since : 0);
}

static void sample(void)
{
	uint64_t *present = history[samples % (SAMPLES + 1)],
		 *past = history[(samples + 1) % (SAMPLES + 1)];
	double had[16] = {0}, weight[16] = {0};

	for (unsigned i = 0; i < tasks; i++)
		present[i] = ran(&task[i]);
	samples++;
	if (now < counting_from + WINDOW)
		return;
	for (unsigned i = 0; i < tasks; i++) {
		had[task[i].class % 1000] += (double)(present[i] - past[i]);
		weight[task[i].class % 1000] += task[i].weight;
	}
	for (unsigned i = 0; i < tasks; i++) {
		unsigned k = task[i].class % 1000;
		double ideal = had[k] * task[i].weight / weight[k];
		double error = fabs((double)(present[i] - past[i]) - ideal);

		if (!k)
			continue;
		result.sum += error / WINDOW;
		result.errors++;
		if (error / WINDOW > result.worst)
			result.worst = error / WINDOW;
		if (error / ideal > result.worst_relative)
			result.worst_relative = error / ideal;
	}
}

static void period(struct task *t)
{
	double had = (double)(ran(t) - t->period_ran) / (double)t->quota;

	t->period_ran = ran(t);
	if (now < counting_from + t->period)
		return;
	if (had - 1 > result.cap_over)
		result.cap_over = had - 1;
	if (1 - had > result.cap_under)
		result.cap_under = 1 - had;
}

/* --- machines --- */

struct machine {
	const char *name, *what;
	unsigned cpus;
	void (*build)(void);
	void (*repin)(void); /* every millisecond, or NULL */
	/* what the kernel's scheduler promises there; 0: nothing */
	double share, wake_us, waste, cap, gap_ms;
};

static struct task *add(enum kind kind, unsigned class, uint64_t run, uint64_t sleep)
{
	struct task *t = &task[tasks];

	if (tasks == TASKS)
		abort();
	*t = (struct task){.kind = kind,
			   .id = tasks,
			   .class = class,
			   .run = run,
			   .sleep = sleep,
			   .weight = 1024,
			   .cpu = tasks % cpus,
			   .group = tasks / 4 % GROUPS};
	memset(t->affinity, 0xff, sizeof(t->affinity));
	tasks++;
	return t;
}

static void add_many(unsigned n, enum kind kind, unsigned class, uint64_t run, uint64_t sleep)
{
	while (n--)
		add(kind, class, run, sleep);
}

/* To `n` CPUs from `first`. */
static void pin(struct task *t, unsigned first, unsigned n)
{
	memset(t->affinity, 0, sizeof(t->affinity));
	for (unsigned i = first; i < first + n; i++)
		t->affinity[i / 64] |= 1ull << i % 64;
	t->cpu = first + t->id % n;
	if (n < cpus)
		t->class += 1000; /* may have to wait although another CPU is idle */
}

static void three_on_two(void)
{
	add_many(3, HOG, 1, 0, 0);
}

static void five_on_four(void)
{
	add_many(5, HOG, 1, 0, 0);
}

static void one_too_many(void)
{
	add_many(257, HOG, 1, 0, 0);
}

static void half_more(void)
{
	add_many(384, HOG, 1, 0, 0);
}

static void five_thousand(void)
{
	add_many(5000, HOG, 1, 0, 0);
}

static void weights(void)
{
	static const uint32_t weight[] = {512, 1024, 2048, 3072};

	for (unsigned i = 0; i < 1000; i++)
		add(HOG, 1, 0, 0)->weight = weight[i % 4];
}

/* On each CPU one that has as much as eight others. */
static void heavy(void)
{
	for (unsigned i = 0; i < 9 * 64; i++)
		add(HOG, 1, 0, 0)->weight = i % 9 ? 1024 : 8192;
}

static void ten_to_one(void)
{
	add_many(2560, HOG, 1, 0, 0);
	add_many(512, SLEEPER, 0, 200 * US, 20 * MS);
	add_many(256, SLEEPER, 0, 30 * US, 1 * MS);
}

static void mix(void)
{
	add_many(2000, HOG, 1, 0, 0);
	add_many(1500, SLEEPER, 0, 300 * US, 30 * MS);
	add_many(500, SLEEPER, 0, 30 * US, 2 * MS);
	add_many(500, SLEEPER, 0, 2 * MS, 200 * MS);
	for (unsigned i = 0; i < 256; i++)
		pin(add(HOG, 0, 0, 0), i, 1);
	for (unsigned i = 0; i < 244; i++) {
		struct task *t = add(HOG, 0, 0, 0);

		t->quota = 5 * MS;
		t->period = 100 * MS;
		t->class += 1000;
	}
}

/* Four rooms with different numbers of vCPUs, and some who may go anywhere in two of them. */
static void rooms(void)
{
	for (unsigned room = 0; room < 4; room++)
		for (unsigned i = 0; i < 64 + 150 * room + 7; i++)
			pin(add(HOG, 1 + room, 0, 0), 64 * room, 64);
}

/* A hog that has a CPU for itself, the rest cannot go there. */
static void alone(void)
{
	pin(add(HOG, 0, 0, 0), 0, 1);
	for (unsigned i = 0; i < 4; i++)
		pin(add(HOG, 1, 0, 0), 1, 3);
}

static void caps(void)
{
	for (unsigned i = 0; i < 64; i++) {
		struct task *t = add(HOG, 0, 0, 0);

		t->period = i % 2 ? 100 * MS : 25 * MS;
		t->quota = t->period * (1 + i % 10) / 20;
		t->class += 1000;
	}
	add_many(20, HOG, 1, 0, 0);
}

static void locks(void)
{
	for (unsigned i = 0; i < 1024; i++)
		add(LOCKER, 0, 200 * US, 20 * US)->group = i / 4;
}

static void sleepers(void)
{
	add_many(5000, SLEEPER, 0, 100 * US, 10 * MS);
}

/* Two CPUs that shared nothing, and then share. */
static void pinned_at_first(void)
{
	for (unsigned i = 0; i < 5; i++)
		pin(add(HOG, 1, 0, 0), i != 0, 1);
}

static void repin(struct task *t, unsigned first, unsigned n)
{
	memset(t->affinity, 0, sizeof(t->affinity));
	for (unsigned i = 0; i < n; i++)
		t->affinity[(first + i) % cpus / 64] |= 1ull << (first + i) % cpus % 64;
	if (policy->pinned)
		policy->pinned(t, now);
}

static void unpin(void)
{
	for (unsigned i = 0; i < tasks && now / MS == 900; i++)
		repin(&task[i], 0, cpus);
}

static void about(void)
{
	for (unsigned i = 0; i < 500; i++)
		add(i < 300 ? HOG : SLEEPER, 0, 500 * US, 5 * MS)->class += 1000;
}

static void move_about(void)
{
	for (unsigned i = 0; i < 20; i++)
		repin(&task[random64() % tasks], (unsigned)(random64() % cpus),
		      1 + (unsigned)(random64() % 8));
}

static const struct machine machines[] = {
	{"3-on-2", "3 hogs, 2 CPUs", 2, three_on_two, NULL, .01, 0, .001, 0, 3},
	{"5-on-4", "5 hogs, 4 CPUs", 4, five_on_four, NULL, .01, 0, .001, 0, 3},
	{"257-on-256", "257 hogs", 256, one_too_many, NULL, .01, 0, .001, 0, 5},
	{"384-on-256", "384 hogs", 256, half_more, NULL, .01, 0, .001, 0, 5},
	{"5000-on-256", "5,000 hogs", 256, five_thousand, NULL, .01, 0, .001, 0, 25},
	{"weights", "1,000 hogs of four weights", 256, weights, NULL, .01, 0, .001, 0, 25},
	{"heavy", "64 hogs of weight 8192, 512 of 1024", 64, heavy, NULL, .01, 0, .001, 0, 25},
	{"10:1", "2,560 hogs, 768 sleepers", 256, ten_to_one, NULL, .01, 1000, .001, 0, 25},
	{"mix", "5,000 vCPUs of all kinds", 256, mix, NULL, .01, 1000, .002, 0, 50},
	{"rooms", "1,184 hogs in four rooms", 256, rooms, NULL, .01, 0, 0, 0, 20},
	{"alone", "a hog apart, 4 on 3 CPUs", 4, alone, NULL, .01, 0, 0, 0, 5},
	{"caps", "64 capped hogs, 20 others", 48, caps, NULL, .01, 0, .003, .01, 0},
	{"locks", "1,024 vCPUs, 256 locks", 256, locks, NULL, 0, 0, .01, 0, 25},
	{"sleepers", "5,000 sleepers", 256, sleepers, NULL, 0, 1000, .001, 0, 10},
	{"unpinned", "5 hogs, pinned 1 and 4 before", 2, pinned_at_first, unpin, .01, 0, 0, 0, 3},
	{"repinned", "300 hogs, 200 sleepers, moved about", 64, about, move_about, 0, 0, 0, 0, 60},
};

/* --- the run --- */

static void simulate(const struct machine *m, uint64_t settle_for, uint64_t length)
{
	uint64_t end = settle_for + length;

	cpus = m->cpus;
	tasks = waiting = samples = pendings = 0;
	idle = cpus;
	now = order = 0;
	event_count = 0;
	counting_from = settle_for;
	free(result.wakes);
	memset(&result, 0, sizeof(result));
	memset(cpu, 0, sizeof(cpu));
	memset(holder, 0, sizeof(holder));
	m->build();
	policy->begin(cpus);
	for (unsigned i = 0; i < tasks; i++) {
		struct task *t = &task[i];

		policy->add(t);
		t->left = t->kind == HOG ? 0 : around(t->run);
		push_event((struct event){
			.time = 1 + random64() % (10 * MS), .type = WAKE_EVENT, .task = t});
		if (t->quota)
			push_event(
				(struct event){.time = t->period, .type = PERIOD_EVENT, .task = t});
	}
	push_event((struct event){.time = STEP, .type = SAMPLE_EVENT});
	push_event((struct event){.time = MS, .type = PIN_EVENT});
	while (now < end) {
		struct event e = pop_event();

		if (now >= counting_from)
			result.wasted += (e.time - now) * (waiting < idle ? waiting : idle);
		now = e.time;
		switch (e.type) {
		case CPU_EVENT:
			if (e.stamp == cpu[e.cpu].stamp)
				cpu_event(e.cpu);
			break;
		case WAKE_EVENT:
			e.task->awake = true;
			e.task->woken = e.task->stopped = now;
			set_waiting(e.task, true);
			policy->wake(e.task, now);
			break;
		case MESSAGE_EVENT:
			settle(&cpu[e.cpu]);
			policy->message(e.cpu, e.task, e.what, now);
			break;
		case SAMPLE_EVENT:
			sample();
			push_event((struct event){.time = now + STEP, .type = SAMPLE_EVENT});
			break;
		case PIN_EVENT:
			for (unsigned i = 0; m->repin && i < cpus; i++)
				settle(&cpu[i]);
			if (m->repin)
				m->repin();
			push_event((struct event){.time = now + MS, .type = PIN_EVENT});
			break;
		default:
			period(e.task);
			push_event((struct event){.time = now + e.task->period,
						  .type = PERIOD_EVENT,
						  .task = e.task});
		}
		while (pendings) {
			unsigned n = pending[--pendings];

			cpu[n].pending = false;
			choose(n);
		}
	}
	for (unsigned i = 0; i < tasks; i++) {
		uint64_t gap = task[i].worst_gap;

		if (task[i].awake && !task[i].running && now - task[i].stopped > gap)
			gap = now - task[i].stopped;
		if (gap > result.gap && !task[i].quota)
			result.gap = gap;
		result.rounds += task[i].rounds;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double wake_us(double part)
{
	size_t i = (size_t)(part * (double)(result.wake_count - 1));

	return result.wake_count ? result.wakes[i] / 1000.0 : 0;
}

static unsigned failures;

static void promise(const struct machine *m, const char *what, double value, double most)
{
	if (!most || value <= most)
		return;
	printf("%s: FAILED: %s: %g, at most %g\n", m->name, what, value, most);
	failures++;
}

static void report(const struct machine *m, uint64_t length)
{
	double seconds = (double)length / SEC, all = seconds * cpus;

	if (result.wake_count)
		qsort(result.wakes, result.wake_count, sizeof(*result.wakes), compare);
	printf("%-12s %-11s %6.2f %6.1f %6.3f %8.0f %8.0f %8.0f %7.1f %7.0f %6.2f %6.1f %6.0f",
	       m->name, policy->name, 100 * result.worst, 100 * result.worst_relative,
	       result.errors ? 100 * result.sum / (double)result.errors : 0, wake_us(.5),
	       wake_us(.99), wake_us(1), (double)result.migrations / all,
	       (double)result.switches / all, 100 * (double)result.wasted / (all * SEC),
	       (double)result.gap / MS, (double)result.decision_ns / (double)result.decisions);
	if (result.cap_over || result.cap_under)
		printf("  caps +%.2f -%.2f %%", 100 * result.cap_over, 100 * result.cap_under);
	if (result.rounds)
		printf("  %.0f rounds/s", (double)result.rounds / ((double)now / SEC));
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct policy *const policies[] = {&sampo, &round_robin, &credit};
	uint64_t length = 500 * MS, first = 1;
	int option;

	while ((option = getopt(argc, argv, "ls:")) != -1) {
		if (option == 'l')
			length *= 10;
		else
			first = strtoull(optarg, NULL, 0);
	}
	printf("%-12s %-11s %6s %6s %6s %8s %8s %8s %7s %7s %6s %6s %6s\n", "", "", "error", "rel.",
	       "mean", "wake 50%", "99%", "worst", "moves", "turns", "waste", "gap", "choice");
	printf("%-12s %-11s %6s %6s %6s %8s %8s %8s %7s %7s %6s %6s %6s\n", "machine", "policy",
	       "%", "%", "%", "us", "us", "us", "/s/CPU", "/s/CPU", "%", "ms", "ns");
	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		const struct machine *m = &machines[i];
		bool wanted = optind == argc;

		for (int a = optind; a < argc; a++)
			wanted |= !strcmp(argv[a], m->name);
		for (unsigned p = 0; wanted && p < (m->repin ? 1 : 3); p++) {
			policy = policies[p];
			seed = first * 0x9e3779b97f4a7c15;
			simulate(m, 1000 * MS, length);
			report(m, length);
			if (p)
				continue;
			promise(m, "share error", result.worst, m->share);
			promise(m, "wake-up, us", wake_us(.99), m->wake_us);
			promise(m, "time wasted", (double)result.wasted / (double)(length * cpus),
				m->waste);
			promise(m, "over the cap", result.cap_over, m->cap);
			promise(m, "under the cap", result.cap_under, m->cap);
			promise(m, "gap, ms", (double)result.gap / MS, m->gap_ms);
		}
	}
	return failures != 0;
}
