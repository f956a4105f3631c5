/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/sched/balance.c kernel/sched/sched.c kernel/base/heap.c */
/*
 * Work between CPUs under ThreadSanitizer: each thread is a CPU with a run queue
 * of its own; entities go from one to another through inboxes as in the kernel.
 * None is lost, none is in two places, none is where it may not be.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sched/balance.h"

#define THREADS  4u
#define ENTITIES 24u
#define ROUNDS   50000u
#define TURN     500u

struct item {
	struct sched_entity entity;
	struct item *next;
	uint32_t cpu;  /* its owner's: where it is */
	uint32_t here; /* who has it, to be checked */
	bool wake;
};

static struct balance balance;
static struct cpu {
	struct sched_rq rq;
	struct item *inbox __attribute__((aligned(64)));
	struct item *asleep;
	bool asked;
	uint64_t now, moved;
} cpus[THREADS];
static struct item items[ENTITIES];
static pthread_barrier_t barrier;

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "failed: %s\n", what);
	abort();
}

static bool allowed(const struct item *item, uint32_t cpu)
{
	return item->entity.affinity[0] >> cpu & 1;
}

static void send(struct cpu *cpu, struct item *item, uint32_t to, bool wake)
{
	struct item *first = __atomic_load_n(&cpus[to].inbox, __ATOMIC_RELAXED);

	expect(to < THREADS && allowed(item, to), "sent where it may be");
	cpu->moved++;
	item->wake = wake;
	item->here = THREADS;
	do
		item->next = first;
	while (!__atomic_compare_exchange_n(&cpus[to].inbox, &first, item, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}

static void receive(struct cpu *cpu)
{
	struct item *item = __atomic_exchange_n(&cpu->inbox, NULL, __ATOMIC_ACQUIRE), *next;

	for (; item; item = next) {
		next = item->next;
		expect(item->here == THREADS, "on its way");
		item->here = cpu->rq.cpu;
		sched_attach(&cpu->rq, &item->entity, cpu->now);
		if (item->wake)
			sched_wake(&cpu->rq, &item->entity, cpu->now);
		balance_publish(&balance, &cpu->rq);
	}
}

/* All that sleep here, on another CPU perhaps, if that is idle. */
static void wake_all(struct cpu *cpu)
{
	struct item *item = cpu->asleep, *next;
	uint32_t to;

	cpu->asleep = NULL;
	for (; item; item = next) {
		next = item->next;
		to = balance_wake(&balance, &cpu->rq, &item->entity);
		if (to == cpu->rq.cpu) {
			sched_wake(&cpu->rq, &item->entity, cpu->now);
		} else {
			sched_detach(&cpu->rq, &item->entity, cpu->now);
			send(cpu, item, to, true);
		}
		balance_publish(&balance, &cpu->rq);
	}
}

static void *run(void *arg)
{
	struct cpu *cpu = arg;
	uint32_t number = cpu->rq.cpu, to, seed = number + 1;
	struct sched_entity *e;

	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < ROUNDS; i++) {
		cpu->now += 100;
		receive(cpu);
		if (i % 32 == 0)
			wake_all(cpu);
		/* None runs away from the others. */
		if (i % 64 == 0)
			pthread_barrier_wait(&barrier);
		if (__atomic_exchange_n(&cpu->asked, false, __ATOMIC_ACQ_REL) ||
		    !sched_slice(&cpu->rq, cpu->now)) {
			e = balance_push(&balance, &cpu->rq, cpu->now, &to);
			if (e)
				send(cpu, (struct item *)e, to, false);
		}
		e = sched_pick(&cpu->rq, cpu->now);
		balance_publish(&balance, &cpu->rq);
		if (!e) {
			to = balance_ask(&balance, &cpu->rq);
			if (to != SCHED_CPUS)
				__atomic_store_n(&cpus[to].asked, true, __ATOMIC_RELEASE);
			continue;
		}
		expect(((struct item *)e)->here == number, "runs where it is");
		expect(allowed((struct item *)e, number), "runs where it may");
		seed = seed * 1103515245 + 12345;
		if (seed >> 16 & 3)
			continue;
		sched_sleep(&cpu->rq, e, cpu->now);
		((struct item *)e)->next = cpu->asleep;
		cpu->asleep = (struct item *)e;
	}
	pthread_barrier_wait(&barrier);
	receive(cpu);
	pthread_barrier_wait(&barrier);
	wake_all(cpu);
	pthread_barrier_wait(&barrier);
	receive(cpu);
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];
	uint64_t moved = 0, count = 0;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		sched_init(&cpus[i].rq, i, TURN, 0);
		balance_publish(&balance, &cpus[i].rq);
	}
	for (uint32_t i = 0; i < ENTITIES; i++) {
		struct item *item = &items[i];

		item->here = i % 2;
		sched_entity_init(&cpus[i % 2].rq, &item->entity, 1024, &balance);
		memset(item->entity.affinity, 0, sizeof(item->entity.affinity));
		item->entity.affinity[0] = i % 3 ? 0xf : 3;
		sched_wake(&cpus[i % 2].rq, &item->entity, 0);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, run, &cpus[i]))
			return 1;
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		moved += cpus[i].moved;
		count += cpus[i].rq.count;
	}
	expect(count == ENTITIES, "none is lost");
	expect(moved > 100, "they move");
	printf("balance: %llu moves between %u CPUs\n", (unsigned long long)moved, THREADS);
	return 0;
}
