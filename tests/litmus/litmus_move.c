/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/* sources: kernel/sched/balance.c */
/*
 * A vCPU that sleeps with its timer set is sent from CPU to CPU. What is done to it on its way, at
 * the very place where it is about to arrive, waits until it has: its timer, its place in the
 * queue and its interrupts are not lost.
 */
#include "tests/litmus/machine.h"

#include "kernel/vcpu/migrate.h"

#define TICK      0x40u
#define IPI       0x50u
#define LVT_TIMER 0x320u
#define COUNT     0x380u
#define DIVIDE    0x3e0u
#define PERIOD_NS 3000u

static uint64_t ticks, sent, came; /* atomic */
static bool rearm;                 /* of the vCPU that is sent about */

static bool sleep(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

static void taken(struct vcpu *vcpu, uint8_t vector)
{
	expect(vcpu->id == 0 && vcpu_is_here(vcpu), "an interrupt where it is not");
	if (vector == IPI) {
		__atomic_fetch_add(&came, 1, __ATOMIC_RELEASE);
		return;
	}
	expect(vector == TICK, "one of the two");
	rearm = true;
	__atomic_fetch_add(&ticks, 1, __ATOMIC_RELEASE);
}

static void write_lapic(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
	struct vlapic_effect effect;
	int flags = vlapic_mmio_write(&vcpu->lapic, offset, value, vcpu_tsc(vcpu, cpu_rdtsc()),
				      &effect);

	vcpu_lapic_effect(vcpu, flags, &effect);
}

/* The timer again, if it has come; then HLT. */
static void arm_and_halt(struct vcpu *vcpu)
{
	if (rearm)
		write_lapic(vcpu, COUNT, PERIOD_NS);
	rearm = false;
	machine_halt(vcpu);
}

/* The other one's guest: until another tick and what it sent last have come. */
static bool wait_for_tick(struct vcpu *vcpu)
{
	static uint64_t seen, state = 1;
	bool both;

	(void)vcpu;
	both = __atomic_load_n(&ticks, __ATOMIC_ACQUIRE) != seen &&
	       __atomic_load_n(&came, __ATOMIC_ACQUIRE) == sent;
	if (!machine_done(both, "a timer or an interrupt was lost"))
		return false;
	seen = __atomic_load_n(&ticks, __ATOMIC_ACQUIRE);
	litmus_jitter(&state, 2 * PERIOD_NS);
	return true;
}

/* Sends it here or away, and then an interrupt after it at once. */
static void send_about(struct vcpu *vcpu)
{
	uint64_t cpus[SCHED_WORDS] = {1ull << rounds % LITMUS_CPUS};
	struct vcpu *other = machine_vcpu[0];
	enum vcpu_state state = VCPU_DEAD;
	bool on_its_way;

	rounds++;
	expect(lock_try(&manage_lock), "nobody else wants the lock");
	request_call(other, move_pin, cpus);
	if (rounds % 3) {
		/* This CPU has yet to let it in. */
		on_its_way = READ_ONCE(other->cpu) == this_cpu() &&
			     READ_ONCE(other->requests) & REQUEST_ARRIVE;
		if (on_its_way)
			state = other->state;
		sent++;
		vcpu_send(vcpu->domain, vcpu,
			  &(struct vlapic_message){.vector = IPI, .mode = VLAPIC_FIXED});
		if (on_its_way)
			expect(other->state == state, "it was touched on its way");
	}
	unlock(&manage_lock);
}

int main(void)
{
	machine_taken = taken;
	machine_prepare();
	machine_add(0, sleep, arm_and_halt);
	machine_add(1, wait_for_tick, send_about);
	host_cpu = &litmus_cpu[0];
	write_lapic(machine_vcpu[0], DIVIDE, 0xb);
	write_lapic(machine_vcpu[0], LVT_TIMER, TICK);
	rearm = true;
	machine_run("litmus_move");
	litmus_done();
	return 0;
}
