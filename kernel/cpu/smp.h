/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the CPUs work together. A vCPU has a home, the CPU whose run queue it is
 * in; code on other CPUs does not touch it but posts requests, which the
 * home's main loop carries out. No CPU waits in the kernel for another, but
 * the one that holds the manage lock, or a lock for as long as a few
 * instructions take.
 */
#pragma once

#include "arch/up.h"
#include "kernel/cpu/percpu.h"

/* What can be asked of a vCPU's home. */
#define REQUEST_WAKE   0x01u /* something has arrived: a posted vector, an event */
#define REQUEST_RETURN 0x02u /* its monitor has given it back */
#define REQUEST_NMI    0x04u
#define REQUEST_KICK   0x08u
#define REQUEST_CALL   0x10u  /* smp_call */
#define REQUEST_ARRIVE 0x20u  /* it has just moved here */
#define REQUEST_FAVOUR 0x40u  /* somebody elsewhere waits for it to run */
#define REQUEST_PIN    0x80u  /* its affinity has changed: it may have to leave */
#define REQUEST_LINT0  0x100u /* the PIC's INTR line has gone up */
#define REQUEST_INTACK 0x200u /* a message asks for a vector of the PIC */
#define REQUEST_INBOX  0x400u /* of smp.c: it is in an inbox */
#define REQUEST_HELD   0x800u /* of smp.c: the home looks by itself */

/* Of any vCPU, from any CPU; may be this one. Does not wait. */
void smp_post(struct vcpu *vcpu, uint32_t requests);
/* From its home: another CPU is its home from now on, which is told so by
 * REQUEST_ARRIVE. Nothing of the vCPU is in this CPU any more. */
void smp_send(struct vcpu *vcpu, struct cpu *to);
/* The main loop: carry out what has been posted to this CPU. */
void smp_serve(struct cpu *cpu);
/* Before a vCPU runs that has waited: carry out what has been posted to it meanwhile. Returns false
 * if nothing has. */
bool smp_take(struct vcpu *vcpu);
/* What vcpu.held fires. */
void smp_held_enough(struct timer *timer, uint64_t now);
/* A vCPU of this CPU is about to be freed; nobody posts to it any more. */
void smp_forget(const struct vcpu *vcpu);

/*
 * Runs function(vcpu, arg) on each vCPU's home (NULL: there is none) and waits until all are done:
 * the homes work at the same time, so the wait is no longer for many vCPUs than for one. The
 * caller holds the manage lock and no other.
 */
void smp_call_each(struct vcpu *const *vcpu, unsigned count,
		   void (*function)(struct vcpu *vcpu, void *arg), void *arg);
static inline void smp_call(struct vcpu *vcpu, void (*function)(struct vcpu *vcpu, void *arg),
			    void *arg)
{
	smp_call_each(&vcpu, 1, function, arg);
}

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

/* Makes a CPU leave its guest or wake up. */
void smp_kick(const struct cpu *cpu);
/* Others stop for ever, after an NMI: this one is about to panic. */
void smp_stop_others(void);
