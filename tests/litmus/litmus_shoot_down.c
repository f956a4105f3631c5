/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/smp.c kernel/base/lock.c arch/asid.c tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/* smp_shoot_down: no guest runs on a translation that was taken from it. */
#include "tests/litmus/litmus.h"

#include "arch/hv.h"
#include "kernel/cpu/smp.h"
#include "kernel/vcpu/vcpu.h"

#define GOOD  0x600dull
#define TAKEN 0xdeadull
#define LOOKS 40u

void apic_send(uint32_t dest, uint32_t command)
{
	(void)dest;
	(void)command;
}

static uint64_t page[2] __attribute__((aligned(64)));
static uint64_t *page_table __attribute__((aligned(64)));
static struct domain domain;
static struct vcpu vcpu = {.domain = &domain, .cpu = &litmus_cpu[0]};

/* Before each entry it looks whether it must flush, as hv->run does; then the guest runs on what
 * its TLB has. */
static void *run_guest(void *arg)
{
	uint64_t state = 1, *tlb = NULL;
	struct cpu *cpu = arg;

	host_cpu = cpu;
	asid_forget(&vcpu);
	while (litmus_goes_on()) {
		smp_leave_kernel(cpu, &domain);
		if (asid_renew(&vcpu) || !tlb)
			tlb = __atomic_load_n(&page_table, __ATOMIC_RELAXED);
		for (unsigned i = 0; i < LOOKS; i++)
			expect(__atomic_load_n(tlb, __ATOMIC_RELAXED) == GOOD,
			       "a guest runs on a page that was taken from it");
		smp_enter_kernel(cpu);
		litmus_jitter(&state, 64);
	}
	smp_leave_kernel(cpu, CPU_IDLE);
	return NULL;
}

/* As domain_slat_changed does. */
static void *unmap(void *arg)
{
	uint64_t state = 2, *old;

	host_cpu = arg;
	for (; litmus_goes_on(); rounds++) {
		old = &page[rounds % 2];
		__atomic_store_n(&page[(rounds + 1) % 2], GOOD, __ATOMIC_RELAXED);
		litmus_jitter(&state, 256);
		__atomic_store_n(&page_table, &page[(rounds + 1) % 2], __ATOMIC_RELAXED);
		domain.slat_changes++;
		smp_shoot_down(&domain);
		__atomic_store_n(old, TAKEN, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(void)
{
	page[0] = GOOD;
	page_table = &page[0];
	litmus_cpu[0].asid_count = 16;
	litmus_cpu[0].asid_next = 1;
	litmus_cpu[0].asid_generation = 1;
	litmus_run("litmus_shoot_down", run_guest, unmap);
	litmus_done();
	return 0;
}
