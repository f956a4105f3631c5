/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler of one CPU: proportional share by virtual time. balance.h moves
 * work between CPUs.
 *
 * Every entity has a virtual time that advances, while it runs, inversely to
 * its weight. Of those that have had no more than their share the one runs next
 * that would be the first to end a turn in virtual time (earliest eligible
 * virtual deadline first), for a turn. A sleeper is placed at most three turns
 * behind the others, so it is served at once when it wakes but cannot hoard. A
 * turn may be donated: while a vCPU waits for its monitor, the monitor runs on
 * the vCPU's turn and at its expense. An entity with a cap that has had its
 * quota rests until its period ends.
 *
 * Time is what the caller passes in, in any unit (TSC ticks); it never goes
 * back. No locks and no globals: a run queue and the entities that belong to it
 * are touched by code on its CPU only.
 */
#pragma once

#include "kernel/base/heap.h"

#define SCHED_WEIGHT 1024u /* default; 1 to 65535 */
#define SCHED_NEVER  (~0ull)
#define SCHED_CPUS   256u
#define SCHED_WORDS  (SCHED_CPUS / 64)

/* The turn that the kernel uses, which keeps shares even to 1 % of any 100 ms
 * (docs/scheduler.md). */
#define SCHED_TURN_NS 350000u

/* Virtual times of two queues that differ by more than so many turns have nothing to do with each
 * other (they did not share work). */
#define SCHED_FAR 64u

enum sched_state {
	SCHED_ASLEEP,
	SCHED_MOVING,    /* wants to run, but is in no queue: sched_detach */
	SCHED_THROTTLED, /* wants to run, but has used up its cap */
	SCHED_QUEUED,    /* this and the next: runnable */
	SCHED_RUNNING
};

struct sched_entity {
	struct heap_node node; /* by the end of its turn; throttled: of its period */

	uint32_t state; /* enum sched_state */
	uint32_t weight;
	uint64_t inverse; /* 2^32 / weight */
	uint64_t vtime;
	struct sched_entity *donee;     /* the entity that runs on our turn, or NULL */
	const void *group;              /* not NULL; an entity that yields prefers its own */
	uint64_t affinity[SCHED_WORDS]; /* the CPUs it may run on; see balance.h */

	/* The cap: `quota` of each `period`; quota 0: none. */
	uint64_t quota, period, period_end;
	uint64_t limit; /* what `ran` may come to by then */

	/* statistics, in units of time */
	uint64_t ran;    /* on the CPU, on its own turns and on donated ones */
	uint64_t waited; /* wants to run but does not (steal) */
	uint64_t since;  /* when it was queued or put to sleep */

	uint64_t arrived; /* its `ran` when it came to this queue */
};

struct sched_rq {
	struct heap_node *ready;      /* heap by the virtual time at which a turn would end */
	struct heap_node *throttled;  /* heap by the end of the period */
	struct sched_entity *current; /* the one that runs, NULL: idle */
	struct sched_entity *owner;   /* the one that has the turn */
	struct sched_entity *payer;   /* the one that pays with virtual time */
	struct sched_entity *cause;   /* the kernel works for it meanwhile; NULL: for current */
	uint64_t turn;                /* length of one */
	uint64_t turn_end;
	uint64_t last;   /* time up to which all is accounted */
	uint64_t vmin;   /* virtual time of the queue, never goes back */
	uint64_t weight; /* sum over all runnable, the running one included */
	uint32_t count;  /* of them */
	uint64_t credit; /* in virtual time */
	uint64_t idle;   /* time without anybody to run */

	/* for balance.c */
	uint32_t cpu;       /* its number */
	uint32_t cursor;    /* the CPU that it looked at last */
	uint64_t offset;    /* what virtual times here lack to be comparable elsewhere */
	uint64_t base, sum; /* sum of weight * (vtime - base) over `ready` */
};

/* turn: how long an entity runs before sched_pick may choose another one. An entity that wakes and
 * is behind by a quarter of its own turn preempts. */
void sched_init(struct sched_rq *rq, uint32_t cpu, uint64_t turn, uint64_t now);
/* Asleep, without a cap, allowed everywhere, at the queue's virtual time. */
void sched_entity_init(struct sched_rq *rq, struct sched_entity *e, uint32_t weight,
		       const void *group);
