/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/* sources: kernel/sched/balance.c */
/*
 * A CPU without work polls for a moment before it sleeps. What its hardware timer was set for, and
 * has been cancelled since, may come meanwhile: the CPU wakes for its other timers nevertheless.
 */
#include "tests/litmus/machine.h"

#define NAP 3000u /* ticks at most, of which a poll takes 1000 */

static uint64_t wakes; /* atomic */

static bool work(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

static void wake(struct timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
	vcpu_wake(machine_vcpu[0]);
}

static void sleep_a_while(struct vcpu *vcpu)
{
	static struct timer cancelled = {.fire = wake}, other = {.fire = wake};
	static uint64_t state = 1;
	struct cpu *cpu = this_cpu();
	uint64_t now = cpu_rdtsc();

	rounds++;
	__atomic_fetch_add(&wakes, 1, __ATOMIC_RELAXED);
	timer_set(&cpu->timers, &cancelled, now + litmus_random(&state) % NAP);
	interrupt_arm_timer(cpu);
	timer_cancel(&cpu->timers, &cancelled);
	timer_set(&cpu->timers, &other, now + litmus_random(&state) % NAP);
	vcpu_halt(vcpu);
}

/* The other CPU sees that this goes on. */
static bool watch(struct vcpu *vcpu)
{
	static uint64_t last;
	uint64_t now = __atomic_load_n(&wakes, __ATOMIC_RELAXED);

	(void)vcpu;
	if (machine_done(now != last, "a CPU sleeps on"))
		last = now;
	return false;
}

int main(void)
{
	machine_prepare();
	tsc_ticks_per_ns = (1ull << 32) / 50; /* it polls for a microsecond */
	machine_add(0, work, sleep_a_while);
	machine_add(1, watch, NULL);
	machine_run("litmus_sleep");
	litmus_done();
	return 0;
}
