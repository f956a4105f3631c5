/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/* sources: kernel/sched/balance.c kernel/object/event.c kernel/call/calls.c */
/*
 * The event page and wait: what another CPU raises while the domain looks at its page, asks to
 * wait, or sleeps, wakes it, and no bit is lost.
 */
#include "tests/litmus/machine.h"

#include "kernel/call/hypercall.h"
#include "kernel/object/event.h"

#define BITS 3u /* at once */

static struct sampo_event_page page __attribute__((aligned(4096)));
static struct event event[BITS], own; /* own: of the CPU that the domain is on */
static bool own_raised;
static uint64_t raised, got[BITS]; /* the round in which each was */
static uint64_t state = 1;

int64_t call_wait(struct call *call);

/* Returns true if the own event is there. */
static bool look_at_word(unsigned index)
{
	uint64_t word = 0;

	if (__atomic_load_n(&page.pending[index], __ATOMIC_RELAXED))
		word = __atomic_exchange_n(&page.pending[index], 0, __ATOMIC_ACQ_REL);
	for (unsigned i = 0; i < BITS; i++)
		if (event[i].a / 64 == index && word >> event[i].a % 64 & 1)
			__atomic_store_n(&got[i], raised, __ATOMIC_RELEASE);
	return own.a / 64 == index && word >> own.a % 64 & 1;
}

/* As dom0 does; then it waits, without a deadline. */
static bool look(struct vcpu *vcpu)
{
	uint64_t summary = __atomic_exchange_n(&page.summary, 0, __ATOMIC_ACQ_REL);
	bool own_seen = false;

	(void)vcpu;
	for (; summary; summary &= summary - 1) {
		unsigned first = (unsigned)__builtin_ctzll(summary) * SAMPO_EVENT_WORDS;

		for (unsigned index = first; index < first + SAMPO_EVENT_WORDS; index++)
			own_seen |= look_at_word(index);
	}
	expect(own_seen == own_raised, "an event of this CPU was lost, or came twice");
	own_raised = false;
	return true;
}

static void wait(struct vcpu *vcpu)
{
	struct call call = {.vcpu = vcpu, .domain = vcpu->domain, .arg = {~0ull}};
	static unsigned turn;

	expect(call_wait(&call) == SAMPO_OK, "wait");
	own_raised = ++turn % 2;
	if (own_raised)
		event_raise(&own);
}

static bool wait_for_all(struct vcpu *vcpu)
{
	bool all = true;

	(void)vcpu;
	for (unsigned i = 0; i < BITS; i++)
		all &= __atomic_load_n(&got[i], __ATOMIC_ACQUIRE) == rounds;
	if (!machine_done(all, "an event was lost"))
		return false;
	litmus_jitter(&state, 2000);
	return true;
}

static void raise_all(struct vcpu *vcpu)
{
	(void)vcpu;
	__atomic_store_n(&raised, ++rounds, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < BITS; i++)
		event_raise(&event[i]);
}

static void taken(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	(void)vector;
	expect(false, "there are no interrupts");
}

int main(void)
{
	machine_taken = taken;
	machine_domain.event_page = &page;
	machine_domain.flags = SAMPO_DOMAIN_NO_LAPIC;
	for (unsigned i = 0; i < BITS; i++)
		event[i] = (struct event){
			.kind = SAMPO_EVENT_BIT, .target = &machine_domain, .a = 508 + 3 * i};
	own = (struct event){.kind = SAMPO_EVENT_BIT, .target = &machine_domain, .a = 509};
	machine_prepare();
	tsc_ticks_per_ns = (1ull << 32) / 50;
	machine_add(0, look, wait);
	machine_add(1, wait_for_all, raise_all);
	machine_run("litmus_event");
	litmus_done();
	return 0;
}
