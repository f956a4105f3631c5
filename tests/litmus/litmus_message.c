/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/* sources: kernel/sched/balance.c */
/*
 * `posted`, the inbox, and the word that tells whether its owner polls it: no interrupt from one
 * vCPU to another is lost, whether that one runs, its CPU polls, or sleeps.
 */
#include "tests/litmus/machine.h"

static uint64_t state = 1;

/* The receiver's guest: works for a moment, then HLT. */
static bool work(struct vcpu *vcpu)
{
	static uint64_t own = 3;

	(void)vcpu;
	litmus_jitter(&own, 400);
	return true;
}

/* At any moment, in which the receiver's CPU ceases to poll, or falls asleep. */
static void send(struct vcpu *vcpu)
{
	machine_send(vcpu, &state);
}

int main(void)
{
	machine_taken = machine_get;
	machine_prepare();
	tsc_ticks_per_ns = (1ull << 32) / 50; /* it polls for a microsecond */
	machine_add(0, work, machine_halt);
	machine_add(1, machine_wait_for_all, send);
	machine_run("litmus_message");
	litmus_done();
	return 0;
}
