/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a volume that come from elsewhere or go there, as fast as the other side gives or
 * takes them, through a few slots of a fixed size. The volume has no other user meanwhile.
 */
#pragma once

#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/pool.h"
#include "guests/dom0/storage/transfer.h"

#define COPY_SLOTS 4u
#define COPY_SLOT  32768u /* bytes */

struct copy;

struct copy_slot {
	struct copy *copy;
	uint8_t *data;
	uint64_t at; /* of the volume */
	uint32_t bytes, taken;
	bool filling; /* into the volume: takes bytes */
	bool busy;    /* a transfer is at work on it */
	struct transfer transfer;
};

/* Zeros at first, but for the caller's three. */
struct copy {
	/* Called from the event loop or from within a function of these: there is room or data
	 * again, or an error. It does no more than plan work. */
	void (*changed)(struct copy *copy);
	/* Called from the event loop, once, after copy_end: the volume has no user any more, and
	 * the copy is the caller's again. */
	void (*ended)(struct copy *copy);
	void *context;
	uint64_t left;     /* bytes of the part that have yet to be put or got */
	const char *wrong; /* the first error, NULL: none */
	/* copy.c's own */
	struct blkdev *dev;
	bool into, ending, flushes;
	uint64_t at; /* of the next slot, where the part is read; of the next byte, where written */
	uint64_t unread;
	unsigned first, count, busy;
	struct copy_slot slot[COPY_SLOTS];
	uint8_t *data;
	struct transfer flush;
	struct work work;
};

struct copy_order {
	struct pool *pool;
	uint32_t lv;
	uint64_t offset, length; /* bytes; length 0: to the end of the volume */
	bool into;               /* bytes are put into the volume; else they are got from it */
};

/* Begins. Returns the reason why it does not, or NULL. */
const char *copy_open(struct copy *copy, const struct copy_order *order);
/* Returns how many of the bytes are taken: fewer than all where there is no room now, where the
 * part ends, or after an error. */
size_t copy_put(struct copy *copy, const uint8_t *bytes, size_t n);
/* Returns the next bytes, *n of them, valid until copy_took; NULL: there are none now. */
const uint8_t *copy_get(const struct copy *copy, size_t *n);
void copy_took(struct copy *copy, size_t n);
/* Nothing more is put or got. `whole`: what has been put gets to the medium; else what is not on
 * its way is forgotten. */
void copy_end(struct copy *copy, bool whole);
