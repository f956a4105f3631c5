/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers in a pairing heap (M. Fredman and others, 1986), the earliest on top: each timer has the
 * later ones below it as a list of children. To set one is to compare it with the top. To take one
 * out is to pair its children from left to right and then to put the pairs together from right to
 * left, which takes O(log n) steps on the average over all. The links are in the timers: the heap
 * needs no memory of its own, and any number of timers can be set.
 */
#include <stddef.h>

#include "guests/dom0/base/loop.h"

static struct timer *top;
static unsigned used;
uint64_t timers_next = UINT64_MAX;

static void hang(struct timer *timer, struct timer **link)
{
	timer->link = link;
	*link = timer;
}

/* Two heaps, neither of which has siblings, become one. */
static struct timer *merge(struct timer *a, struct timer *b)
{
	struct timer *first, *other;

	if (!a || !b)
		return a ? a : b;
	first = b->deadline < a->deadline ? b : a;
	other = first == a ? b : a;
	other->next = first->child;
	if (other->next)
		other->next->link = &other->next;
	hang(other, &first->child);
	return first;
}

static struct timer *take_first(struct timer **list)
{
	struct timer *first = *list;

	if (first) {
		*list = first->next;
		first->next = NULL;
	}
	return first;
}

/* A list of siblings becomes one heap. */
static struct timer *merge_all(struct timer *list)
{
	struct timer *pairs = NULL, *all = NULL;

	while (list) {
		struct timer *a = take_first(&list), *b = take_first(&list);

		a = merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs)
		all = merge(all, take_first(&pairs));
	return all;
}

static void add(struct timer *heap)
{
	heap = merge(top, heap);
	if (heap)
		hang(heap, &top);
	timers_next = top ? top->deadline : UINT64_MAX;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer_cancel(timer);
	timer->deadline = deadline_ns ? deadline_ns : 1;
	timer->child = timer->next = NULL;
	used++;
	add(timer);
}

void timer_cancel(struct timer *timer)
{
	if (!timer->deadline)
		return;
	timer->deadline = 0;
	used--;
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
	add(merge_all(timer->child));
}

void timers_run(uint64_t now)
{
	/* A timer set in the past by another's function waits for the next
	 * turn, so that two of them cannot keep us here. */
	unsigned budget = used;

	while (budget-- && top && top->deadline <= now) {
		struct timer *timer = top;

		timer_cancel(timer);
		timer->fire(timer);
	}
}
