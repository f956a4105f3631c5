/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dom0's event loop: everything in dom0 runs from here, one thing at a time,
 * to its end. Nothing blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/timer.h"

/* Time since dom0's start in nanoseconds (from the TSC), and Unix time. */
uint64_t clock_ns(void);
uint64_t clock_wall_ns(void);

/* Sets Unix time. Time since dom0's start, and all timers with it, go on as before. */
void clock_set_wall_ns(uint64_t wall_ns);
/* Unix time at dom0's start by the machine's own clock, which nobody sets. */
uint64_t clock_epoch_ns(void);

/* Before all others here: how fast the TSC runs, and the Unix time when it
 * was wall_tsc. */
void clock_init(uint64_t tsc_khz, uint64_t wall_ns, uint64_t wall_tsc);
/* How long so many ticks of the TSC are. */
uint64_t clock_ticks_ns(uint64_t ticks);
uint64_t clock_tsc_khz(void);
/* The TSC's value at a time of clock_ns; UINT64_MAX stays that. */
uint64_t clock_to_tsc(uint64_t ns);

/* For the loop: the earliest deadline (UINT64_MAX: none), and to fire the timers that are due at
 * `now`; timers that are set meanwhile wait for the next call. */
extern uint64_t timers_next;
void timers_run(uint64_t now);

/*
 * Bits of dom0's event page. event_alloc returns a bit whose function is
 * called from the loop each time it was raised (raises may merge), or -1.
 */
int event_alloc(void (*raised)(void *context), void *context);
void event_free(int bit);
/* The same for a bit that the kernel has chosen. False: no memory. */
bool event_claim(unsigned bit, void (*raised)(void *context), void *context);

/* Run a function from the loop once the present one has returned; at most one
 * entry per work item is queued. */
struct work {
	void (*run)(struct work *work);
	void *context;
	struct work *next;
	int queued;
};
void work_queue(struct work *work);

/*
 * This vCPU's exit has been answered: resume it. The last one of a turn goes
 * with the call that sleeps, which saves a call.
 */
void loop_reply(uint32_t vcpu);
/* The vCPU's handle is about to be closed: no reply to it any more. */
void loop_forget(uint32_t vcpu);

struct sampo_event_page;
void loop_init(struct sampo_event_page *page);

/* Never returns. */
void loop_run(void) __attribute__((noreturn));
