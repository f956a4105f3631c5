/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/timer.h"

#include <stddef.h>

/* Merge two skew heaps, top down. */
static struct timer *merge(struct timer *a, struct timer *b)
{
	struct timer *root = NULL, *parent = NULL;
	struct timer **link = &root;

	while (a && b) {
		struct timer *low = a->deadline <= b->deadline ? a : b;
		struct timer *high = low == a ? b : a;

		*link = low;
		low->parent = parent;
		parent = low;
		a = low->right;
		b = high;
		low->right = low->left;
		link = &low->left;
	}
	*link = a ? a : b;
	if (*link)
		(*link)->parent = parent;
	return root;
}

void timer_cancel(struct timer_queue *queue, struct timer *timer)
{
	struct timer *parent = timer->parent, *below;

	if (!timer->queued)
		return;
	below = merge(timer->left, timer->right);
	if (below)
		below->parent = parent;
	if (!parent)
		queue->first = below;
	else if (parent->left == timer)
		parent->left = below;
	else
		parent->right = below;
	timer->queued = false;
}

void timer_set(struct timer_queue *queue, struct timer *timer, uint64_t deadline)
{
	timer_cancel(queue, timer);
	timer->deadline = deadline;
	timer->left = timer->right = timer->parent = NULL;
	timer->queued = true;
	queue->first = merge(queue->first, timer);
}

void timer_run(struct timer_queue *queue, uint64_t now)
{
	struct timer *timer;

	while ((timer = queue->first) && timer->deadline <= now) {
		timer_cancel(queue, timer);
		timer->fire(timer, now);
	}
}
