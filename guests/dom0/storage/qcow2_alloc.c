/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free clusters: found by their reference counts, in the order of the device. Counts are raised in
 * memory at once. They are lowered only when a commit has made it lasting that nothing refers to
 * the cluster any more; until then the cluster is in the list `pending`.
 */
#include <string.h>

#include "guests/dom0/storage/qcow2.h"

#define COUNTS_OF_EFFORT 16u /* so many counts are looked at as soon as one is changed */

static const struct qcow2_fresh nothing;

static uint64_t device_clusters(const struct qcow2 *q)
{
	return q->below->sectors * BLK_SECTOR / q->cluster;
}

/* Counts in one refcount block, and in a slice of one. */
static uint64_t per_block(const struct qcow2 *q)
{
	return q->cluster * 8 >> q->header.refcount_order;
}

static uint64_t per_slice(const struct qcow2 *q)
{
	return (uint64_t)q->slice * 8 >> q->header.refcount_order;
}

static uint64_t block_at(const struct qcow2 *q, uint64_t block)
{
	if (block >= q->table_entries)
		return 0;
	return qcow2_get(q->table + 8 * block, 8) & QCOW2_OFFSET;
}

/* The slice with a cluster's count, which has a block. */
static enum qcow2_step load_counts(struct qcow2 *q, uint64_t cluster, struct qcow2_slice **slice)
{
	uint64_t block = block_at(q, cluster / per_block(q));
	uint64_t in_block = cluster % per_block(q) / per_slice(q) * q->slice;

	return block % q->cluster ? STEP_FAIL : qcow2_load(q, block + in_block, true, slice);
}

/* --- new tables --------------------------------------------------------------------------------
 */

enum qcow2_step qcow2_fill(struct qcow2 *q)
{
	struct qcow2_fresh *f = &q->fresh;

	while (f->at < q->cluster) {
		uint64_t left = q->cluster - f->at;
		size_t n = left < QCOW2_COPY ? (size_t)left : QCOW2_COPY;
		const uint8_t *data = f->from ? q->copy : qcow2_zeros;

		if (f->from && !f->have_piece) {
			f->have_piece = true;
			return qcow2_transfer(q, q->below, TRANSFER_READ, f->from + f->at, q->copy,
					      n);
		}
		f->have_piece = false;
		f->at += n;
		return qcow2_transfer(q, q->below, TRANSFER_WRITE, f->host + f->at - n,
				      (void *)data, n);
	}
	return STEP_DONE;
}

/* A range of clusters that has no refcount block gets one, in its own first cluster: nothing refers
 * to the range yet. */
static enum qcow2_step make_block(struct qcow2 *q, uint64_t block)
{
	struct qcow2_fresh *f = &q->fresh;
	struct qcow2_slice *slice;
	enum qcow2_step step;

	if (!f->active) {
		*f = (struct qcow2_fresh){.active = true,
					  .host = block * per_block(q) * q->cluster};
		qcow2_drop(q, f->host);
	}
	step = qcow2_fill(q);
	if (step == STEP_DONE)
		step = qcow2_load(q, f->host, true, &slice);
	if (step != STEP_DONE)
		return step;
	qcow2_set_refcount(slice->data, 0, q->header.refcount_order, 1);
	qcow2_mark(q, slice);
	qcow2_put(q->table + 8 * block, 8, f->host);
	if (q->table_from == q->table_to)
		q->table_from = q->table_to = (uint32_t)block;
	if (block < q->table_from)
		q->table_from = (uint32_t)block;
	if (block >= q->table_to)
		q->table_to = (uint32_t)block + 1;
	*f = nothing;
	return STEP_DONE;
}

/* --- allocation --------------------------------------------------------------------------------
 */

/* The device is full: it may grow, or the user decides. */
static enum qcow2_step no_room(struct qcow2 *q, uint64_t clusters)
{
	const char *why = *q->full ? q->full : "its device is full";

	if (q->pendings) {
		qcow2_begin_commit(q);
		return STEP_WAIT;
	}
	if (q->grow && !*q->full) {
		q->growing = true;
		q->grow(q, clusters * q->cluster);
		return STEP_WAIT;
	}
	if (!q->stall || !q->stall(q, why)) {
		q->full[0] = 0;
		return STEP_FAIL;
	}
	q->stalled = true;
	return STEP_WAIT;
}

