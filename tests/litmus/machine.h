/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/loop.c kernel/cpu/smp.c kernel/cpu/interrupt.c kernel/vcpu/request.c kernel/vcpu/turn.c kernel/vcpu/migrate.c */
/* sources: kernel/vcpu/message.c kernel/vcpu/vlapic.c kernel/vcpu/inject.c kernel/sched/sched.c kernel/base/lock.c kernel/base/timer.c */
/* sources: kernel/base/heap.c tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/*
 * A machine of two CPUs, each of them a thread in the kernel's own main loop (loop.c). Interrupts
 * are bits that one thread sets and the other one takes in its windows; a guest is a function of
 * the test, called again and again while its vCPU runs. What a test does not need is not linked:
 * it would fail when it is called. A test names this file after `with` in its first lines, which
 * links it with the sources above.
 */
#pragma once

#include "tests/litmus/litmus.h"

#include "arch/apic.h"
#include "arch/barrier.h"
#include "arch/debugreg.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/cpu/exit.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/loop.h"
#include "kernel/object/domain.h"
#include "kernel/object/irq.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/vcpu.c" /* for its timer_fired */

#define MACHINE_VCPUS 3u

/* The test's: the guest of each vCPU. True: it makes a call, which is `call` in ring 0. */
static bool (*machine_guest[MACHINE_VCPUS])(struct vcpu *vcpu);
static void (*machine_call[MACHINE_VCPUS])(struct vcpu *vcpu);
/* The test's: the guest takes an interrupt. */
static void (*machine_taken)(struct vcpu *vcpu, uint8_t vector);

struct mitigate_plan mitigations;

static struct domain machine_domain = {.object.refs = 1,
				       .weight = SCHED_WEIGHT,
				       .tsc_khz = 1000000,
				       .tsc_scale = 1ull << 32,
				       .tsc_unscale = 1ull << 32};
static struct vcpu *machine_vcpu[MACHINE_VCPUS];
static uint64_t machine_timer[LITMUS_CPUS];
static bool machine_kicked[LITMUS_CPUS]; /* atomic */
static bool machine_waiting;             /* atomic: a guest waits, see machine_done */
static uint64_t machine_leaving;         /* atomic: how many CPUs have seen that it is over */

void apic_send(uint32_t dest, uint32_t command)
{
	(void)command;
	__atomic_store_n(&machine_kicked[dest], true, __ATOMIC_SEQ_CST);
}

void apic_timer_set(uint64_t tsc)
{
	machine_timer[this_cpu()->id] = tsc;
}

void apic_offer(void)
{
}

void apic_eoi(void)
{
}

bool frame_zero_some(void)
{
	return false;
}

bool object_waiting(void)
{
	return false;
}

void barrier_touched(const struct domain *domain)
{
	(void)domain;
}

void barrier_forget(struct cpu *cpu, const struct vcpu *vcpu)
{
	(void)cpu;
	(void)vcpu;
}

void fpu_switch(struct cpu *cpu, struct vcpu *vcpu)
{
	cpu->fpu = vcpu;
}

void fpu_leave(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->fpu == vcpu)
		cpu->fpu = NULL;
}

void debug_leave(struct cpu *cpu, struct vcpu *vcpu)
{
	(void)cpu;
	(void)vcpu;
}

void steal_begin(struct vcpu *vcpu)
{
	(void)vcpu;
}

static bool interrupt_waits(void)
{
	uint32_t id = this_cpu()->id;

	return __atomic_load_n(&machine_kicked[id], __ATOMIC_SEQ_CST) ||
	       cpu_rdtsc() >= machine_timer[id];
}

void hv_op_interrupt_window(void)
{
	uint32_t id = this_cpu()->id;

	if (__atomic_exchange_n(&machine_kicked[id], false, __ATOMIC_SEQ_CST))
		interrupt_handle(VECTOR_KICK);
	if (cpu_rdtsc() < machine_timer[id])
		return;
	machine_timer[id] = TIMER_NEVER;
	interrupt_handle(VECTOR_TIMER);
}

/* The time is over, and nobody waits for anything that may have been lost. */
static bool is_over(void)
{
	return !litmus_goes_on() && !__atomic_load_n(&machine_waiting, __ATOMIC_ACQUIRE);
}

