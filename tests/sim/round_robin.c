/* SPDX-License-Identifier: BSD-2-Clause */
/* Round-robin: a queue for each CPU, turns of 1 ms, an idle CPU takes from the longest queue. */
#include "tests/sim/sim.h"

#define TURN (1 * MS)

static struct {
	struct task *first, *last, *current;
	unsigned count; /* all that want to run */
	uint64_t turn_end;
} queue[CPUS];
static unsigned cpus;

static void begin(unsigned n)
{
	memset(queue, 0, sizeof(queue));
	cpus = n;
}

static void add(struct task *t)
{
	(void)t;
}

static void append(unsigned cpu, struct task *t)
{
	t->next = NULL;
	if (queue[cpu].first)
		queue[cpu].last->next = t;
	else
		queue[cpu].first = t;
	queue[cpu].last = t;
}

static void take(unsigned cpu, struct task *t)
{
	struct task **p = &queue[cpu].first, *before = NULL;

	for (; *p != t; p = &(*p)->next)
		before = *p;
	*p = t->next;
	if (queue[cpu].last == t)
		queue[cpu].last = before;
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
	queue[best].count++;
	append(best, t);
	if (queue[best].count == 1 || queue[best].current)
		sim_choose(best);
}

static void sleep(struct task *t, uint64_t now)
{
	(void)now;
	queue[t->cpu].count--;
	queue[t->cpu].current = NULL;
}

static void yield(struct task *t, struct task *holder, uint64_t now)
{
	(void)holder;
	queue[t->cpu].turn_end = now;
}

static struct task *steal(unsigned cpu)
{
	unsigned best = cpu;

	for (unsigned i = 0; i < cpus; i++)
		if (queue[i].first && queue[i].count > queue[best].count)
			best = i;
	for (struct task *t = queue[best].first; t; t = t->next) {
		if (!sim_allowed(t, cpu))
			continue;
		take(best, t);
		queue[best].count--;
		queue[cpu].count++;
		t->cpu = cpu;
		sim_migrated();
		return t;
	}
	return NULL;
}

static struct task *choose(unsigned cpu, uint64_t now, uint64_t *until)
{
	struct task *t = queue[cpu].current;

	if (!t || (now >= queue[cpu].turn_end && queue[cpu].first)) {
		if (t)
			append(cpu, t);
		t = queue[cpu].first;
		if (t)
			take(cpu, t);
		else
			t = steal(cpu);
		queue[cpu].turn_end = now + TURN;
	}
	queue[cpu].current = t;
	if (now >= queue[cpu].turn_end)
		queue[cpu].turn_end = now + TURN;
	*until = t && queue[cpu].first ? queue[cpu].turn_end : NEVER;
	return t;
}

const struct policy round_robin = {"round-robin", begin,  add,  wake, sleep,
				   yield,         choose, NULL, NULL};
