/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/smp.c kernel/base/lock.c tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/* smp_quiesce: what one CPU has found in a table, the other one does not free. */
#include "tests/litmus/litmus.h"

#include "kernel/cpu/smp.h"

#define GOOD  0x600dull
#define FREED 0xdeadull
#define LOOKS 40u

static uint64_t object[2] __attribute__((aligned(64)));
static uint64_t *table __attribute__((aligned(64)));
static uint64_t guests_word __attribute__((aligned(64)));

/* A guest that writes to memory which others write to: its stores stay in the store buffer for
 * a while. Then an exit, in which the kernel looks something up. */
static void *look_up(void *arg)
{
	struct cpu *cpu = arg;
	uint64_t state = 1, *found;

	host_cpu = cpu;
	while (litmus_goes_on()) {
		smp_leave_kernel(cpu, CPU_IDLE);
		litmus_jitter(&state, 64);
		__atomic_store_n(&guests_word, state, __ATOMIC_RELAXED);
		smp_enter_kernel(cpu);
		found = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
		for (unsigned i = 0; found && i < LOOKS; i++)
			expect(__atomic_load_n(found, __ATOMIC_RELAXED) == GOOD,
			       "used after it was freed");
	}
	smp_leave_kernel(cpu, CPU_IDLE);
	return NULL;
}

static void *free_it(void *arg)
{
	uint64_t state = 2, *old = object;

	host_cpu = arg;
	for (; litmus_goes_on(); rounds++) {
		old = &object[rounds % 2];
		__atomic_store_n(old, GOOD, __ATOMIC_RELAXED);
		__atomic_store_n(&table, old, __ATOMIC_RELEASE);
		__atomic_store_n(&guests_word, state, __ATOMIC_RELAXED);
		litmus_jitter(&state, 256);
		__atomic_store_n(&table, NULL, __ATOMIC_RELEASE);
		smp_quiesce();
		__atomic_store_n(old, FREED, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(void)
{
	litmus_run("litmus_quiesce", look_up, free_it);
	litmus_done();
	return 0;
}