/* When both have come to their ends nobody waits for this one any more. */
static void leave_if_over(void)
{
	static _Thread_local bool leaves;

	if (!is_over())
		return;
	if (!leaves)
		__atomic_fetch_add(&machine_leaving, 1, __ATOMIC_SEQ_CST);
	leaves = true;
	if (__atomic_load_n(&machine_leaving, __ATOMIC_SEQ_CST) == LITMUS_CPUS)
		pthread_exit(NULL);
}

void hv_op_idle(void)
{
	for (; !interrupt_waits(); cpu_pause())
		leave_if_over();
	hv_op_interrupt_window();
}

void hv_op_run(struct vcpu *vcpu, struct hv_exit *x)
{
	expect(vcpu->cpu == this_cpu(), "it runs at home");
	*x = (struct hv_exit){.kind = EXIT_INTERRUPT};
	for (; !interrupt_waits(); cpu_pause()) {
		leave_if_over();
		if (!is_over() && machine_guest[vcpu->id](vcpu) && !is_over()) {
			x->kind = EXIT_HYPERCALL;
			return;
		}
	}
}

void hv_op_inject(struct vcpu *vcpu, uint32_t event, uint32_t code)
{
	struct vlapic_effect effect;

	(void)code;
	vlapic_mmio_write(&vcpu->lapic, 0xb0, 0, 0, &effect);
	machine_taken(vcpu, (uint8_t)event);
}

/* Of the registers nothing is kept. */
#define NOTHING(op)                        \
	void hv_op_##op(struct vcpu *vcpu) \
	{                                  \
		(void)vcpu;                \
	}
NOTHING(detach)
NOTHING(load)
NOTHING(save)
NOTHING(lapic)
#undef NOTHING

