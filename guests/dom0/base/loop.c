/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop: sleep in the kernel until something happens, then run what it is
 * about. The way of an exit - event bit, function of the vCPU, reply with the
 * next sleep - is short on purpose: each of its instructions is part of every
 * device access of every guest.
 */
#include "guests/dom0/base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define EVENTS_FIRST 256u /* that there is room for at first */

struct event {
	void (*raised)(void *context);
	void *context;
};

static struct event *events;
static unsigned event_room, event_lowest; /* places; none below this one is free */
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

static const struct event nobodys = {nobody, NULL};

/* Makes room for a bit, and for as many again as there are. */
static bool make_room(unsigned bit)
{
	unsigned room = event_room ? event_room : EVENTS_FIRST;
	struct event *larger;

	if (bit < event_room)
		return true;
	while (room <= bit)
		room *= 2;
	larger = bit < SAMPO_EVENTS ? realloc(events, room * sizeof(events[0])) : NULL;
	if (!larger)
		return false;
	memset(larger + event_room, 0, (room - event_room) * sizeof(events[0]));
	events = larger;
	event_room = room;
	return true;
}

bool event_claim(unsigned bit, void (*raised)(void *context), void *context)
{
	if (!make_room(bit))
		return false;
	events[bit] = (struct event){raised, context};
	return true;
}

int event_alloc(void (*raised)(void *context), void *context)
{
	/* Few words are scanned for an event if low bits are taken first. */
	while (event_lowest < event_room && events[event_lowest].raised)
		event_lowest++;
	if (event_claim(event_lowest, raised, context))
		return (int)event_lowest;
	printf(LOG_ERR "dom0: no event left for a guest or a driver, of %u: %s\n", SAMPO_EVENTS,
	       event_lowest < SAMPO_EVENTS ? "dom0-memory= gives dom0 more memory"
					   : "run fewer guests, or with fewer devices");
	return -1;
}

void event_free(int bit)
{
	if (bit < 0 || (unsigned)bit >= event_room)
		return;
	events[bit] = (struct event){NULL, NULL};
	if ((unsigned)bit < event_lowest)
		event_lowest = (unsigned)bit;
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

/* Runs all work that is queued now; work that this queues comes in the next turn, after the events.
 */
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

static inline void run_event(uint64_t bit)
{
	const struct event *event = bit < event_room ? &events[bit] : &nobodys;

	(event->raised ? event->raised : nobody)(event->context);
}

static void run_word(uint64_t *pending)
{
	uint64_t word = __atomic_exchange_n(pending, 0, __ATOMIC_ACQ_REL);
	unsigned first = (unsigned)(pending - event_page->pending) * 64;

	for (; word; word &= word - 1)
		run_event(first + (unsigned)__builtin_ctzll(word));
}

static void run_events(void)
{
	uint64_t summary = __atomic_exchange_n(&event_page->summary, 0, __ATOMIC_ACQ_REL);

	for (; summary; summary &= summary - 1) {
		uint64_t *word = event_page->pending +
				 (unsigned)__builtin_ctzll(summary) * SAMPO_EVENT_WORDS;

		for (uint64_t *end = word + SAMPO_EVENT_WORDS; word != end; word++)
			if (__atomic_load_n(word, __ATOMIC_RELAXED))
				run_word(word);
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
		uint64_t direct;
		int64_t status;

		if (timers_next != deadline_ns) {
			deadline_ns = timers_next;
			deadline_tsc = clock_to_tsc(deadline_ns);
		}
		reply = 0;
		__atomic_store_n(&event_page->direct, SAMPO_DIRECT_FREE, __ATOMIC_RELAXED);
		status = sampo_wait(work_first ? 0 : deadline_tsc, answer);
		direct = __atomic_exchange_n(&event_page->direct, 0, __ATOMIC_ACQUIRE);
		if (__builtin_expect(status != SAMPO_OK, 0))
			complain(status);
		if (__builtin_expect(direct != SAMPO_DIRECT_FREE, 1))
			run_event(direct);
		if (__atomic_load_n(&event_page->summary, __ATOMIC_RELAXED))
			run_events();
		if (__builtin_expect(rdtsc() >= deadline_tsc, 0))
			timers_run(clock_ns());
		if (__builtin_expect(work_first != NULL, 0))
			run_work();
	}
}
