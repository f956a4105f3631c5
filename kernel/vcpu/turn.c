/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vcpu/turn.h"

#include "arch/cpu.h"
#include "kernel/object/up.h"
#include "kernel/vcpu/migrate.h"
#include "kernel/vcpu/vcpu.h"

void turn_changed(struct cpu *cpu, uint64_t now)
{
	uint64_t slice = sched_slice(&cpu->rq, now);

	/* One that was set before may stay: then it is chosen again for nothing. */
	if (slice != SCHED_NEVER)
		timer_set(&cpu->timers, &cpu->slice, now + slice);
	move_publish(cpu);
}

void turn_charge(struct cpu *cpu, struct sched_entity *e)
{
	if (cpu->interrupted)
		sched_charge(&cpu->rq, e, cpu->rq.cause ? cpu_rdtsc() : cpu->interrupted);
}

void turn_ends_within(struct cpu *cpu, uint64_t ticks)
{
	uint64_t latest = cpu_rdtsc() + ticks;

	if (!cpu->slice.queued || latest < cpu->slice.deadline)
		timer_set(&cpu->timers, &cpu->slice, latest);
}

void turn_ended(struct timer *, uint64_t)
{
	WRITE_ONCE(this_cpu()->resched, true);
}

void vcpu_charge(struct vcpu *vcpu)
{
	if (vcpu_is_here(vcpu))
		turn_charge(vcpu->cpu, &vcpu->entity);
}
