/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work between CPUs. A run queue is private to its CPU; the others see only the words that it
 * publishes here: words that are read and written atomically, hints that may be a moment old. A CPU
 * gives its own entities away; no other CPU takes them: its code detaches one, and the caller
 * carries it (a message) to the CPU that attaches it.
 *
 * What a CPU does, with b the one structure that all share:
 *   - after sched_pick, and after every other call that changed what is runnable:
 *     balance_publish;
 *   - at the end of a turn (sched_slice has come to 0): balance_push, before sched_pick;
 *     the entity that it returns goes to the CPU that it names, to be attached there;
 *   - sched_pick says idle: balance_publish, balance_ask; that CPU is to do balance_push now;
 *   - before sched_wake of an entity of ours: balance_wake; if it is another CPU,
 *     sched_detach, and over there sched_attach and sched_wake;
 *   - the affinity of an entity of ours has changed: the same, if it is another CPU.
 * All are bounded, whatever the number of CPUs and entities.
 *
 * Equal shares where the numbers do not divide (three on two CPUs) come from
 * comparing the queues' mean virtual times: a queue that lags behind gives the entity that is
 * first in line to one that is ahead, which runs it first.
 */
#pragma once

#include "kernel/sched/sched.h"

struct balance_cpu {
	uint64_t stamp; /* when this was so; 0: being written */
	uint64_t weight, vtime;
} __attribute__((aligned(64)));

/* One bit for each CPU, a cache line for each 64. */
struct balance_word {
	uint64_t bits;
} __attribute__((aligned(64)));

struct balance {
	struct balance_word online[SCHED_WORDS];
	struct balance_word idle[SCHED_WORDS]; /* a CPU that sends work there clears it */
	struct balance_word busy[SCHED_WORDS]; /* somebody waits */
	struct balance_cpu cpu[SCHED_CPUS];
};

/* Publishes this CPU's load for the others; with the first call the CPU takes part. */
void balance_publish(struct balance *b, struct sched_rq *rq);

/* On which CPU an entity of ours should run that sleeps or is in the wrong place: here if here
 * is nobody, else on one that is idle, else here; if it may not: on any. */
uint32_t balance_wake(struct balance *b, struct sched_rq *rq, const struct sched_entity *e);

/* The CPU to ask for work; SCHED_CPUS: none has any. */
uint32_t balance_ask(struct balance *b, struct sched_rq *rq);
/* The entity that should move now, detached, and the CPU that should have it; or NULL. */
struct sched_entity *balance_push(struct balance *b, struct sched_rq *rq, uint64_t now,
				  uint32_t *to);
