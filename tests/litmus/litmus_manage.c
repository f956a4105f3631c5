/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/base/lock.c tests/host/cpu.c tests/unit/panic_stub.c */
/* The manage lock: a CPU that keeps asking has it after at most one call of the other one, however
 * fast that one comes again; and a CPU that does not come when it has its turn holds nobody up. */
#include "tests/litmus/litmus.h"

#include "kernel/base/lock.h"

#define OVERTAKES 2u /* the one that is under way, and one that ends while the other CPU asks */
#define HOLD      100u

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;

static uint64_t calls; /* of the greedy one, atomic */
static uint64_t inside;

static void call(uint64_t *state)
{
	expect(!inside++, "two have the lock");
	litmus_jitter(state, HOLD);
	inside--;
}

static void *greedy(void *arg)
{
	uint64_t state = 1;

	host_cpu = arg;
	while (litmus_goes_on()) {
		if (!manage_try())
			continue;
		call(&state);
		__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
		manage_unlock();
	}
	return NULL;
}

/* Each time that it finds the lock taken it is away for a while. */
static void *slow(void *arg)
{
	uint64_t state = 2, before;
	bool taken;

	host_cpu = arg;
	for (; litmus_goes_on(); rounds++) {
		litmus_jitter(&state, 2000);
		if (manage_try()) {
			call(&state);
			manage_unlock();
			continue;
		}
		before = __atomic_load_n(&calls, __ATOMIC_RELAXED);
		for (taken = false; litmus_goes_on() && !taken; taken = manage_try())
			litmus_jitter(&state, 2000);
		if (!taken)
			return NULL;
		call(&state);
		expect(__atomic_load_n(&calls, __ATOMIC_RELAXED) - before <= OVERTAKES,
		       "it was overtaken again and again");
		manage_unlock();
	}
	return NULL;
}

/* It asks, and then does not come for a long time. */
static void *asks_only(void *arg)
{
	uint64_t before;
	double start;

	host_cpu = arg;
	for (; litmus_goes_on(); rounds++) {
		if (manage_try()) {
			manage_unlock();
			continue;
		}
		before = __atomic_load_n(&calls, __ATOMIC_RELAXED);
		start = litmus_now();
		while (litmus_goes_on() &&
		       __atomic_load_n(&calls, __ATOMIC_RELAXED) - before < 100) {
			cpu_pause();
			expect(litmus_now() - start < LITMUS_PATIENCE,
			       "its turn holds the other one up");
		}
	}
	return NULL;
}

int main(void)
{
	tsc_ticks_per_ns = 100000ull << 32; /* a turn lasts until its CPU comes */
	litmus_run("litmus_manage", greedy, slow);
	tsc_ticks_per_ns = 1ull << 32;
	litmus_run("litmus_manage", greedy, asks_only);
	litmus_done();
	return 0;
}
