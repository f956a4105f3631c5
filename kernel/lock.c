/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/lock.h"

#include "arch/cpu.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

struct lock manage_lock = {.rank = LOCK_MANAGE};

/* Already this CPU's? Else its order is checked. */
static bool taken_again(struct lock *l, struct cpu *cpu)
{
	if (__atomic_load_n(&l->holder, __ATOMIC_RELAXED) == cpu) {
		l->depth++;
		return true;
	}
	ASSERT(!(cpu->locks >> l->rank));
	return false;
}

static void taken(struct lock *l, struct cpu *cpu)
{
	__atomic_store_n(&l->holder, cpu, __ATOMIC_RELAXED);
	cpu->locks |= 1u << l->rank;
}

void lock(struct lock *l)
{
	struct cpu *cpu = this_cpu();
	uint32_t ticket;

	if (taken_again(l, cpu))
		return;
	ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket)
		cpu_pause();
	taken(l, cpu);
}

bool lock_try(struct lock *l)
{
	struct cpu *cpu = this_cpu();
	uint32_t ticket = __atomic_load_n(&l->serving, __ATOMIC_ACQUIRE);

	if (taken_again(l, cpu))
		return true;
	if (!__atomic_compare_exchange_n(&l->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	taken(l, cpu);
	return true;
}

void unlock(struct lock *l)
{
	if (l->depth) {
		l->depth--;
		return;
	}
	this_cpu()->locks &= ~(1u << l->rank);
	__atomic_store_n(&l->holder, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE);
}
