/* SPDX-License-Identifier: BSD-2-Clause */
/* One-shot timers of a CPU, in TSC ticks. */
#pragma once

#include "kernel/base/heap.h"

#define TIMER_NEVER (~0ull)

struct timer {
	struct heap_node node; /* the first member */
	uint64_t deadline;     /* host TSC */
	void (*fire)(struct timer *timer, uint64_t now);
	bool queued;
};

struct timer_queue {
	struct heap_node *heap;
	uint64_t armed; /* what the hardware timer is set to */
};

void timer_set(struct timer_queue *queue, struct timer *timer, uint64_t deadline);
void timer_cancel(struct timer_queue *queue, struct timer *timer);

/* Fire all that are due. */
void timer_run(struct timer_queue *queue, uint64_t now);

static inline uint64_t timer_next(const struct timer_queue *queue)
{
	return queue->heap ? ((struct timer *)queue->heap)->deadline : TIMER_NEVER;
}
