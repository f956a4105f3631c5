/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of tables: slices of L2 tables and refcount blocks, by their place on the device. A
 * slice that has changed stays until a commit has written it, since only a commit knows the order.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/qcow2.h"

#define QCOW2_AT_ONCE 2u

static struct qcow2_slice *set_of(struct qcow2 *q, uint64_t offset)
{
	return q->cache[offset / q->slice % QCOW2_SETS];
}

struct qcow2_slice *qcow2_cached(struct qcow2 *q, uint64_t offset)
{
	struct qcow2_slice *set = set_of(q, offset);

	for (unsigned i = 0; i < QCOW2_WAYS; i++) {
		if (set[i].offset != offset || !offset)
			continue;
		set[i].used = ++q->clock;
		return &set[i];
	}
	return NULL;
}

/* --- transfers of the lane ---------------------------------------------------------------------
 */

static void transferred(struct transfer *transfer, bool right)
{
	struct qcow2 *q = transfer->context;

	q->busy = false;
	q->failed = !right;
	if (q->loading && right)
		q->loading->offset = q->loading_offset;
	q->loading = NULL;
	qcow2_run_lane(q);
}

enum qcow2_step qcow2_transfer(struct qcow2 *q, struct blkdev *dev, enum transfer_kind kind,
			       uint64_t offset, void *data, size_t bytes)
{
	q->busy = true;
	q->transfer = (struct transfer){
		.dev = dev,
		.kind = kind,
		.offset = offset,
		.data = data,
		.bytes = bytes,
		.done = transferred,
		.context = q,
	};
	transfer_start(&q->transfer);
	return STEP_WAIT;
}

/* --- slices ------------------------------------------------------------------------------------
 */

/* The slice that was not used for the longest time, of those that may go. A step that allocates
 * needs two slices at once: of one that may go it would lose the other. */
static struct qcow2_slice *victim(struct qcow2_slice *set)
{
	struct qcow2_slice *found = NULL;
	unsigned clean = 0;

	for (unsigned i = 0; i < QCOW2_WAYS; i++) {
		clean += !set[i].dirty;
		if (!set[i].dirty && (!found || set[i].used < found->used))
			found = &set[i];
	}
	return clean >= QCOW2_AT_ONCE ? found : NULL;
}

static bool lies_on_device(const struct qcow2 *q, uint64_t offset)
{
	uint64_t device = q->below->sectors * BLK_SECTOR;

	return !(offset % q->slice) && offset < device && q->slice <= device - offset;
}

enum qcow2_step qcow2_load(struct qcow2 *q, uint64_t offset, bool counts,
			   struct qcow2_slice **slice)
{
	struct qcow2_slice *found = qcow2_cached(q, offset);

	*slice = found;
	if (found) {
		/* A table that is of both kinds is one of a damaged image. */
		return found->counts == counts ? STEP_DONE : STEP_FAIL;
	}
	if (!offset || !lies_on_device(q, offset))
		return STEP_FAIL;
	found = victim(set_of(q, offset));
	if (!found && q->broken)
		return STEP_FAIL;
	if (!found) {
		qcow2_begin_commit(q);
		return STEP_WAIT;
	}
	if (!found->data)
		found->data = malloc(q->slice);
	if (!found->data)
		return STEP_FAIL;
	/* Nobody finds the slice before it is there. */
	*found = (struct qcow2_slice){.used = ++q->clock, .data = found->data, .counts = counts};
	q->loading = found;
	q->loading_offset = offset;
	return qcow2_transfer(q, q->below, TRANSFER_READ, offset, found->data, q->slice);
}

void qcow2_mark(struct qcow2 *q, struct qcow2_slice *slice)
{
	q->dirty += !slice->dirty;
	slice->dirty = true;
}

void qcow2_drop(struct qcow2 *q, uint64_t host)
{
	for (unsigned i = 0; i < QCOW2_SETS * QCOW2_WAYS; i++) {
		struct qcow2_slice *slice = &q->cache[i / QCOW2_WAYS][i % QCOW2_WAYS];

		if (slice->offset < host || slice->offset - host >= q->cluster)
			continue;
		q->dirty -= slice->dirty;
		slice->dirty = false;
		slice->offset = 0;
	}
}
