/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vcpu/migrate.h"

#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/debugreg.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "kernel/base/panic.h"
#include "kernel/sched/balance.h"
#include "kernel/vcpu/turn.h"
#include "kernel/vcpu/vcpu.h"

static struct balance balance;

/* Detached, it takes all that is its own along. */
static void carry(struct vcpu *vcpu, uint32_t to)
{
	struct cpu *cpu = vcpu->cpu;

	ASSERT(vcpu_is_here(vcpu));
	vcpu_unload(vcpu);
	fpu_leave(cpu, vcpu);
	barrier_forget(cpu, vcpu);
	debug_leave(cpu, vcpu);
	hv->detach(vcpu);
	vcpu->timed = vcpu->timer.queued;
	timer_cancel(&cpu->timers, &vcpu->timer);
	request_move(vcpu, cpu_table[to]);
}

/*
 * Only a sleeper that is about to wake goes, since nothing of it runs here; one that has
 * just run here is still the current one and stays.
 */
bool move_elsewhere(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;
	uint32_t to;

	if (vcpu->entity.state != SCHED_ASLEEP || cpu->current == vcpu)
		return false;
	to = balance_wake(&balance, &cpu->rq, &vcpu->entity);
	if (to == cpu->id)
		return false;
	sched_detach(&cpu->rq, &vcpu->entity, cpu_rdtsc());
	carry(vcpu, to);
	return true;
}

void move_pin(struct vcpu *vcpu, void *cpus)
{
	struct cpu *cpu = vcpu->cpu;

	__builtin_memcpy(vcpu->entity.affinity, cpus, sizeof(vcpu->entity.affinity));
	if (vcpu->entity.affinity[cpu->id / 64] >> cpu->id % 64 & 1)
		return;
	if (cpu->current == vcpu)
		cpu->current = NULL;
	sched_detach(&cpu->rq, &vcpu->entity, cpu_rdtsc());
	WRITE_ONCE(cpu->resched, true);
	carry(vcpu, balance_wake(&balance, &cpu->rq, &vcpu->entity));
}

void move_arrive(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;
	uint64_t now = cpu_rdtsc();

	if (vcpu->timed)
		timer_set(&cpu->timers, &vcpu->timer, vcpu->timer.deadline);
	if (sched_attach(&cpu->rq, &vcpu->entity, now))
		WRITE_ONCE(cpu->resched, true);
	/* Its domain may have been paused on the way. */
	vcpu_enqueue(vcpu);
	turn_changed(cpu, now);
}

void move_publish(struct cpu *cpu)
{
	if (cpu_count > 1)
		balance_publish(&balance, &cpu->rq);
}

void move_surplus(struct cpu *cpu, uint64_t now)
{
	struct sched_entity *entity;
	uint32_t to;

	/* Before the look for an idle CPU: a CPU says that it idles before it asks. */
	(void)__atomic_exchange_n(&cpu->asked, false, __ATOMIC_SEQ_CST);
	entity = balance_push(&balance, &cpu->rq, now, &to);
	if (entity)
		carry(CONTAINER_OF(entity, struct vcpu, entity), to);
}

void move_ask(struct cpu *cpu)
{
	uint32_t whom;

	if (cpu_count == 1)
		return;
	whom = balance_ask(&balance, &cpu->rq);
	if (whom >= cpu_count)
		return;
	__atomic_store_n(&cpu_table[whom]->asked, true, __ATOMIC_RELEASE);
	__atomic_store_n(&cpu_table[whom]->resched, true, __ATOMIC_RELEASE);
	smp_kick(cpu_table[whom]);
}
