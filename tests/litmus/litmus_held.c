/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/* sources: kernel/sched/balance.c */
/*
 * A vCPU shares its CPU with another one that always works, so that its requests are held while it
 * waits for its turn, or sleeps: with interrupts on, or off until a kick comes. None is lost.
 */
#include "tests/litmus/machine.h"

static uint64_t state = 1;

/* The receiver works for a moment, then HLT; the neighbour does not rest. */
static bool work(struct vcpu *vcpu)
{
	static uint64_t own = 3;

	(void)vcpu;
	litmus_jitter(&own, 400);
	return litmus_random(&own) % 8 == 0;
}

static bool never(struct vcpu *vcpu)
{
	(void)vcpu;
	return false;
}

/* With interrupts off only when all that came before the last kick has been taken. */
static void halt(struct vcpu *vcpu)
{
	static uint64_t own = 5;

	vcpu->deaf = litmus_random(&own) % 2 && !vlapic_pending(&vcpu->lapic);
	if (vcpu_has_wakeup(vcpu))
		vcpu->kicked = false;
	else
		vcpu_halt(vcpu);
}

static void send(struct vcpu *vcpu)
{
	machine_send(vcpu, &state);
	vcpu_send(vcpu->domain, vcpu, &(struct vlapic_message){.mode = VLAPIC_KICK});
}

int main(void)
{
	machine_taken = machine_get;
	machine_prepare();
	tsc_ticks_per_ns = (1ull << 32) / 50; /* a turn is 7 microseconds */
	for (unsigned i = 0; i < LITMUS_CPUS; i++)
		litmus_cpu[i].rq.turn = tsc_from_ns(SCHED_TURN_NS);
	machine_add(0, work, halt);
	machine_add(1, machine_wait_for_all, send);
	machine_add(2, never, NULL);
	machine_run("litmus_held");
	litmus_done();
	return 0;
}
