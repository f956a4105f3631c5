/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/smp.c kernel/vcpu/request.c kernel/base/lock.c kernel/base/timer.c kernel/base/heap.c tests/host/cpu.c tests/unit/panic_stub.c */
/*
 * What the CPUs do to each other, as threads under ThreadSanitizer: each stands
 * for a CPU in its main loop. They post requests, take the locks, call functions
 * on each other, look up what another one frees once all have left the kernel,
 * and change the tables of a guest that others run.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/panic.h"
#include "kernel/cpu/smp.h"
#include "kernel/vcpu/vcpu.h"

#define THREADS 4u
#define VCPUS   8u
#define ROUNDS  10000u

/* What of the kernel is not here. */
uint64_t tsc_khz = 1000000, tsc_ns_per_tick = 1ull << 32, tsc_ticks_per_ns = 1ull << 32;

static struct cpu cpus[THREADS];
static struct vcpu vcpus[VCPUS];
static struct domain domain;
static struct lock shared_lock = {.rank = LOCK_LOG};
static uint64_t shared, calls, served[VCPUS], posted[VCPUS], table_version;
static uint32_t running = THREADS;

/* Found without a lock, freed after smp_quiesce. */
struct thing {
	uint64_t magic;
};
static struct thing *thing;

void apic_send(uint32_t dest, uint32_t command)
{
	(void)dest;
	(void)command;
}

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "failed: %s\n", what);
	abort();
}

void turn_charge(struct cpu *cpu, struct sched_entity *e)
{
	(void)cpu;
	(void)e;
}

/* Now and then it is held. */
uint64_t sched_patience(struct sched_rq *rq, const struct sched_entity *e, uint64_t now)
{
	(void)rq;
	(void)e;
	return now & 1;
}

/* On its home only: plain variables. */
void vcpu_serve(struct vcpu *vcpu, uint32_t requests)
{
	expect(vcpu->cpu == this_cpu(), "served on its home");
	if (requests & (REQUEST_WAKE | REQUEST_ARRIVE))
		served[vcpu - vcpus]++;
}

static void count(struct vcpu *vcpu, void *arg)
{
	expect(vcpu->cpu == this_cpu(), "called on its home");
	served[vcpu - vcpus]++;
	__atomic_fetch_add((uint64_t *)arg, 1, __ATOMIC_RELAXED);
}

static uint64_t random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static void manage(uint64_t dice)
{
	struct thing *old = thing;
	struct vcpu *all[VCPUS];
	uint64_t done = 0;

	if (!manage_try())
		return;
	request_call(&vcpus[dice % VCPUS], count, &done);
	expect(done == 1, "called once");
	for (unsigned i = 0; i < VCPUS; i++)
		all[i] = dice >> i & 1 ? NULL : &vcpus[i];
	request_call_each(all, VCPUS, count, &done);
	expect(done == 1 + VCPUS - (unsigned)__builtin_popcountll(dice % (1u << VCPUS)),
	       "each is called once");
	calls++;
	old = thing;
	__atomic_store_n(&thing, NULL, __ATOMIC_RELEASE);
	smp_quiesce();
	if (old) {
		old->magic = 0;
		free(old);
	}
	old = malloc(sizeof(*old));
	old->magic = 0x600d;
	__atomic_store_n(&thing, old, __ATOMIC_RELEASE);
	/* A page table loses something. */
	__atomic_store_n(&table_version, table_version + 1, __ATOMIC_SEQ_CST);
	smp_shoot_down(&domain);
	manage_unlock();
}

/* Its turn, or its patience is over; then it sleeps, or waits, in any of the ways. */
static void wake(struct vcpu *vcpu, uint64_t how)
{
	request_take(vcpu);
	vcpu->state = how & 1 ? VCPU_HALTED : VCPU_READY;
	vcpu->deaf = how & 2;
}

static void in_the_kernel(uint64_t *state)
{
	uint64_t dice = random_of(state);
	struct vcpu *vcpu = &vcpus[dice >> 8 & (VCPUS - 1)];
	const struct thing *found;

	switch (dice % 8) {
	case 0:
		__atomic_fetch_add(&posted[vcpu - vcpus], 1, __ATOMIC_RELAXED);
		request_post(vcpu, REQUEST_WAKE);
		break;
	case 1:
	case 2:
		found = __atomic_load_n(&thing, __ATOMIC_ACQUIRE);
		expect(!found || found->magic == 0x600d, "what was found is alive");
		break;
	case 3:
		if (dice >> 40 & 7)
			break;
		manage(dice >> 16);
		break;
	case 4:
		if (vcpu_is_here(vcpu))
			request_move(vcpu, &cpus[dice >> 16 & (THREADS - 1)]);
		break;
	case 5:
		if (vcpu_is_here(vcpu))
			wake(vcpu, dice >> 16 & 3);
		break;
	default:
		lock(&shared_lock);
		shared++;
		unlock(&shared_lock);
	}
}

static void *main_loop(void *arg)
{
	struct cpu *cpu = arg;
	uint64_t state = 0x9e3779b97f4a7c15ull * (cpu->id + 1), seen;

	host_cpu = cpu;
	for (unsigned i = 0; i < ROUNDS; i++) {
		request_serve(cpu);
		in_the_kernel(&state);
		smp_leave_kernel(cpu, &domain);
		/* It flushes on entry: what it runs on is what is there now. */
		seen = __atomic_load_n(&table_version, __ATOMIC_SEQ_CST);
		for (unsigned spin = random_of(&state) & 63; spin--;)
			expect(__atomic_load_n(&table_version, __ATOMIC_RELAXED) >= seen,
			       "time goes on");
		smp_enter_kernel(cpu);
	}
	__atomic_fetch_sub(&running, 1, __ATOMIC_SEQ_CST);
	/* Others may still wait for it. */
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
		request_serve(cpu);
		smp_leave_kernel(cpu, CPU_IDLE);
		smp_enter_kernel(cpu);
	}
	smp_leave_kernel(cpu, CPU_IDLE);
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];
	uint64_t all = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		cpus[i].id = cpus[i].apic_id = i;
		cpu_table[i] = &cpus[i];
	}
	cpu_count = THREADS;
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i].cpu = &cpus[i % THREADS];
		vcpus[i].domain = &domain;
		vcpus[i].held.fire = request_held_enough;
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, main_loop, &cpus[i]);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	/* What is left in the inboxes. */
	for (unsigned round = 0; round < THREADS; round++)
		for (unsigned i = 0; i < THREADS; i++) {
			host_cpu = &cpus[i];
			request_serve(&cpus[i]);
		}
	for (unsigned i = 0; i < VCPUS; i++) {
		host_cpu = vcpus[i].cpu;
		request_take(&vcpus[i]);
		expect(!vcpus[i].requests, "nothing is left undone");
		expect(!posted[i] || served[i], "posted and served");
		all += served[i];
	}
	printf("race_smp: %llu served, %llu calls, no race\n", (unsigned long long)all,
	       (unsigned long long)calls);
	free(thing);
	return 0;
}
