/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the CPUs work together: each passes a door on its way out of the kernel and in again, and
 * the others look at the door (request.h has what CPUs ask each other for). No CPU waits in the
 * kernel for another, but the one that holds the manage lock, or a lock for as long as a few
 * instructions take.
 */
#pragma once

#include "arch/up.h"
#include "kernel/cpu/percpu.h"

/*
 * The kernel's door. On x86 a CPU's store is in its store buffer before other CPUs see it, and
 * loads behind it are done meanwhile (SDM 3A 8.2.3.4); a locked instruction, which XCHG is,
 * empties the buffer first. Two protocols ask of both sides to store, and then to load what the
 * other side has stored: with a barrier between the two on both sides, at least one of them sees
 * the other's store.
 *
 * smp_quiesce: a CPU stores in_guest = NULL | XCHG |, then loads pointers from tables. The CPU
 * that frees stores the table without the pointer | fence |, then loads in_guest. If that still
 * shows the CPU outside, the CPU finds the table without the pointer. On the way out no barrier is
 * needed: a store is never seen before the loads in front of it are done.
 *
 * smp_shoot_down: a CPU stores in_guest = domain | XCHG |, then loads slat_changes to know
 * whether it must flush. The CPU that unmaps stores the page tables and slat_changes | fence |,
 * then loads in_guest. If that does not show the domain, the CPU flushes before it enters. So the
 * kernel does not pass the door again between its look at slat_changes and the guest: an NMI,
 * which may come there, does not touch the door, nor anything that others free.
 */

/* The main loop, around each guest's run and each sleep; `to` as in cpu.in_guest. */
static inline void smp_leave_kernel(struct cpu *cpu, struct domain *to)
{
	__atomic_store_n(&cpu->entries, cpu->entries + 1, __ATOMIC_RELEASE);
	(void)__atomic_exchange_n(&cpu->in_guest, to, __ATOMIC_SEQ_CST);
}

/* The main loop, behind them; and what interrupts a sleep. */
static inline void smp_enter_kernel(struct cpu *cpu)
{
	(void)__atomic_exchange_n(&cpu->in_guest, NULL, __ATOMIC_SEQ_CST);
}

/* Waits until every other CPU that is in the kernel now has left it once, and
 * with it all that it found in tables before. Manage lock and no other. */
void smp_quiesce(void);

/* The domain's page tables have changed: waits until each CPU that runs one of
 * its vCPUs has left the guest; it flushes before it enters again. */
void smp_shoot_down(const struct domain *domain);

/* Makes a CPU leave its guest or wake up, by this vector. */
#define VECTOR_KICK 0xf1u
void smp_kick(const struct cpu *cpu);
/* Another CPU will soon do something, which is waited for since `start`: pauses. True: that takes
 * so long that a kick may have been lost, and is to be sent again. */
bool smp_wait(uint64_t *start);
/* Others stop for ever, after an NMI: this one is about to panic. */
void smp_stop_others(void);
