/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cpu/loop.h"

#include "arch/apic.h"
#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/exit.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/domain.h"
#include "kernel/object/object.h"
#include "kernel/vcpu/migrate.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/turn.h"
#include "kernel/vcpu/vcpu.h"

/* Under another hypervisor HLT is an exit, and its end takes an interrupt which that must bring.
 * There a CPU whose last sleep was no longer than this waits awake for as long before it sleeps
 * again. */
#define POLL_NS     50000u
#define POLL_PAUSES 16u

#define SERVE_ROUNDS 2u
#define SERVE_PAUSE  32u

/* See arch/trap.c. */
static void tell_nmis(struct cpu *cpu)
{
	uint32_t nmis = READ_ONCE(cpu->nmis);

	if (nmis == cpu->nmis_told)
		return;
	cpu->nmis_told = nmis;
	log_print(LOG_WARNING "kernel: NMI on CPU %u, rip %lx\n", cpu->id, cpu->nmi_rip);
}

static void schedule(struct cpu *cpu)
{
	uint64_t now = cpu_rdtsc();
	struct vcpu *before = cpu->current;
	struct sched_entity *entity;

	ASSERT(!cpu->holds.ranks);
	/* Before it is looked whether another CPU asks, since that one sets resched last. */
	(void)__atomic_exchange_n(&cpu->resched, false, __ATOMIC_SEQ_CST);
	tell_nmis(cpu);
	if (cpu_count > 1 && (READ_ONCE(cpu->asked) || !sched_slice(&cpu->rq, now)))
		move_surplus(cpu, now);
	entity = sched_pick(&cpu->rq, now);
	cpu->current = entity ? CONTAINER_OF(entity, struct vcpu, entity) : NULL;
	turn_changed(cpu, now);
	if (!entity)
		move_ask(cpu);
	if (cpu->current == before)
		return;
	if (before && vcpu_is_here(before)) {
		steal_begin(before);
		/* It has another domain's loaded again. */
		if (before->entity.state == SCHED_ASLEEP && entity &&
		    entity->group != before->entity.group)
			sched_charge(&cpu->rq, &before->entity, now);
	}
	if (entity && cpu->current->kvm_steal)
		cpu->current->pending |= VCPU_PEND_STEAL;
}

/* The FPU is another's: take it now, or on first use (fpu_trap stays false for
 * vCPUs that are not lazy). No trap guards PKRU once CR4.PKE is set. */
static void own_fpu(struct cpu *cpu, struct vcpu *vcpu)
{
	struct sampo_exit state;

	if (!vcpu->lazy_fpu) {
		fpu_switch(cpu, vcpu);
		return;
	}
	hv->fetch_few(vcpu, &state);
	if (state.cr4 & CR4_PKE)
		fpu_switch(cpu, vcpu);
	vcpu->fpu_trap = cpu->fpu != vcpu;
	hv->trap(vcpu, HV_TRAP_FPU, vcpu->fpu_trap);
}

/* Puts the vCPU's state into the CPU, in place of the one that is there. */
static void load(struct cpu *cpu, struct vcpu *vcpu)
{
	struct vcpu *before = cpu->loaded;

	if (before)
		hv->save(before);
	hv->load(vcpu);
	if (cpu->has_tsc_aux && cpu->tsc_aux != vcpu->tsc_aux) {
		cpu->tsc_aux = vcpu->tsc_aux;
		cpu_wrmsr(MSR_TSC_AUX, cpu->tsc_aux);
	}
	cpu->loaded = vcpu;
	if ((cpu->fpu != vcpu) != vcpu->fpu_trap)
		own_fpu(cpu, vcpu);
	if (mitigations.on & BARRIERS_OF_SWITCHES)
		barrier_switch(cpu, vcpu); /* the last: what was there has been saved */
}

static uint64_t trace(struct vcpu *vcpu, const struct hv_exit *x)
{
	struct sampo_vcpu_page *page = vcpu->page;
	uint64_t number = READ_ONCE(page->traces);
	struct sampo_trace *entry = &page->trace[0] + number % SAMPO_TRACES;
	uint64_t now = cpu_rdtsc();

	page->traces = number + 1;
	page->exits[x->kind]++;
	*entry = (struct sampo_trace){now, x->rip, x->info, x->kind, x->code};
	return now;
}

/* Others have posted, or an interrupt has woken somebody. */
static bool has_work(const struct cpu *cpu)
{
	return __atomic_load_n(&cpu->inbox, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&cpu->resched, __ATOMIC_RELAXED);
}

bool loop_breathe(struct cpu *cpu)
{
	smp_leave_kernel(cpu, CPU_IDLE);
	hv->interrupt_window();
	smp_enter_kernel(cpu);
	interrupt_run_timers(cpu);
	return !has_work(cpu);
}

