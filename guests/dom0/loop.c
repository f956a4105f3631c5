/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop: sleep in the kernel until something happens, then run what it is
 * about. The way of an exit - event bit, function of the vCPU, reply with the
 * next sleep - is short on purpose: each of its instructions is part of every
 * device access of every guest.
 */
#include "guests/dom0/loop.h"

#include <stdio.h>

#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define EVENT_WORDS (SAMPO_EVENTS / 64)

struct event {
	void (*raised)(void *context);
	void *context;
};

static struct event events[SAMPO_EVENTS];
static struct sampo_event_page *event_page;
static struct work *work_first, **work_last = &work_first;
static uint32_t reply;

void loop_init(struct sampo_event_page *page)
{
	event_page = page;
}

static void nobody(void *context)
{
	(void)context;
}

void event_claim(int bit, void (*raised)(void *context), void *context)
{
	if (bit < 0 || (unsigned)bit >= SAMPO_EVENTS)
		return;
	events[bit] = (struct event){raised, context};
}

int event_alloc(void (*raised)(void *context), void *context)
{
	/* Few words are scanned for an event if low bits are taken first. */
	for (int bit = 0; bit < (int)SAMPO_EVENTS; bit++) {
		if (events[bit].raised)
			continue;
		event_claim(bit, raised, context);
		return bit;
	}
	return -1;
}

void event_free(int bit)
{
	if (bit < 0 || (unsigned)bit >= SAMPO_EVENTS)
		return;
	events[bit] = (struct event){NULL, NULL};
}

void work_queue(struct work *work)
{
	if (work->queued)
		return;
	work->queued = 1;
	work->next = NULL;
	*work_last = work;
	work_last = &work->next;
}

/* Runs what is queued now; what that queues comes in the next turn, after the
 * events. */
static void run_work(void)
{
	struct work *work = work_first;

	work_first = NULL;
	work_last = &work_first;
	while (work) {
		struct work *next = work->next;

		work->queued = 0;
		work->run(work);
		work = next;
	}
}

void loop_reply(uint32_t vcpu)
{
	if (reply)
		sampo_vcpu_ctl(reply, SAMPO_VCPU_RESUME, 0);
	reply = vcpu;
}

void loop_forget(uint32_t vcpu)
{
	if (reply == vcpu)
		reply = 0;
}

static void run_word(unsigned index)
{
	uint64_t word = __atomic_exchange_n(&event_page->pending[index], 0, __ATOMIC_ACQ_REL);

	while (word) {
		unsigned bit = (unsigned)__builtin_ctzll(word);
		const struct event *event = &events[index * 64 + bit];

		word &= word - 1;
		(event->raised ? event->raised : nobody)(event->context);
	}
}

static void run_events(void)
{
	uint64_t summary = __atomic_exchange_n(&event_page->summary, 0, __ATOMIC_ACQ_REL);

	while (summary) {
		unsigned index = (unsigned)__builtin_ctzll(summary);

		summary &= summary - 1;
		if (index < EVENT_WORDS)
			run_word(index);
	}
}

static __attribute__((noinline, cold)) void complain(int64_t status)
{
	printf(LOG_ERR "dom0: wait: %s\n", sampo_strerror(status));
}

void loop_run(void)
{
	uint64_t deadline_ns = UINT64_MAX, deadline_tsc = UINT64_MAX;

	for (;;) {
		uint32_t answer = reply;
		int64_t status;

		if (timers_next != deadline_ns) {
			deadline_ns = timers_next;
			deadline_tsc = clock_to_tsc(deadline_ns);
		}
		reply = 0;
		status = sampo_wait(work_first ? 0 : deadline_tsc, answer);
		if (__builtin_expect(status != SAMPO_OK, 0))
			complain(status);
		run_events();
		if (__builtin_expect(rdtsc() >= deadline_tsc, 0))
			timers_run(clock_ns());
		if (__builtin_expect(work_first != NULL, 0))
			run_work();
	}
}