void sched_set_weight(struct sched_rq *rq, struct sched_entity *e, uint32_t weight, uint64_t now);
/*
 * `quota` of time on the CPU in every `period`, which begins now; a quota of 0
 * or of the period and more: no cap. Time that it runs beyond its quota is taken off the next one.
 * Ask sched_slice again.
 */
void sched_set_cap(struct sched_rq *rq, struct sched_entity *e, uint64_t quota, uint64_t period,
		   uint64_t now);

/* Makes e runnable (no effect if it is). True: call sched_pick at once, e
 * should run before the current one goes on. */
bool sched_wake(struct sched_rq *rq, struct sched_entity *e, uint64_t now);
/* The short way to wake e and choose it, if nobody else is here and nothing has a cap. False: it is
 * not so, nothing has been done. */
bool sched_start(struct sched_rq *rq, struct sched_entity *e, uint64_t now);
/* e is no longer runnable. If it is the current one, call sched_pick next. */
void sched_sleep(struct sched_rq *rq, struct sched_entity *e, uint64_t now);

/*
 * The kernel has worked for e since `since` and goes on to, until the next such call: this time is
 * e's, on its virtual time and its cap, and not that of the current one, which was interrupted.
 * e may sleep. NULL: from `since` on the current one's time is its own again. Time that
 * the scheduler has accounted for already stays as it is.
 */
void sched_charge(struct sched_rq *rq, struct sched_entity *e, uint64_t since);

/* e is about to be freed. */
void sched_remove(struct sched_rq *rq, struct sched_entity *e, uint64_t now);

/* Returns the entity to run now, often the same one; NULL: the CPU idles. */
struct sched_entity *sched_pick(struct sched_rq *rq, uint64_t now);
/* After how long sched_pick must be called again although nothing happens (0:
 * now, SCHED_NEVER: no need), idle or not. Ask again after each call that changed
 * anything. */
uint64_t sched_slice(const struct sched_rq *rq, uint64_t now);

/* For how long e, which sleeps, would not run even if it were woken now: until the current one's
 * turn is over, or until that one has had as much, some turns at most. 0: it might run at once. */
uint64_t sched_patience(struct sched_rq *rq, const struct sched_entity *e, uint64_t now);

/*
 * `from` has just been put to sleep and waits for `to`, which has been woken:
 * `to` runs next, whatever its virtual time, on the rest of from's turn and
 * at its expense, until `from` is woken, `to` sleeps or the turn ends. No
 * effect if it is not from's turn. Both belong to this queue.
 */
void sched_donate(struct sched_rq *rq, struct sched_entity *from, struct sched_entity *to);
/*
 * The short way for the same: the current one goes to sleep and `to`, which is
 * asleep, runs at once on the rest of the turn: the one that the turn's owner
 * waits for, or the owner when it has its answer. The last result of sched_slice
 * holds unless `to` has a cap. Returns false and changes nothing if neither owns the turn, or
 * the turn is over: then take the long way (sleep, wake, donate, pick).
 */
bool sched_handoff(struct sched_rq *rq, struct sched_entity *to, uint64_t now);
/* Yield: the current one spins. One of its group that is queued here goes first,
 * if that is not unfair to the others, or else the next one in line. Then call
 * sched_pick. */
void sched_pass(struct sched_rq *rq, uint64_t now);
/* Another one spins, maybe on another CPU, and waits for e: e is next, if it is
 * queued and at most a turn ahead of the next one in line. True: then call sched_pick. */
bool sched_favour(struct sched_rq *rq, struct sched_entity *e, uint64_t now);

/*
 * Out of one queue and into another, a runnable entity as SCHED_MOVING: it
 * keeps its lag behind the others and what is left of its quota. In between it
 * belongs to the caller. Detached the current one: call sched_pick next.
 * Attached: true and sched_slice are as with sched_wake.
 */
void sched_detach(struct sched_rq *rq, struct sched_entity *e, uint64_t now);
bool sched_attach(struct sched_rq *rq, struct sched_entity *e, uint64_t now);

/* The first of those queued (of a bounded number looked at) that may run on one of the CPUs; or
 * NULL. */
struct sched_entity *sched_find(const struct sched_rq *rq, const uint64_t cpus[SCHED_WORDS]);
/* The mean virtual time of all runnable, comparable elsewhere. */
uint64_t sched_vtime(struct sched_rq *rq, uint64_t now);
/* The virtual time that e takes for so much time. */
uint64_t sched_span(const struct sched_entity *e, uint64_t time);
