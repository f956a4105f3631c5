/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/timer.h"

void timer_cancel(struct timer_queue *queue, struct timer *timer)
{
	if (timer->queued)
		heap_remove(&queue->heap, &timer->node);
	timer->queued = false;
}

/* Is a node's place still right with another key? */
static bool in_order(const struct heap_node *n, uint64_t key)
{
	return (!n->parent || n->parent->key <= key) && (!n->left || key <= n->left->key) &&
	       (!n->right || key <= n->right->key);
}

void timer_set(struct timer_queue *queue, struct timer *timer, uint64_t deadline)
{
	/* Guests choose any: none is so far from another that the order wraps. */
	uint64_t key = deadline < INT64_MAX ? deadline : INT64_MAX;

	timer->deadline = deadline;
	if (timer->queued && in_order(&timer->node, key)) {
		timer->node.key = key;
		return;
	}
	timer_cancel(queue, timer);
	timer->queued = true;
	timer->node.key = key;
	heap_push(&queue->heap, &timer->node);
}

void timer_run(struct timer_queue *queue, uint64_t now)
{
	while (timer_next(queue) <= now) {
		struct timer *timer = (struct timer *)queue->heap;

		timer_cancel(queue, timer);
		timer->fire(timer, now);
	}
}