bool hv_op_interruptible(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

bool hv_op_nmi_allowed(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

void hv_op_fetch_few(struct vcpu *vcpu, struct sampo_exit *page)
{
	(void)vcpu;
	page->cr4 = 0;
}

void hv_op_window(struct vcpu *vcpu, bool on)
{
	(void)vcpu;
	(void)on;
}

void hv_op_trap(struct vcpu *vcpu, enum hv_trap what, bool on)
{
	(void)vcpu;
	(void)what;
	(void)on;
}

static void handle_interrupt(struct vcpu *vcpu, struct hv_exit *x)
{
	(void)vcpu;
	(void)x;
	hv_op_interrupt_window();
	interrupt_run_timers(this_cpu());
}

static void handle_call(struct vcpu *vcpu, struct hv_exit *x)
{
	(void)x;
	machine_call[vcpu->id](vcpu);
}

void (*const exit_handlers[EXIT_KIND_COUNT])(struct vcpu *vcpu, struct hv_exit *x) = {
	[EXIT_INTERRUPT] = handle_interrupt,
	[EXIT_HYPERCALL] = handle_call,
};

/* HLT: until an interrupt comes. */
static inline void machine_halt(struct vcpu *vcpu)
{
	if (!vcpu_has_wakeup(vcpu))
		vcpu_halt(vcpu);
}

/* For a guest that waits. Returns false until `done`; if that takes too long, the test fails. */
static inline bool machine_done(bool done, const char *lost)
{
	static unsigned turns;
	static double start;

	if (!turns)
		start = litmus_now();
	turns++;
	__atomic_store_n(&machine_waiting, !done, __ATOMIC_RELEASE);
	if (done)
		turns = 0;
	else if (turns % 65536 == 0)
		expect(litmus_now() - start < LITMUS_PATIENCE, lost);
	return done;
}

#define MACHINE_VECTORS 3u /* sent at once */

static uint8_t machine_sent[MACHINE_VECTORS];
/* Atomic: a bit for each vector that vCPU 0 has got of them. */
static uint64_t machine_got[4] __attribute__((aligned(64)));

/* A round: some interrupts to all vCPUs that the destination 0 names. */
static inline void machine_send(struct vcpu *from, uint64_t *state)
{
	unsigned first = 16 + litmus_random(state) % (256 - 16 - MACHINE_VECTORS);

	rounds++;
	for (unsigned i = 0; i < 4; i++)
		__atomic_store_n(&machine_got[i], 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < MACHINE_VECTORS; i++) {
		machine_sent[i] = (uint8_t)(first + i);
		vcpu_send(from->domain, from, &(struct vlapic_message){.vector = machine_sent[i]});
	}
}

/* For machine_taken: each comes once, and to vCPU 0. */
static inline void machine_get(struct vcpu *vcpu, uint8_t vector)
{
	uint64_t bit = 1ull << vector % 64;
	uint64_t old = __atomic_fetch_or(&machine_got[vector / 64], bit, __ATOMIC_RELEASE);

	expect(vcpu->id == 0, "it was for another one");
	expect(!(old & bit), "an interrupt came twice");
}

/* The sender's guest: waits for what it has sent, then for any moment. */
static inline bool machine_wait_for_all(struct vcpu *vcpu)
{
	static uint64_t state = 7;
	bool all = true;

	(void)vcpu;
	for (unsigned i = 0; rounds && i < MACHINE_VECTORS; i++)
		all &= __atomic_load_n(&machine_got[machine_sent[i] / 64], __ATOMIC_ACQUIRE) >>
			       machine_sent[i] % 64 &
		       1;
	if (!machine_done(all, "an interrupt was lost"))
		return false;
	litmus_jitter(&state, 2000);
	return true;
}

static void *machine_cpu(void *arg)
{
	host_cpu = arg;
	loop_run(arg);
	return NULL;
}

static void *new_page(void)
{
	void *page = aligned_alloc(FRAME_PAGE, FRAME_PAGE);

	expect(page, "memory");
	return __builtin_memset(page, 0, FRAME_PAGE);
}

/* On this CPU, as vcpu_new makes it. */
static void machine_make(struct vcpu *vcpu, unsigned n)
{
	struct vlapic_effect effect;

	_Static_assert(sizeof(*vcpu) <= FRAME_PAGE && sizeof(*vcpu->page) <= FRAME_PAGE, "pages");
	__builtin_memset(vcpu, 0, sizeof(*vcpu));
	vcpu->object.refs = 1;
	vcpu->domain = &machine_domain;
	vcpu->id = n;
	vcpu->cpu = this_cpu();
	vcpu->page = new_page();
	vcpu->exit = &vcpu->page->exit;
	vcpu->lapic.reg = new_page();
	vcpu->timer.fire = timer_fired;
	vcpu->held.fire = request_held_enough;
	vlapic_init(&vcpu->lapic, n, n == 0, tsc_khz);
	vlapic_mmio_write(&vcpu->lapic, 0xf0, 0x1ff, 0, &effect);
	sched_entity_init(&vcpu->cpu->rq, &vcpu->entity, SCHED_WEIGHT, &machine_domain);
}

/* vCPU n at home on CPU n, the third on CPU 0, where alone it may run; its local APIC is enabled.
 */
static void machine_add(unsigned n, bool (*guest)(struct vcpu *), void (*call)(struct vcpu *))
{
	struct vcpu *vcpu = new_page();

	host_cpu = &litmus_cpu[n % LITMUS_CPUS];
	machine_guest[n] = guest;
	machine_call[n] = call;
	machine_vcpu[n] = vcpu;
	machine_make(vcpu, n);
	machine_domain.vcpu[n] = vcpu;
	machine_domain.present |= 1ull << n;
	vcpu->entity.affinity[0] = 1ull << n % LITMUS_CPUS;
	vcpu->state = VCPU_READY;
	vcpu_requeue(vcpu);
}

static void machine_prepare(void)
{
	cpu_count = LITMUS_CPUS;
	for (uint32_t i = 0; i < LITMUS_CPUS; i++) {
		struct cpu *cpu = &litmus_cpu[i];

		cpu->id = cpu->apic_id = i;
		cpu_table[i] = cpu;
		cpu->nested = true; /* it polls before it sleeps */
		cpu->timers.armed = TIMER_NEVER;
		machine_timer[i] = TIMER_NEVER;
		sched_init(&cpu->rq, i, tsc_from_ns(SCHED_TURN_NS), cpu_rdtsc());
		cpu->slice.fire = turn_ended;
	}
}

static inline void machine_run(const char *name)
{
	litmus_run(name, machine_cpu, machine_cpu);
}
