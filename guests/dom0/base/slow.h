/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Long computations in code that nobody here can cut, such as signatures in a library. They run on
 * a stack of their own, one after the other. That code calls slow_pause often, through a function
 * that it is given: when a piece has taken SLOW_NS, the stack is left as it is, and the event loop
 * has a turn before the computation goes on.
 */
#pragma once

#include <stdbool.h>

#define SLOW_NS 200000u /* of a piece */

struct slow {
	/* Runs on the stack of its own, and touches nothing that lives in the event loop but by
	 * work_queue. */
	void (*run)(struct slow *slow);
	void *context;
	struct slow *next;
	bool queued; /* or at work */
};

/* Runs it in its turn; nothing happens if it is queued already, or at work. */
void slow_queue(struct slow *slow);

/* The end of a piece, if it is time. Outside of a computation nothing happens. */
void slow_pause(void);

/*
 * Returns when the computation is neither queued nor at work. One that is at work comes to its end
 * at once: slow_is_dropped tells it that nobody wants its result. Not for computations themselves.
 */
void slow_drop(struct slow *slow);
bool slow_is_dropped(void);
