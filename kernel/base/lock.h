/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spin locks, fair: the first to come is the first to go. A CPU that holds one may take
 * another only of a later rank, which is checked each time; it may take the
 * same one again. Nobody holds one when a guest is entered.
 */
#pragma once

#include "kernel/base/types.h"

/* A CPU's part of the locks: the first part of struct cpu, where this_cpu() points. */
struct lock_holder {
	uint32_t ranks;  /* of the locks that it has */
	uint64_t ticket; /* for the manage lock, see manage_try */
};

/* In the order in which they may be taken: bits of lock_holder.ranks. */
enum lock_rank {
	LOCK_MANAGE = 0x01, /* objects, handles, bindings: all that management calls change */
	LOCK_DOMAIN = 0x02, /* a domain's mappings and page tables */
	LOCK_REGION = 0x04, /* which of a region's blocks have been zeroed */
	LOCK_IOMMU = 0x08,  /* the IOMMUs' tables and queues */
	LOCK_IRQ = 0x10,    /* the I/O APICs */
	LOCK_FRAME = 0x20,  /* physical memory, the kernel's own page tables */
	LOCK_LOG = 0x40     /* the log and the consoles */
};

struct lock {
	uint32_t next, serving;     /* tickets */
	struct lock_holder *holder; /* written by the holder alone */
	uint32_t depth;             /* how often it has taken it again */
	uint32_t rank;              /* enum lock_rank */
};

void lock(struct lock *lock);
/* False: another CPU has it. */
bool lock_try(struct lock *lock);
void unlock(struct lock *lock);
/* Before the machine's end: the other CPUs have stopped, whatever they had. */
void lock_break(struct lock *lock);

/*
 * Management calls are made with it. A CPU that finds it taken does not wait, but asks again from
 * its main loop (manage_try), where it serves what others want of it. So that it does not always
 * come too late, it keeps a ticket: CPUs have the lock in the order in which they asked first. A
 * CPU that does not come within 100 us of its turn loses the ticket, so that it holds nobody up.
 */
extern struct lock manage_lock;
bool manage_try(void);
void manage_unlock(void);
