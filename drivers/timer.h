/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One-shot timers of the event loop. The structure belongs to the caller and
 * stays in place while the timer is set; setting a set timer moves it. The
 * function runs from the loop and may set the timer again.
 */
#pragma once

#include <stdint.h>

struct timer {
	uint64_t deadline; /* clock_ns; 0: not set */
	void (*fire)(struct timer *timer);
	void *context;
	/* The heap's: the first child, the next sibling, and the pointer to this one. */
	struct timer *child, *next, **link;
};
void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context);
void timer_set(struct timer *timer, uint64_t deadline_ns);
void timer_cancel(struct timer *timer);
