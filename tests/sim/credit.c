/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A credit scheduler after Xen's first: every 30 ms the machine's time is given
 * out as credits by weight, every 10 ms of running costs what it took. Who has
 * credit is UNDER, else OVER; who wakes and is UNDER is BOOSTed. A queue for
 * each CPU by priority, turns of 30 ms; a CPU that has nobody UNDER looks at the
 * others for one who is.
 */
#include "tests/sim/sim.h"

#define TURN (30 * MS)
#define TICK (10 * MS)

enum { BOOST, UNDER, OVER };

static struct {
	struct task *first, *current;
	unsigned count;
	uint64_t turn_end, tick, paid;
} queue[CPUS];
static struct task *all[TASKS];
static unsigned cpus, tasks;
static uint64_t refill;

static void begin(unsigned n)
{
	memset(queue, 0, sizeof(queue));
	cpus = n;
	tasks = 0;
	refill = TURN;
}

static void add(struct task *t)
{
	all[tasks++] = t;
	t->credit = 0;
	t->priority = UNDER;
}

static void insert(unsigned cpu, struct task *t)
{
	struct task **p = &queue[cpu].first;

	while (*p && (*p)->priority <= t->priority)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}

static bool take(unsigned cpu, struct task *t)
{
	struct task **p = &queue[cpu].first;

	while (*p && *p != t)
		p = &(*p)->next;
	if (!*p)
		return false;
	*p = t->next;
	return true;
}

static void pay(unsigned cpu, uint64_t now)
{
	if (queue[cpu].current)
		queue[cpu].current->credit -= (int64_t)(now - queue[cpu].paid);
	queue[cpu].paid = now;
}

static void give_credits(void)
{
	uint64_t weight = 0;

	for (unsigned i = 0; i < tasks; i++)
		if (all[i]->awake || all[i]->credit < (int64_t)TURN)
			weight += all[i]->weight;
	for (unsigned i = 0; i < tasks; i++) {
		struct task *t = all[i];
		bool queued = t->awake && !t->running && take(t->cpu, t);

		t->credit += (int64_t)(TURN * cpus * t->weight / (weight ? weight : 1));
		if (t->credit > (int64_t)TURN)
			t->credit = (int64_t)TURN;
		t->priority = t->credit > 0 ? UNDER : OVER;
		if (queued)
			insert(t->cpu, t);
	}
}

static void wake(struct task *t, uint64_t now)
{
	unsigned best = t->cpu;

	(void)now;
	for (unsigned i = 0; i < cpus && queue[best].count; i++)
		if (sim_allowed(t, i) && !queue[i].count)
			best = i;
	if (best != t->cpu)
		sim_migrated();
	t->cpu = best;
	t->priority = t->credit > 0 ? BOOST : OVER;
	queue[best].count++;
	insert(best, t);
	if (!queue[best].current || t->priority < queue[best].current->priority) {
		queue[best].turn_end = 0;
		sim_choose(best);
	}
}

static void sleep(struct task *t, uint64_t now)
{
	pay(t->cpu, now);
	queue[t->cpu].count--;
	queue[t->cpu].current = NULL;
}

static void yield(struct task *t, struct task *holder, uint64_t now)
{
	(void)holder;
	(void)now;
	queue[t->cpu].turn_end = 0;
	t->priority = OVER;
}

static struct task *steal(unsigned cpu, int priority)
{
	for (unsigned k = 1; k < cpus; k++) {
		unsigned from = (cpu + k) % cpus;

		for (struct task *t = queue[from].first; t; t = t->next) {
			if (t->priority > priority)
				break;
			if (!sim_allowed(t, cpu))
				continue;
			take(from, t);
			queue[from].count--;
			queue[cpu].count++;
			t->cpu = cpu;
			sim_migrated();
			return t;
		}
	}
	return NULL;
}

static struct task *choose(unsigned cpu, uint64_t now, uint64_t *until)
{
	struct task *t = queue[cpu].current, *other;

	pay(cpu, now);
	if (now >= refill) {
		give_credits();
		refill += TURN;
	}
	if (now >= queue[cpu].tick) {
		queue[cpu].tick = now + TICK;
		if (t)
			t->priority = t->credit > 0 ? UNDER : OVER;
	}
	if (!t || now >= queue[cpu].turn_end ||
	    (queue[cpu].first && queue[cpu].first->priority < t->priority)) {
		if (t)
			insert(cpu, t);
		t = queue[cpu].first;
		if (t)
			take(cpu, t);
		if (!t || t->priority == OVER) {
			other = steal(cpu, t ? UNDER : OVER);
			if (other && t)
				insert(cpu, t);
			if (other)
				t = other;
		}
		queue[cpu].turn_end = now + TURN;
	}
	queue[cpu].current = t;
	*until = queue[cpu].turn_end < queue[cpu].tick ? queue[cpu].turn_end : queue[cpu].tick;
	return t;
}

const struct policy credit = {"credit", begin, add, wake, sleep, yield, choose, NULL, NULL};
