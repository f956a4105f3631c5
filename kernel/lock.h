/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spin locks, fair: who came first goes first. A CPU that holds one may take
 * another only of a later rank, which is checked each time; it may take the
 * same one again. Nobody holds one when a guest is entered.
 */
#pragma once

#include "kernel/types.h"

struct cpu;

/* In the order in which they may be taken. */
enum lock_rank {
	LOCK_MANAGE, /* objects, handles, bindings: all that management calls change */
	LOCK_DOMAIN, /* a domain's mappings and page tables */
	LOCK_REGION, /* which of a region's blocks have been zeroed */
	LOCK_IRQ,    /* the I/O APICs */
	LOCK_FRAME,  /* physical memory, the kernel's own page tables */
	LOCK_LOG     /* the log and the consoles */
};

struct lock {
	uint32_t next, serving; /* tickets */
	struct cpu *holder;     /* written by the holder alone */
	uint32_t depth;         /* how often it has taken it again */
	uint32_t rank;          /* enum lock_rank */
};

void lock(struct lock *lock);
/* False: another CPU has it. */
bool lock_try(struct lock *lock);
void unlock(struct lock *lock);

/*
 * Management calls are made with it. A CPU that finds it taken does not wait, but asks again from
 * its main loop (manage_try), where it serves what others want of it. So that it does not always
 * come too late, it has then asked for a turn: the CPU that lets go gives the next one to another
 * that has asked, in the order of their numbers, and until that one comes, but for 100 us at most,
 * all others find the lock taken. So a CPU that keeps asking waits, of each other CPU, for one call.
 */
extern struct lock manage_lock;
bool manage_try(void);
void manage_unlock(void);
