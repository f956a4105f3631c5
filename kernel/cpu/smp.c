/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cpu/smp.h"

#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/base/lock.h"
#include "kernel/base/panic.h"
#include "kernel/object/irq.h"
#include "kernel/vcpu/vcpu.h"

#define KICK_AGAIN_NS 1000000u

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;
bool smp_stopping;
const struct cpu *smp_stuck;

/* The one call that is under way: its maker holds the manage lock. All of it is written before
 * REQUEST_CALL is, by a locked instruction; `left` counts down after the function has returned. */
static struct {
	void (*function)(struct vcpu *vcpu, void *arg);
	void *arg;
	uint32_t left; /* vCPUs whose homes have yet to call it */
} call;

void smp_kick(const struct cpu *cpu)
{
	if (cpu != this_cpu())
		apic_send(cpu->apic_id, VECTOR_KICK);
}

/*
 * A CPU that finds the inbox empty kicks its owner; others know that this has been done. An owner
 * that polls needs no kick. Here the inbox is stored | locked CMPXCHG |, then `polling` is loaded;
 * the owner stores polling = false | XCHG |, then loads its inbox (poll in loop.c). So either the
 * owner is kicked, or it finds the vCPU. `requests` tells who puts a vCPU into an inbox: the CPU
 * that sets the first bit there, by a locked instruction. The home empties the inbox first, then
 * requests, so that a bit which it does not see puts the vCPU there again.
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

void smp_post(struct vcpu *vcpu, uint32_t requests)
{
	/* With requests it is in an inbox already. */
	if (!__atomic_fetch_or(&vcpu->requests, requests, __ATOMIC_SEQ_CST))
		push(vcpu);
}

void smp_send(struct vcpu *vcpu, struct cpu *to)
{
	/* Whatever is posted to the new home comes behind the arrival. */
	bool waiting = __atomic_fetch_or(&vcpu->requests, REQUEST_ARRIVE, __ATOMIC_SEQ_CST);

	__atomic_store_n(&vcpu->cpu, to, __ATOMIC_RELEASE);
	if (!waiting) /* else it is in this CPU's inbox, which passes it on */
		push(vcpu);
}

/* The call is the last: its maker may free the vCPU then. */
static void serve(struct vcpu *vcpu, uint32_t requests)
{
	vcpu_serve(vcpu, requests);
	if (!(requests & REQUEST_CALL))
		return;
	if (!vcpu_is_here(vcpu)) { /* it has been sent on */
		smp_post(vcpu, REQUEST_CALL);
		return;
	}
	call.function(vcpu, call.arg);
	__atomic_fetch_sub(&call.left, 1, __ATOMIC_RELEASE);
}

void smp_serve(struct cpu *cpu)
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

void smp_forget(const struct vcpu *vcpu)
{
	struct vcpu *other = __atomic_exchange_n(&this_cpu()->inbox, NULL, __ATOMIC_SEQ_CST), *next;

	for (; other; other = next) {
		next = other->inbox_next;
		if (other != vcpu)
			push(other);
	}
}

/* What another CPU will do soon is waited for, since `start`. True: that takes so long that an
 * interrupt may have been lost, and is to be sent again. */
static bool wait_a_little(uint64_t *start)
{
	cpu_pause();
	if (cpu_rdtsc() - *start < tsc_from_ns(KICK_AGAIN_NS))
		return false;
	*start = cpu_rdtsc();
	return true;
}

/* Off its CPU a vCPU may move, but not from here, once it has arrived. */
static void ask(struct vcpu *vcpu)
{
	if (vcpu_is_here(vcpu) && !READ_ONCE(vcpu->requests)) {
		call.function(vcpu, call.arg);
		return;
	}
	__atomic_fetch_add(&call.left, 1, __ATOMIC_RELEASE);
	smp_post(vcpu, REQUEST_CALL);
}

void smp_call_each(struct vcpu *const *vcpu, unsigned count,
		   void (*function)(struct vcpu *vcpu, void *arg), void *arg)
{
	uint64_t start = cpu_rdtsc();

	ASSERT(this_cpu()->locks == LOCK_MANAGE);
	call.function = function;
	call.arg = arg;
	for (unsigned i = 0; i < count; i++)
		if (vcpu[i])
			ask(vcpu[i]);
	/* A vCPU may be on its way here, where nobody else would serve it. */
	while (__atomic_load_n(&call.left, __ATOMIC_ACQUIRE)) {
		smp_serve(this_cpu());
		for (unsigned i = wait_a_little(&start) ? 0 : count; i < count; i++)
			if (vcpu[i])
				smp_kick(READ_ONCE(vcpu[i]->cpu));
	}
}

static bool has_left(const struct cpu *cpu, uint64_t entries)
{
	return __atomic_load_n(&cpu->in_guest, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&cpu->entries, __ATOMIC_ACQUIRE) != entries;
}

void smp_quiesce(void)
{
	ASSERT(!(this_cpu()->locks & ~LOCK_MANAGE));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct cpu *cpu = cpu_table[i];
		uint64_t entries = __atomic_load_n(&cpu->entries, __ATOMIC_ACQUIRE);

		while (cpu != this_cpu() && !has_left(cpu, entries))
			cpu_pause();
	}
}

static bool out_of_guest(const struct cpu *cpu, uint64_t entries)
{
	return __atomic_load_n(&cpu->entries, __ATOMIC_ACQUIRE) != entries ||
	       !__atomic_load_n(&cpu->in_guest, __ATOMIC_ACQUIRE);
}

void smp_shoot_down(const struct domain *domain)
{
	uint64_t entries[CPUS], start; /* entries 0: does not run it */
	bool any = false;

	/* The tables have changed before it is looked who runs. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++) {
		uint64_t now = __atomic_load_n(&cpu_table[i]->entries, __ATOMIC_ACQUIRE);

		entries[i] = 0;
		if (__atomic_load_n(&cpu_table[i]->in_guest, __ATOMIC_ACQUIRE) != domain)
			continue;
		entries[i] = now;
		smp_kick(cpu_table[i]);
		any = true;
	}
	if (!any)
		return;
	start = cpu_rdtsc();
	for (uint32_t i = 0; i < cpu_count; i++)
		while (entries[i] && !out_of_guest(cpu_table[i], entries[i]))
			if (wait_a_little(&start))
				smp_kick(cpu_table[i]);
}

void smp_stop_others(void)
{
	__atomic_store_n(&smp_stopping, true, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++)
		if (cpu_table[i] != this_cpu())
			apic_send(cpu_table[i]->apic_id, APIC_NMI);
}