/* How many clusters from this one on, which is free, are free too. */
static uint32_t free_run(const struct qcow2 *q, const struct qcow2_slice *slice, uint64_t cluster,
			 uint32_t want)
{
	uint64_t index = cluster % per_slice(q), device = device_clusters(q);
	uint32_t n = 1;

	while (n < want && index + n < per_slice(q) && cluster + n < device &&
	       !qcow2_refcount(slice->data, (uint32_t)index + n, q->header.refcount_order))
		n++;
	return n;
}

static void take(struct qcow2 *q, struct qcow2_slice *slice, uint64_t cluster, uint32_t n)
{
	uint32_t index = (uint32_t)(cluster % per_slice(q));

	for (uint32_t i = 0; i < n; i++) {
		qcow2_set_refcount(slice->data, index + i, q->header.refcount_order, 1);
		qcow2_drop(q, (cluster + i) * q->cluster);
	}
	qcow2_mark(q, slice);
	q->next_free = cluster + n;
}

enum qcow2_step qcow2_alloc(struct qcow2 *q, uint32_t want, uint64_t *host, uint32_t *got)
{
	for (;;) {
		uint64_t cluster = q->next_free, block = cluster / per_block(q);
		uint64_t end = cluster - cluster % per_slice(q) + per_slice(q);
		struct qcow2_slice *slice;
		enum qcow2_step step;

		if (cluster >= device_clusters(q))
			return no_room(q, cluster + want);
		if (block >= q->table_entries) {
			if (!q->pendings)
				strcpy(q->full, "its refcount table has no room for more");
			return no_room(q, cluster);
		}
		if (!block_at(q, block)) {
			step = make_block(q, block);
			if (step != STEP_DONE)
				return step;
			continue;
		}
		step = load_counts(q, cluster, &slice);
		if (step != STEP_DONE)
			return step;
		while (cluster < end &&
		       qcow2_refcount(slice->data, (uint32_t)(cluster % per_slice(q)),
				      q->header.refcount_order))
			cluster++;
		q->next_free = cluster;
		if (cluster == end || cluster >= device_clusters(q)) {
			if (qcow2_is_tired(q, per_slice(q) / COUNTS_OF_EFFORT))
				return qcow2_yield(q);
			continue;
		}
		*got = free_run(q, slice, cluster, want);
		*host = cluster * q->cluster;
		take(q, slice, cluster, *got);
		return STEP_DONE;
	}
}

/* --- references that go ------------------------------------------------------------------------
 */

static void pend_run(struct qcow2 *q, uint64_t first, uint32_t count)
{
	struct qcow2_run *last = q->pendings ? &q->pending[q->pendings - 1] : NULL;

	if (last && last->first + last->count == first)
		last->count += count;
	else
		q->pending[q->pendings++] = (struct qcow2_run){first, count};
}

/* Notes the clusters of an old entry. There is room for a run in the list. */
void qcow2_pend(struct qcow2 *q, uint64_t entry)
{
	uint64_t offset = entry & QCOW2_OFFSET;
	struct qcow2_packed packed;
	uint64_t first;

	if (entry & QCOW2_COMPRESSED) {
		packed = qcow2_packed(entry, q->header.cluster_bits);
		first = packed.offset / q->cluster;
		pend_run(q, first,
			 (uint32_t)((packed.offset + packed.bytes - 1) / q->cluster - first + 1));
	} else if (offset && !(offset % q->cluster)) {
		pend_run(q, offset / q->cluster, 1);
	}
}

/* Lowers the counts of what the list has. A commit has made it lasting that no reference is left.
 */
enum qcow2_step qcow2_unpend(struct qcow2 *q)
{
	while (q->freed < q->pendings) {
		struct qcow2_run *run = &q->pending[q->freed];
		struct qcow2_slice *slice;
		enum qcow2_step step;
		uint64_t count;
		uint32_t index;

		if (qcow2_is_tired(q, 1))
			return qcow2_yield(q);
		if (!run->count) {
			q->freed++;
			continue;
		}
		if (!block_at(q, run->first / per_block(q))) {
			run->first++;
			run->count--;
			continue;
		}
		step = load_counts(q, run->first, &slice);
		if (step != STEP_DONE)
			return step;
		index = (uint32_t)(run->first % per_slice(q));
		count = qcow2_refcount(slice->data, index, q->header.refcount_order);
		if (count == 1 && run->first < q->next_free)
			q->next_free = run->first;
		if (count == 1)
			qcow2_drop(q, run->first * q->cluster);
		if (count) {
			qcow2_set_refcount(slice->data, index, q->header.refcount_order, count - 1);
			qcow2_mark(q, slice);
		}
		run->first++;
		run->count--;
	}
	q->pendings = q->freed = 0;
	return STEP_DONE;
}
