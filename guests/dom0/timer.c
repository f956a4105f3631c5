/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers in a binary heap, the earliest on top. */
#include <stdlib.h>

#include "guests/dom0/loop.h"

static struct timer *heap[TIMERS_MAX];
static unsigned used;
uint64_t timers_next = UINT64_MAX;

static void note_next(void)
{
	timers_next = used ? heap[0]->deadline : UINT64_MAX;
}

static void place(struct timer *timer, unsigned at)
{
	heap[at] = timer;
	timer->heap_index = at;
}

static void up(struct timer *timer, unsigned at)
{
	while (at) {
		unsigned parent = (at - 1) / 2;

		if (heap[parent]->deadline <= timer->deadline)
			break;
		place(heap[parent], at);
		at = parent;
	}
	place(timer, at);
}

static void down(struct timer *timer, unsigned at)
{
	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= used)
			break;
		if (child + 1 < used && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (timer->deadline <= heap[child]->deadline)
			break;
		place(heap[child], at);
		at = child;
	}
	place(timer, at);
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	timer->deadline = 0;
	timer->fire = fire;
	timer->context = context;
	timer->heap_index = 0;
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	bool was_set = timer->deadline != 0;

	timer->deadline = deadline_ns ? deadline_ns : 1;
	if (was_set) {
		unsigned at = timer->heap_index;

		if (at && heap[(at - 1) / 2]->deadline > timer->deadline)
			up(timer, at);
		else
			down(timer, at);
		note_next();
		return;
	}
	/* Timers are members of devices, whose number is bounded. */
	if (used == TIMERS_MAX)
		abort();
	up(timer, used++);
	note_next();
}

void timer_cancel(struct timer *timer)
{
	struct timer *last;
	unsigned at = timer->heap_index;

	if (!timer->deadline)
		return;
	timer->deadline = 0;
	last = heap[--used];
	if (last == timer)
		;
	else if (at && heap[(at - 1) / 2]->deadline > last->deadline)
		up(last, at);
	else
		down(last, at);
	note_next();
}

void timers_run(uint64_t now)
{
	/* A timer set in the past by another's function waits for the next
	 * turn, so that two of them cannot keep us here. */
	unsigned budget = used;

	while (budget-- && used && heap[0]->deadline <= now) {
		struct timer *timer = heap[0];

		timer_cancel(timer);
		timer->fire(timer);
	}
}
