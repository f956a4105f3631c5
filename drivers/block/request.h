/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block drivers share this: queues of requests, and the execution of one
 * request by several commands.
 *
 * A driver makes commands from the request at the head of its queue, each for
 * the sectors from `issued` on, until all of them are covered or one failed.
 * A request is done when it has left the queue and its last command is done.
 */
#pragma once

#include <stddef.h>

#include "drivers/block.h"

struct blk_queue {
	struct blk_request *first, *last;
};

void blk_queue_add(struct blk_queue *queue, struct blk_request *request);

/*
 * The request that the next command is to be made for, or NULL. Requests that
 * have failed before they were issued completely leave the queue here.
 */
struct blk_request *blk_queue_head(struct blk_queue *queue);

/* A command for the next `sectors` sectors of the queue's head was made. */
void blk_queue_issued(struct blk_queue *queue, uint32_t sectors);

/* A command is done. Calls the request's `done` if that was the last. */
void blk_command_done(struct blk_request *request, enum blk_status status);

/* The device is gone: everything in the queue fails. */
void blk_queue_fail(struct blk_queue *queue);

/* A place in the scatter list of a request. */
struct blk_place {
	uint32_t segment, offset;
};

/* The place of a sector of the request, counted from its first. */
struct blk_place blk_place(const struct blk_request *request, uint32_t sector);

/* Copy between the request's memory from a sector on and a buffer. false: the
 * CPU cannot reach that memory. */
bool blk_copy(const struct blk_request *request, uint32_t sector, void *buffer, size_t bytes,
	      bool to_buffer);

/* Requests for `bytes` from a place on stay below the bus address `limit`. */
bool blk_below(const struct blk_request *request, uint64_t limit);

/* Reads the partition table and registers what it lists. */
void blk_scan(struct blkdev *dev, void (*ready)(struct blkdev *dev));
