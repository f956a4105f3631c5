/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/smp.c kernel/vcpu/request.c kernel/base/lock.c kernel/base/timer.c kernel/base/heap.c tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/*
 * What is posted to a vCPU that is held, and to one that its home takes just then, is found: by
 * request_take or in the inbox.
 */
#include "tests/litmus/litmus.h"

#include "kernel/vcpu/vcpu.h"

static struct domain domain;
static struct vcpu vcpu = {.domain = &domain, .state = VCPU_READY};
static uint64_t posted __attribute__((aligned(64))),
	found __attribute__((aligned(64))); /* atomic */

void apic_send(uint32_t dest, uint32_t command)
{
	(void)dest;
	(void)command;
}

void vcpu_serve(struct vcpu *, uint32_t requests)
{
	if (requests & REQUEST_NMI)
		__atomic_store_n(&found, __atomic_load_n(&posted, __ATOMIC_RELAXED),
				 __ATOMIC_RELEASE);
}

static void *home(void *arg)
{
	uint64_t state = 1;

	host_cpu = arg;
	while (litmus_goes_on()) {
		request_serve(arg); /* then it is held */
		litmus_jitter(&state, 200);
		request_take(&vcpu);
	}
	return NULL;
}

/* Until the home has found it, or the test is over. */
static void wait_for_it(void)
{
	double start = litmus_now();

	for (unsigned n = 1;
	     litmus_goes_on() && __atomic_load_n(&found, __ATOMIC_ACQUIRE) != rounds; n++) {
		cpu_pause();
		if (n % 65536 == 0)
			expect(litmus_now() - start < LITMUS_PATIENCE, "a request was lost");
	}
}

static void *sender(void *arg)
{
	uint64_t state = 3;

	host_cpu = arg;
	while (litmus_goes_on()) {
		rounds++;
		__atomic_store_n(&posted, rounds, __ATOMIC_RELAXED);
		request_post(&vcpu, REQUEST_NMI);
		wait_for_it();
		litmus_jitter(&state, 200);
	}
	return NULL;
}

int main(void)
{
	vcpu.cpu = &litmus_cpu[0];
	litmus_run("litmus_take", home, sender);
	litmus_done();
	return 0;
}
