/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/slow.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "guests/dom0/base/loop.h"
#include "guests/lib/guest.h"

#define STACK_WORDS 6144u /* 48 KiB; mbedTLS uses a quarter of that */
#define SAVED       6u    /* registers that slow_switch keeps on a stack */
#define MARK        0x51ac6b0de5e7a11eull

/* switch.S: leaves this stack, whose pointer goes to *from, for the one with the pointer `to`. */
void slow_switch(uint64_t **from, uint64_t *to);

static uint64_t stack[STACK_WORDS] __attribute__((aligned(16)));
static uint64_t *slow_top, *loop_top;
static struct slow *first, **last = &first, *present;
static bool inside, dropped;
static uint64_t begun_ns;

static void begin(void)
{
	for (;;) {
		struct slow *slow = present;

		slow->run(slow);
		slow->queued = false;
		present = NULL;
		slow_switch(&slow_top, loop_top);
	}
}

/* As if slow_switch had been called at the beginning of begin(). */
static void make_stack(void)
{
	stack[0] = MARK;
	slow_top = stack + STACK_WORDS - 2;
	*slow_top = (uint64_t)(uintptr_t)begin;
	slow_top -= SAVED;
}

/* Lets the present computation go on, until it pauses or ends. */
static void go_on(void)
{
	if (!slow_top)
		make_stack();
	begun_ns = clock_ns();
	inside = true;
	slow_switch(&loop_top, slow_top);
	inside = false;
	if (stack[0] != MARK) {
		printf(LOG_ERR "dom0: the stack of long computations has overflowed\n");
		abort();
	}
}

static void turn(struct work *work)
{
	if (!present && first) {
		present = first;
		first = present->next;
		if (!first)
			last = &first;
	}
	if (present)
		go_on();
	if (present || first)
		work_queue(work);
}

static struct work work = {.run = turn};

void slow_queue(struct slow *slow)
{
	if (slow->queued)
		return;
	slow->queued = true;
	slow->next = NULL;
	*last = slow;
	last = &slow->next;
	work_queue(&work);
}

void slow_pause(void)
{
	if (inside && !dropped && clock_ns() - begun_ns > SLOW_NS)
		slow_switch(&slow_top, loop_top);
}

static void take_out(struct slow *slow)
{
	struct slow **at = &first;

	while (*at != slow)
		at = &(*at)->next;
	*at = slow->next;
	if (!*at)
		last = at;
	slow->queued = false;
}

void slow_drop(struct slow *slow)
{
	if (!slow->queued)
		return;
	if (slow != present) {
		take_out(slow);
		return;
	}
	dropped = true;
	go_on();
	dropped = false;
}

bool slow_is_dropped(void)
{
	return inside && dropped;
}
