/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/lock.h"

#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

#define TURN_NS 100000u

struct lock manage_lock = {.rank = LOCK_MANAGE};

static uint64_t asked[CPUS / 64]; /* who has asked for a turn, atomic */
/* Whose turn is next, and for how long: the holder writes them. */
static struct cpu *turn;
static uint64_t turn_end;

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

static void ask(const struct cpu *cpu, bool asks)
{
	uint64_t bit = 1ull << cpu->id % 64;

	if (asks)
		__atomic_fetch_or(&asked[cpu->id / 64], bit, __ATOMIC_RELAXED);
	else if (READ_ONCE(asked[cpu->id / 64]) & bit)
		__atomic_fetch_and(&asked[cpu->id / 64], ~bit, __ATOMIC_RELAXED);
}

bool manage_try(void)
{
	struct cpu *cpu = this_cpu(), *next = __atomic_load_n(&turn, __ATOMIC_ACQUIRE);
	bool reserved = next && next != cpu && cpu_rdtsc() < READ_ONCE(turn_end);

	if (reserved || !lock_try(&manage_lock)) {
		ask(cpu, true);
		return false;
	}
	if (turn) /* it has come, or not in time: then it may ask again */
		ask(turn, false);
	ask(cpu, false);
	WRITE_ONCE(turn, NULL);
	return true;
}

/* The first behind this one that has asked. */
static struct cpu *next_turn(uint32_t id)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < COUNT_OF(asked); i++)
		any |= READ_ONCE(asked[i]);
	for (uint32_t i = 1; any && i < cpu_count; i++) {
		uint32_t other = (id + i) % cpu_count;

		if (READ_ONCE(asked[other / 64]) >> other % 64 & 1)
			return cpu_table[other];
	}
	return NULL;
}

void manage_unlock(void)
{
	struct cpu *next = next_turn(this_cpu()->id);

	if (next) {
		WRITE_ONCE(turn_end, cpu_rdtsc() + tsc_from_ns(TURN_NS));
		__atomic_store_n(&turn, next, __ATOMIC_RELEASE);
	}
	unlock(&manage_lock);
}
