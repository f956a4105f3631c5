/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volumes as block devices: a request goes on to the devices that the volume's extents lie on. A
 * request that lies on one of them goes on as it is; one that crosses from one run of extents to
 * the next is done in pieces, one after the other, with memory that is there from the start.
 */
#pragma once

#include "drivers/block.h"

/* A run of sectors: from `start` of the volume on, at `at` of a device. */
struct volume_run {
	uint64_t start, sectors, at;
	struct blkdev *dev;
	bool flushes; /* the first run on its disk: a flush of the volume is one of that disk */
};

/* Requests that cross extents wait here; a group's volumes share it. */
struct volume_split {
	struct blk_request request; /* the piece at work */
	struct blk_segment segment[BLK_MAX_SEGMENTS];
	struct blk_request *first, *last; /* whole requests; the first is at work */
	uint32_t done;                    /* its sectors, or its runs for a flush */
	bool working, again;
};

struct volume {
	struct blkdev dev;
	void *owner; /* the pool */
	struct volume_split *split;
	/* Its content is a part of what it is to be: no user but the one that fills it. */
	bool partial, filling;
	/* pool_look_begin: somebody reads it without being its user; the pool has no such volume
	 * any more, and the last of them frees it. */
	unsigned looks;
	bool gone;
	uint32_t runs;
	struct volume_run *run; /* in the volume's order, without gaps; from malloc */
};

/* Fills in dev's sizes, limits and functions from the runs, of which there is one or more. */
void volume_init(struct volume *volume, struct volume_split *split, bool read_only);
/* Gives the volume, which may be in use, other runs that begin as those before; tells the device's
 * watches. Takes the runs over. */
void volume_grow(struct volume *volume, struct volume_run *run, uint32_t runs);