/* A step of what object_reap has to do, in the turn of the vCPU that has VCPU_PEND_REAP; NULL: in
 * nobody's. */
static void reap(struct cpu *cpu, struct vcpu *vcpu)
{
	bool more = true;

	if (manage_try()) {
		more = object_reap();
		manage_unlock();
	}
	/* If the vCPU itself has been freed, it is no longer the current one. */
	if (!more && vcpu && cpu->current == vcpu)
		vcpu->pending &= ~VCPU_PEND_REAP;
	loop_breathe(cpu);
}

static void run(struct cpu *cpu, struct vcpu *vcpu)
{
	struct hv_exit x;
	uint64_t now;

	if (vcpu_must_deliver(vcpu)) {
		if (vcpu->pending & VCPU_PEND_REAP) {
			reap(cpu, vcpu);
			return;
		}
		if (!vcpu_deliver(vcpu))
			return;
	}
	if (cpu->loaded != vcpu)
		load(cpu, vcpu);
	interrupt_arm_timer(cpu);
	if (cpu->rq.cause)
		sched_charge(&cpu->rq, NULL, cpu_rdtsc());
	smp_leave_kernel(cpu, vcpu->domain);
	hv->run(vcpu, &x);
	smp_enter_kernel(cpu);
	now = trace(vcpu, &x);
	exit_handlers[x.kind](vcpu, &x);
	interrupt_check_timer(cpu, now);
}

/* ... or this CPU's next vCPU is known already. */
static bool has_end(const struct cpu *cpu)
{
	return has_work(cpu) || READ_ONCE(cpu->current);
}

/* Awake until there is something to do (then true) or the time is over. */
static bool poll(struct cpu *cpu, uint64_t until)
{
	uint64_t due = timer_next(&cpu->timers), now;

	__atomic_store_n(&cpu->polling, true, __ATOMIC_SEQ_CST);
	do {
		hv->interrupt_window();
		for (unsigned i = 0; i < POLL_PAUSES && !has_end(cpu); i++)
			cpu_pause();
		now = cpu_rdtsc();
	} while (!has_end(cpu) && now < until && now < due);
	__atomic_store_n(&cpu->polling, false, __ATOMIC_SEQ_CST);
	return has_end(cpu) || now >= due;
}

/*
 * Zeroes free memory, piece by piece, until the CPU has something else to do: requests, a vCPU that
 * an interrupt or a timer has made current, or objects to reap. Returns false if there was no piece
 * to zero. The main loop looks at all of these between two pieces, too, but would ask other CPUs
 * for work each time.
 */
static bool zero_memory(struct cpu *cpu)
{
	if (!frame_zero_some())
		return false;
	do
		loop_breathe(cpu);
	while (!has_end(cpu) && !object_waiting() && frame_zero_some());
	return true;
}

/* Out of line, so that the loop's registers are those of its hot half. */
static __attribute__((noinline)) void idle(struct cpu *cpu)
{
	uint64_t start = cpu_rdtsc(), span = tsc_from_ns(POLL_NS);

	if (zero_memory(cpu))
		return; /* before a sleep the main loop has more to look at */
	sched_charge(&cpu->rq, NULL, start);
	smp_leave_kernel(cpu, CPU_IDLE);
	if (!cpu->brief || !poll(cpu, start + span)) {
		interrupt_arm_timer(
			cpu); /* what it was set for may have come meanwhile, for nothing */
		apic_offer();
		hv->idle();
	}
	smp_enter_kernel(cpu);
	cpu->brief = cpu->nested && cpu_rdtsc() - start < span;
	interrupt_run_timers(cpu);
}

/*
 * A vCPU that is served may post to this CPU, which no other CPU kicks then: hence a second round.
 * Other CPUs may post as fast as this CPU serves, without end. The rest waits, and so do the other
 * CPUs, since none kicks a CPU whose inbox is not empty: SERVE_PAUSE times as long as serving has
 * taken, so that the vCPU that runs here loses little to requests for others.
 */
static void serve_inbox(struct cpu *cpu)
{
	uint64_t start = cpu_rdtsc();

	for (unsigned i = 0; i < SERVE_ROUNDS && __atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED);
	     i++)
		request_serve(cpu);
	if (__atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED))
		turn_ends_within(cpu, (cpu_rdtsc() - start) * SERVE_PAUSE);
}

void loop_run(struct cpu *cpu)
{
	for (;;) {
		if (__atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED))
			serve_inbox(cpu);
		if (__atomic_load_n(&cpu->resched, __ATOMIC_RELAXED) || !cpu->current)
			schedule(cpu);
		if (cpu->current)
			run(cpu, cpu->current);
		else if (object_waiting())
			reap(cpu, NULL);
		else if (has_work(cpu))
			loop_breathe(cpu);
		else
			idle(cpu);
	}
}
