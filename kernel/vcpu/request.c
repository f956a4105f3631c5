/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vcpu/request.h"

#include "arch/cpu.h"
#include "kernel/base/panic.h"
#include "kernel/vcpu/turn.h"
#include "kernel/vcpu/vcpu.h"

/* The requests that wait while a vCPU is held. */
#define INTERRUPTS (REQUEST_WAKE | REQUEST_NMI | REQUEST_KICK | REQUEST_LINT0 | REQUEST_INTACK)

/* The one call that is under way: its maker holds the manage lock. All of it is written before
 * REQUEST_CALL is, by a locked instruction; `left` counts down after the function has returned. */
static struct {
	void (*function)(struct vcpu *vcpu, void *arg);
	void *arg;
	uint32_t left; /* vCPUs whose homes have yet to call it */
} call;

/*
 * A CPU that finds the inbox empty kicks its owner; others know that this has been done. An owner
 * that polls needs no kick. Here the inbox is stored | locked CMPXCHG |, then `polling` is loaded;
 * the owner stores polling = false | XCHG |, then loads its inbox (poll in loop.c). So either the
 * owner is kicked, or it finds the vCPU. `requests` tells which CPU puts a vCPU into an inbox: the
 * one that sets REQUEST_INBOX there, by a locked instruction. The home empties the inbox first,
 * then requests, so that a bit which it does not see puts the vCPU there again.
 */
static void push(struct vcpu *vcpu)
{
	struct cpu *cpu = __atomic_load_n(&vcpu->cpu, __ATOMIC_ACQUIRE);
	struct vcpu *first = __atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED);

	do
		vcpu->inbox_next = first;
	while (!__atomic_compare_exchange_n(&cpu->inbox, &first, vcpu, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED));
	if (!first && !__atomic_load_n(&cpu->polling, __ATOMIC_SEQ_CST))
		smp_kick(cpu);
}

/* True: the caller is to put the vCPU into its home's inbox. It is there already, or held (see
 * hold), or a request for the same waits. */
