/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine in simulated time: CPUs, vCPUs that want to run or sleep, and a
 * policy that chooses. The policy is the kernel's own source, or one of two
 * small ones to compare with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sched/sched.h"

#define US    1000ull /* time is in nanoseconds */
#define MS    (1000 * US)
#define SEC   (1000 * MS)
#define NEVER (~0ull)

#define CPUS  256u
#define TASKS 6144u
#define IPI   (2 * US) /* from one CPU to another */

enum kind { HOG, SLEEPER, LOCKER };

struct task {
	/* what it is */
	enum kind kind;
	unsigned id, group;
	uint64_t run, sleep; /* mean lengths of its bursts and pauses */
	uint32_t weight;
	uint64_t quota, period;
	uint64_t affinity[SCHED_WORDS];
	unsigned class; /* those of one class should get the same */
	/* where it is */
	unsigned cpu;                 /* the policy's: where it belongs */
	bool awake, running, carried; /* carried: on its way to another CPU */
	uint64_t left;                /* of the burst */
	uint64_t ran, since;          /* in all; up to when that is */
	uint64_t woken;               /* when, if it has not run since; else 0 */
	uint64_t stopped;             /* since when it wants to run but does not */
	uint64_t worst_gap;
	uint64_t period_ran; /* by the end of its last period */
	/* LOCKER */
	enum { THINK, CRITICAL, SPIN } phase;
	uint64_t rounds;
	/* the policy's own */
	struct sched_entity entity;
	struct task *next;
	int64_t credit;
	int priority;
};

struct policy {
	const char *name;
	void (*begin)(unsigned cpus);
	void (*add)(struct task *t);                 /* asleep, on t->cpu */
	void (*wake)(struct task *t, uint64_t now);  /* on t->cpu */
	void (*sleep)(struct task *t, uint64_t now); /* the current one of t->cpu */
	void (*yield)(struct task *t, struct task *holder, uint64_t now);
	/* Who runs on the CPU now, and (in *until) until when at most. */
	struct task *(*choose)(unsigned cpu, uint64_t now, uint64_t *until);
	void (*pinned)(struct task *t, uint64_t now); /* t->affinity has changed; may be NULL */
	void (*message)(unsigned cpu, struct task *t, unsigned what, uint64_t now);
};

extern const struct policy sampo, round_robin, credit;

/* For policies: the CPU chooses again now; a message arrives there after IPI. */
void sim_choose(unsigned cpu);
void sim_send(unsigned cpu, struct task *t, unsigned what, uint64_t now);
void sim_migrated(void);

static inline bool sim_allowed(const struct task *t, unsigned cpu)
{
	return t->affinity[cpu / 64] >> cpu % 64 & 1;
}
