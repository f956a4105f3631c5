/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: one run queue per CPU, proportional share by virtual time.
 *
 * Every entity has a virtual time that advances, while it runs, inversely to
 * its weight; who is furthest behind runs next, for a turn of up to
 * `latency` shared among those that are runnable. A sleeper is placed at
 * most `credit` behind the others, so it is served at once when it wakes but
 * cannot hoard. A turn may be donated: while a vCPU waits for its monitor, the
 * monitor runs on the vCPU's turn and at its expense.
 *
 * Time is what the caller passes in, in any unit (TSC ticks); it never goes
 * back. No locks and no globals: the caller holds the run queue's lock.
 */
#pragma once

#include "kernel/heap.h"

#define SCHED_WEIGHT 1024u /* default; 1 to 65535 */
#define SCHED_NEVER  (~0ull)

enum sched_state {
	SCHED_ASLEEP,
	SCHED_QUEUED,    /* this and the next: runnable */
	SCHED_RUNNING
};

struct sched_entity {
	struct heap_node node; /* by virtual time */

	uint32_t state; /* enum sched_state */
	uint32_t weight;
	uint64_t inverse;  /* 2^32 / weight */
	uint64_t vtime;
	struct sched_entity *donee; /* who runs on our turn, or NULL */

	/* statistics, in units of time */
	uint64_t ran;    /* on the CPU, whoever paid */
	uint64_t waited; /* runnable but not running (steal) */
	uint64_t since;  /* when it was queued or put to sleep */
};

struct sched_rq {
	struct heap_node *ready;      /* heap by virtual time */
	struct sched_entity *current; /* who runs, NULL: idle */
	struct sched_entity *owner;   /* whose turn it is */
	struct sched_entity *payer;   /* whose virtual time advances */
	uint64_t turn_end;
	uint64_t last;                         /* time up to which all is accounted */
	uint64_t vmin;                         /* virtual time of the queue, never goes back */
	uint64_t weight;                       /* sum over all runnable, the running one included */
	uint32_t count;                        /* of them */
	uint64_t latency, granularity, credit; /* credit in virtual time */
	uint64_t idle;                         /* time without anybody to run */
};

/*
 * latency: in which everybody should have run once (say 6 ms); granularity:
 * the shortest turn (say 1 ms), also how far behind a waking entity must be to
 * preempt, halved.
 */
void sched_init(struct sched_rq *rq, uint64_t latency, uint64_t granularity, uint64_t now);
/* Asleep, at the queue's virtual time. */
void sched_entity_init(struct sched_rq *rq, struct sched_entity *e, uint32_t weight);
void sched_set_weight(struct sched_rq *rq, struct sched_entity *e, uint32_t weight, uint64_t now);

/* Makes e runnable (no effect if it is). True: call sched_pick at once, e
 * should run before the current one goes on. */
bool sched_wake(struct sched_rq *rq, struct sched_entity *e, uint64_t now);
/* e is no longer runnable. If it is the current one, call sched_pick next. */
void sched_sleep(struct sched_rq *rq, struct sched_entity *e, uint64_t now);

/* e is about to be freed. */
void sched_remove(struct sched_rq *rq, struct sched_entity *e, uint64_t now);

/* Who is to run now (often the same); NULL: nobody, idle. */
struct sched_entity *sched_pick(struct sched_rq *rq, uint64_t now);
/* After how long sched_pick must be called again although nothing happens (0:
 * now, SCHED_NEVER: no need). Ask again after each call that changed anything. */
uint64_t sched_slice(const struct sched_rq *rq, uint64_t now);

/*
 * `from` has just been put to sleep and waits for `to`, which has been woken:
 * `to` runs next, whatever its virtual time, on the rest of from's turn and
 * at its expense, until `from` is woken, `to` sleeps or the turn ends. No
 * effect if it is not from's turn.
 */
void sched_donate(struct sched_rq *rq, struct sched_entity *from, struct sched_entity *to);
/*
 * The short way for the same: the current one goes to sleep and `to`, which is
 * asleep, runs at once on the rest of the turn: the one that the turn's owner
 * waits for, or the owner when it has its answer. What sched_slice said still
 * holds. False: it is not so, or the turn is over; nothing has
 * been done, then take the long way (sleep, wake, donate, pick).
 */
bool sched_handoff(struct sched_rq *rq, struct sched_entity *to, uint64_t now);
/* Yield: the current one spins, whoever is next in line goes first. Then call
 * sched_pick. */
void sched_pass(struct sched_rq *rq, uint64_t now);
