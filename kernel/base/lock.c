/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/lock.h"

#include "arch/cpu.h"
#include "arch/this_cpu.h"
#include "arch/tsc.h"
#include "kernel/base/panic.h"

#define TURN_NS 100000u

struct lock manage_lock = {.rank = LOCK_MANAGE};

/* Tickets are given out from manage_tickets on; the CPU with manage_turn may come until turn_end.
 */
static uint64_t manage_tickets = 1, manage_turn = 1, turn_end;

static struct lock_holder *me(void)
{
	return (struct lock_holder *)this_cpu();
}

/* The next ticket's turn begins, if this one's has not ended yet. */
static void end_turn(uint64_t ticket)
{
	WRITE_ONCE(turn_end, cpu_rdtsc() + tsc_from_ns(TURN_NS));
	__atomic_compare_exchange_n(&manage_turn, &ticket, ticket + 1, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

/* Already this CPU's? Else its order is checked. */
static bool taken_again(struct lock *l, struct lock_holder *holder)
{
	if (__atomic_load_n(&l->holder, __ATOMIC_RELAXED) == holder) {
		l->depth++;
		return true;
	}
	ASSERT(holder->ranks < l->rank);
	return false;
}

static void taken(struct lock *l, struct lock_holder *holder)
{
	__atomic_store_n(&l->holder, holder, __ATOMIC_RELAXED);
	holder->ranks |= l->rank;
}

/*
 * A ticket lock: each comer takes the next number and waits until that is served, so CPUs have the
 * lock in the order in which they came.
 */
void lock(struct lock *l)
{
	struct lock_holder *holder = me();
	uint32_t ticket;

	if (taken_again(l, holder))
		return;
	ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket)
		cpu_pause();
	taken(l, holder);
}

bool lock_try(struct lock *l)
{
	struct lock_holder *holder = me();
	uint32_t ticket = __atomic_load_n(&l->serving, __ATOMIC_ACQUIRE);

	if (taken_again(l, holder))
		return true;
	if (!__atomic_compare_exchange_n(&l->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	taken(l, holder);
	return true;
}

void unlock(struct lock *l)
{
	if (l->depth) {
		l->depth--;
		return;
	}
	l->holder->ranks &= ~l->rank;
	__atomic_store_n(&l->holder, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE);
}

void lock_break(struct lock *l)
{
	*l = (struct lock){.rank = l->rank};
	me()->ranks = 0;
}

bool manage_try(void)
{
	struct lock_holder *holder = me();
	uint64_t turn = READ_ONCE(manage_turn);

	if (holder->ticket < turn) /* it has none, or has not come in time */
		holder->ticket = __atomic_fetch_add(&manage_tickets, 1, __ATOMIC_RELAXED);
	if (holder->ticket == turn && lock_try(&manage_lock)) {
		WRITE_ONCE(turn_end, UINT64_MAX);
		return true;
	}
	if (holder->ticket != turn && cpu_rdtsc() >= READ_ONCE(turn_end))
		end_turn(turn);
	return false;
}

void manage_unlock(void)
{
	end_turn(me()->ticket);
	unlock(&manage_lock);
}
