/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/loop.c kernel/cpu/smp.c kernel/base/lock.c kernel/cpu/interrupt.c kernel/base/timer.c kernel/base/heap.c */
/* sources: kernel/sched/sched.c kernel/sched/migrate.c kernel/sched/balance.c kernel/vcpu/ipi.c kernel/vcpu/vlapic.c */
/* sources: kernel/vcpu/inject.c tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/*
 * A vCPU shares its CPU with another one that always works, so that its requests are held while it
 * waits for its turn, or sleeps: with interrupts on, or off until a kick comes. None is lost.
 */
#include "tests/litmus/machine.h"

#define VECTORS 3u /* at once */

static uint8_t sent[VECTORS];
static uint64_t got[4] __attribute__((aligned(64))); /* atomic: a bit for each vector */
static uint64_t state = 1;

static bool all_got(void)
{
	for (unsigned i = 0; i < VECTORS; i++)
		if (!(__atomic_load_n(&got[sent[i] / 64], __ATOMIC_ACQUIRE) >> sent[i] % 64 & 1))
			return false;
	return true;
}

static void taken(struct vcpu *vcpu, uint8_t vector)
{
	expect(vcpu->id == 0, "it was for another one");
	expect(!(__atomic_fetch_or(&got[vector / 64], 1ull << vector % 64, __ATOMIC_RELEASE) >>
			 vector % 64 &
		 1),
	       "an interrupt came twice");
}

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

/* The sender's: waits for what it has sent, then for any moment. */
static bool wait_for_all(struct vcpu *vcpu)
{
	static unsigned turns;
	static double start;

	(void)vcpu;
	if (!turns)
		start = litmus_now();
	if (!all_got()) {
		if (++turns % 65536 == 0)
			expect(litmus_now() - start < LITMUS_PATIENCE, "an interrupt was lost");
		return false;
	}
	turns = 0;
	litmus_jitter(&state, 2000);
	return true;
}

static void send(struct vcpu *vcpu)
{
	uint8_t first = (uint8_t)(16 + litmus_random(&state) % (256 - 16 - VECTORS));

	rounds++;
	for (unsigned i = 0; i < 4; i++)
		__atomic_store_n(&got[i], 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < VECTORS; i++) {
		sent[i] = (uint8_t)(first + i);
		vcpu_send(vcpu->domain, vcpu, &(struct vlapic_message){.vector = sent[i]});
	}
	vcpu_send(vcpu->domain, vcpu, &(struct vlapic_message){.mode = VLAPIC_KICK});
}

int main(void)
{
	machine_taken = taken;
	machine_prepare();
	tsc_ticks_per_ns = (1ull << 32) / 50; /* a turn is 7 microseconds */
	for (unsigned i = 0; i < LITMUS_CPUS; i++)
		litmus_cpu[i].rq.turn = tsc_from_ns(SCHED_TURN_NS);
	machine_add(0, work, halt);
	machine_add(1, wait_for_all, send);
	machine_add(2, never, NULL);
	sent[0] = sent[1] = sent[2] = 32;
	got[0] = 1ull << 32;
	machine_run("litmus_held");
	litmus_done();
	return 0;
}