static bool add(struct vcpu *vcpu, uint32_t requests)
{
	uint32_t old = __atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED), all;

	do {
		all = old | requests;
		if (requests & ~old & ~(old & REQUEST_HELD ? INTERRUPTS : 0))
			all |= REQUEST_INBOX;
	} while (!__atomic_compare_exchange_n(&vcpu->requests, &old, all, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return all & ~old & REQUEST_INBOX;
}

void request_post(struct vcpu *vcpu, uint32_t requests)
{
	if (add(vcpu, requests))
		push(vcpu);
}

void request_move(struct vcpu *vcpu, struct cpu *to)
{
	/* Whatever is posted to the new home comes behind the arrival. */
	bool first = add(vcpu, REQUEST_ARRIVE);

	timer_cancel(&vcpu->cpu->timers, &vcpu->held);
	__atomic_store_n(&vcpu->cpu, to, __ATOMIC_RELEASE);
	if (first) /* else it is in this CPU's inbox, which passes it on */
		push(vcpu);
}

/*
 * An interrupt from elsewhere makes a CPU leave its guest, which costs that guest time, even if
 * another one is charged for it. So a vCPU is held once its requests have been carried out:
 *   - one that is awake and waits for its turn, or for its monitor, until request_take;
 *   - one that sleeps with interrupts off: then what cannot end its HLT waits, or has come already;
 *   - one that sleeps otherwise, for as long as sched_patience says that it would not run anyhow.
 * A posted request then stays where it is, without an inbox and without a kick.
 *
 * The home alone sets REQUEST_HELD, or the bits of what waits, by a locked instruction that finds
 * no request. Each post is a locked instruction on the same word, and so is the one by which the
 * home takes what has come: either it takes what was posted, or the post finds the vCPU no longer
 * held, and kicks.
 */
static uint32_t what_waits(const struct vcpu *vcpu, uint32_t served)
{
	if (vcpu->state != VCPU_HALTED || !vcpu->deaf || vcpu->domain->event_page)
		return REQUEST_HELD | (served & REQUEST_FAVOUR); /* it is favoured once */
	return REQUEST_WAKE | (vcpu->pending & VCPU_PEND_NMI ? REQUEST_NMI : 0);
}

static void hold(struct vcpu *vcpu, uint32_t served)
{
	struct cpu *cpu = this_cpu();
	uint32_t waits, none = 0;
	uint64_t now = cpu_rdtsc(), ticks = SCHED_NEVER;

	if (!vcpu_is_here(vcpu) || cpu->current == vcpu)
		return;
	waits = what_waits(vcpu, served);
	if (vcpu->state == VCPU_HALTED && waits & REQUEST_HELD)
		ticks = sched_patience(&cpu->rq, &vcpu->entity, now);
	if (!ticks || !__atomic_compare_exchange_n(&vcpu->requests, &none, waits, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	vcpu->pending |= VCPU_PEND_HELD;
	if (ticks != SCHED_NEVER)
		timer_set(&cpu->timers, &vcpu->held, now + ticks);
}

/* Requests that are no interrupts are in the inbox, too, and stay there. */
bool request_take(struct vcpu *vcpu)
{
	uint32_t requests = __atomic_fetch_and(
		&vcpu->requests, ~(INTERRUPTS | REQUEST_FAVOUR | REQUEST_HELD), __ATOMIC_SEQ_CST);

	vcpu->pending &= ~VCPU_PEND_HELD;
	timer_cancel(&vcpu->cpu->timers, &vcpu->held);
	if (requests & INTERRUPTS)
		vcpu_serve(vcpu, requests & INTERRUPTS);
	return requests & INTERRUPTS;
}

void request_held_enough(struct timer *timer, uint64_t)
{
	struct vcpu *vcpu = CONTAINER_OF(timer, struct vcpu, held);

	turn_charge(this_cpu(), &vcpu->entity);
	if (request_take(vcpu))
		hold(vcpu, 0);
}

/* The call is the last: its maker may free the vCPU then. */
static void serve(struct vcpu *vcpu, uint32_t requests)
{
	timer_cancel(&vcpu->cpu->timers, &vcpu->held);
	vcpu_serve(vcpu, requests);
	if (!(requests & REQUEST_CALL)) {
		hold(vcpu, requests);
		return;
	}
	if (!vcpu_is_here(vcpu)) { /* it has been sent on */
		request_post(vcpu, REQUEST_CALL);
		return;
	}
	call.function(vcpu, call.arg);
	__atomic_fetch_sub(&call.left, 1, __ATOMIC_RELEASE);
}

void request_serve(struct cpu *cpu)
{
	struct vcpu *vcpu = __atomic_exchange_n(&cpu->inbox, NULL, __ATOMIC_SEQ_CST), *next;

	for (; vcpu; vcpu = next) {
		next = vcpu->inbox_next;
		if (__atomic_load_n(&vcpu->cpu, __ATOMIC_ACQUIRE) != cpu) /* moved meanwhile */
			push(vcpu);
		else
			serve(vcpu, __atomic_exchange_n(&vcpu->requests, 0, __ATOMIC_SEQ_CST));
	}
}

void request_forget(const struct vcpu *vcpu)
{
	struct vcpu *other = __atomic_exchange_n(&this_cpu()->inbox, NULL, __ATOMIC_SEQ_CST), *next;

	for (; other; other = next) {
		next = other->inbox_next;
		if (other != vcpu)
			push(other);
	}
}

/* Off its CPU a vCPU may move, but not from here, once it has arrived. */
static void ask(struct vcpu *vcpu)
{
	if (vcpu_is_here(vcpu) && !READ_ONCE(vcpu->requests)) {
		call.function(vcpu, call.arg);
		return;
	}
	__atomic_fetch_add(&call.left, 1, __ATOMIC_RELEASE);
	request_post(vcpu, REQUEST_CALL);
}

void request_call_each(struct vcpu *const *vcpu, unsigned count,
		       void (*function)(struct vcpu *vcpu, void *arg), void *arg)
{
	uint64_t start = cpu_rdtsc();

	ASSERT(this_cpu()->holds.ranks == LOCK_MANAGE);
	call.function = function;
	call.arg = arg;
	for (unsigned i = 0; i < count; i++)
		if (vcpu[i])
			ask(vcpu[i]);
	/* A vCPU may be on its way here, where nobody else would serve it. */
	while (__atomic_load_n(&call.left, __ATOMIC_ACQUIRE)) {
		request_serve(this_cpu());
		for (unsigned i = smp_wait(&start) ? 0 : count; i < count; i++)
			if (vcpu[i])
				smp_kick(READ_ONCE(vcpu[i]->cpu));
	}
}
