/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes that allocate, and requests that make clusters zeros. The guest's data go to new clusters
 * first, then what the request leaves of the first and the last of them is copied, and at last the
 * L2 table refers to them.
 */
#include <string.h>

#include "drivers/block/request.h"
#include "guests/dom0/storage/qcow2.h"

static const struct qcow2_write nothing;
static const struct qcow2_fresh no_fresh;

/* --- L2 tables ---------------------------------------------------------------------------------
 */

static void set_l1(struct qcow2 *q, uint32_t index, uint64_t entry)
{
	qcow2_put(q->l1 + 8 * (size_t)index, 8, entry);
	if (q->l1_from == q->l1_to)
		q->l1_from = q->l1_to = index;
	if (index < q->l1_from)
		q->l1_from = index;
	if (index >= q->l1_to)
		q->l1_to = index + 1;
}

/* A new table, zeros or a copy of the one that a snapshot has, too. */
static enum qcow2_step make_table(struct qcow2 *q, uint32_t index, uint64_t old)
{
	struct qcow2_fresh *f = &q->fresh;
	enum qcow2_step step;
	uint64_t host;
	uint32_t got;

	if (!f->table) {
		/* The old table is read from the device. */
		if (old && q->dirty) {
			qcow2_begin_commit(q);
			return STEP_WAIT;
		}
		step = qcow2_alloc(q, 1, &host, &got);
		if (step != STEP_DONE)
			return step;
		*f = (struct qcow2_fresh){.active = true, .table = true, .host = host, .from = old};
	}
	step = qcow2_fill(q);
	if (step != STEP_DONE)
		return step;
	set_l1(q, index, f->host | QCOW2_COPIED);
	*f = no_fresh;
	if (old)
		qcow2_pend(q, old);
	return STEP_DONE;
}

/* The slice with a cluster's entry, of a table that may be written. */
static enum qcow2_step load_own(struct qcow2 *q, uint64_t cluster, struct qcow2_slice **slice)
{
	uint32_t index = (uint32_t)(cluster >> (q->header.cluster_bits - 3));
	uint64_t entry = qcow2_get(q->l1 + 8 * (size_t)index, 8), old = entry & QCOW2_OFFSET;

	if (q->fresh.table || !old || !(entry & QCOW2_COPIED)) {
		enum qcow2_step step = make_table(q, index, old);

		if (step != STEP_DONE)
			return step;
	}
	return qcow2_load(q, qcow2_slice_at(q, cluster), false, slice);
}

static void set_entry(struct qcow2 *q, struct qcow2_slice *slice, uint64_t cluster, uint64_t entry)
{
	qcow2_put(slice->data + 8 * (size_t)qcow2_l2_index(q, cluster), 8, entry);
	qcow2_mark(q, slice);
}

/* --- copies ------------------------------------------------------------------------------------
 */

/* Gets bytes of a cluster as they were into q->copy. */
static enum qcow2_step fetch(struct qcow2 *q, uint64_t old, uint64_t guest, uint32_t n)
{
	uint64_t in_cluster = guest % q->cluster, end;
	enum qcow2_step step;

	switch (qcow2_kind(q, old)) {
	case QCOW2_IS_ZERO:
		memset(q->copy, 0, n);
		return STEP_DONE;
	case QCOW2_IS_PACKED:
		step = qcow2_unpack(q, old);
		if (step == STEP_DONE)
			memcpy(q->copy, q->plain + in_cluster, n);
		return step;
	case QCOW2_IS_DATA:
		return qcow2_transfer(q, q->below, TRANSFER_READ, (old & QCOW2_OFFSET) + in_cluster,
				      q->copy, n);
	case QCOW2_IS_BACKING:
		end = q->backing->sectors * BLK_SECTOR;
		memset(q->copy, 0, n);
		if (guest >= end)
			return STEP_DONE;
		return qcow2_transfer(q, q->backing, TRANSFER_READ, guest, q->copy,
				      n < end - guest ? n : (size_t)(end - guest));
	case QCOW2_IS_BAD:
		break;
	}
	return STEP_FAIL;
}

/* Copies bytes of the guest's disk from what `old` says to where the write has its clusters. */
static enum qcow2_step copy(struct qcow2 *q, uint64_t old, uint64_t from, uint64_t to)
{
	struct qcow2_write *w = &q->write;

	while (from + w->at < to) {
		uint64_t guest = from + w->at, left = to - guest;
		uint32_t n = left < QCOW2_COPY ? (uint32_t)left : QCOW2_COPY;

		if (!w->have_piece) {
			enum qcow2_step step = fetch(q, old, guest, n);

			/* An inflation that waits comes here again. */
			if (step == STEP_FAIL ||
			    (step == STEP_WAIT && qcow2_kind(q, old) == QCOW2_IS_PACKED))
				return step;
			w->have_piece = true;
			if (step == STEP_WAIT)
				return step;
		}
		w->have_piece = false;
		w->at += n;
		return qcow2_transfer(q, q->below, TRANSFER_WRITE,
				      w->host + guest - w->cluster * q->cluster, q->copy, n);
	}
	w->at = 0;
	return STEP_DONE;
}

static enum qcow2_step write_zeros(struct qcow2 *q, uint64_t host, uint64_t bytes)
{
	struct qcow2_write *w = &q->write;
	uint64_t left = bytes - w->at;
	size_t n = left < QCOW2_COPY ? (size_t)left : QCOW2_COPY;

	if (!left) {
		w->at = 0;
		return STEP_DONE;
	}
	w->at += n;
	return qcow2_transfer(q, q->below, TRANSFER_WRITE, host + w->at - n, (void *)qcow2_zeros,
			      n);
}

/* --- writes that allocate ----------------------------------------------------------------------
 */

static void data_written(struct blk_request *request, enum blk_status status)
{
	struct qcow2 *q = request->context;

	q->busy = false;
	q->failed = status != BLK_OK;
	qcow2_run_lane(q);
}

static enum qcow2_step write_data(struct qcow2 *q, struct qcow2_io *io)
{
	struct qcow2_write *w = &q->write;
	uint64_t host = w->host + w->from - w->cluster * q->cluster;
	uint64_t most = (q->below->parent ? q->below->parent : q->below)->max_sectors * BLK_SECTOR;
	uint64_t left = w->to - w->from - w->at, n = left < most ? left : most;
	uint32_t done = io->done;

	if (io->whole->op == BLK_WRITE_ZEROES)
		return write_zeros(q, host, w->to - w->from);
	if (!left) {
		w->at = 0;
		return STEP_DONE;
	}
	q->request = (struct blk_request){
		.op = BLK_WRITE,
		.sector = (host + w->at) / BLK_SECTOR,
		.sectors = (uint32_t)(n / BLK_SECTOR),
		.done = data_written,
		.context = q,
	};
	io->done += (uint32_t)(w->at / BLK_SECTOR);
	if (!qcow2_cut(io, &q->request, q->request.sectors))
		return STEP_FAIL;
	io->done = done;
	w->at += n;
	q->busy = true;
	blk_submit(q->below, &q->request);
	return STEP_WAIT;
}

/* Chooses the clusters that the request's next piece needs, and allocates them. */
static enum qcow2_step begin(struct qcow2 *q, struct qcow2_slice *slice, uint64_t from, uint64_t to)
{
	struct qcow2_write w = {.active = true, .cluster = from / q->cluster, .from = from};
	uint32_t index = qcow2_l2_index(q, w.cluster), slots = qcow2_in_slice(q, w.cluster);
	uint64_t want = (to - 1) / q->cluster - w.cluster + 1;
	enum qcow2_step step;
	uint32_t n = 0;

	if (want > slots)
		want = slots;
	/* The entries' old clusters go into the list of those that a commit frees. */
	if (want > QCOW2_PENDING / 2)
		want = QCOW2_PENDING / 2;
	while (n < want && !qcow2_is_own(q, qcow2_entry(slice, index + n)))
		n++;
	step = qcow2_alloc(q, n, &w.host, &w.count);
	if (step != STEP_DONE)
		return step;
	w.to = (w.cluster + w.count) * q->cluster;
	if (w.to > to)
		w.to = to;
	w.old_first = qcow2_entry(slice, index);
	w.old_last = qcow2_entry(slice, index + w.count - 1);
	q->write = w;
	return STEP_DONE;
}

/* The bytes around the request's piece, then the piece itself. */
static enum qcow2_step move_data(struct qcow2 *q, struct qcow2_io *io)
{
	struct qcow2_write *w = &q->write;
	enum qcow2_step step = STEP_DONE;

	if (!w->head_done)
		step = copy(q, w->old_first, w->cluster * q->cluster, w->from);
	if (step != STEP_DONE)
		return step;
	w->head_done = true;
	if (!w->tail_done)
		step = copy(q, w->old_last, w->to, (w->cluster + w->count) * q->cluster);
	if (step != STEP_DONE)
		return step;
	w->tail_done = true;
	if (!w->data_done)
		step = write_data(q, io);
	if (step == STEP_DONE)
		w->data_done = true;
	return step;
}

/* The entries of so many clusters may go into the list of what a commit frees. */
static bool has_room(struct qcow2 *q, uint32_t entries)
{
	if (q->pendings + entries + 1 <= QCOW2_PENDING)
		return true;
	qcow2_begin_commit(q);
	return false;
}

static enum qcow2_step refer(struct qcow2 *q)
{
	struct qcow2_write *w = &q->write;
	struct qcow2_slice *slice;
	enum qcow2_step step;

	if (!has_room(q, w->count))
		return STEP_WAIT;
	step = load_own(q, w->cluster, &slice);
	if (step != STEP_DONE)
		return step;
	for (uint32_t i = 0; i < w->count; i++) {
		qcow2_pend(q, qcow2_entry(slice, qcow2_l2_index(q, w->cluster + i)));
		set_entry(q, slice, w->cluster + i, (w->host + i * q->cluster) | QCOW2_COPIED);
	}
	return STEP_DONE;
}

/* Bytes from..to of the guest's disk, as far as they lie in one slice of the table. */
static enum qcow2_step allocate(struct qcow2 *q, struct qcow2_io *io, uint64_t from, uint64_t to)
{
	struct qcow2_slice *slice;
	enum qcow2_step step;

	if (!q->write.active) {
		if (!has_room(q, 1))
			return STEP_WAIT;
		step = load_own(q, from / q->cluster, &slice);
		if (step != STEP_DONE)
			return step;
		if (qcow2_is_own(q, qcow2_entry(slice, qcow2_l2_index(q, from / q->cluster))))
			return STEP_DONE;
		step = begin(q, slice, from, to);
		if (step != STEP_DONE)
			return step;
	}
	step = move_data(q, io);
	if (step == STEP_DONE)
		step = refer(q);
	if (step != STEP_DONE)
		return step;
	io->done += (uint32_t)((q->write.to - q->write.from) / BLK_SECTOR);
	q->write = nothing;
	return STEP_DONE;
}

enum qcow2_step qcow2_lane_write(struct qcow2 *q, struct qcow2_io *io)
{
	uint64_t from = (io->whole->sector + io->done) * BLK_SECTOR;
	uint64_t to = (io->whole->sector + io->whole->sectors) * BLK_SECTOR;

	return allocate(q, io, from, to);
}

/* The write at work has failed: what it has allocated is free again after a commit. */
void qcow2_abandon(struct qcow2 *q)
{
	if (q->write.active && q->pendings < QCOW2_PENDING)
		q->pending[q->pendings++] =
			(struct qcow2_run){q->write.host / q->cluster, q->write.count};
	if (q->fresh.table && q->pendings < QCOW2_PENDING)
		q->pending[q->pendings++] = (struct qcow2_run){q->fresh.host / q->cluster, 1};
	q->write = nothing;
	q->fresh = no_fresh;
	qcow2_unpack_free(q);
}

/* --- clusters that become zeros ----------------------------------------------------------------
 */

/* The entry of a cluster that reads as zeros and holds nothing; false: there is none. */
static bool clear_entry(const struct qcow2 *q, uint64_t *entry)
{
	*entry = q->backing ? QCOW2_ZERO : 0;
	return !q->backing || q->header.version > 2;
}

static bool holds_nothing(const struct qcow2 *q, uint64_t entry)
{
	return qcow2_kind(q, entry) == QCOW2_IS_ZERO && !(entry & QCOW2_OFFSET);
}

/* Whole clusters from this one on, as many as are in one slice. */
static enum qcow2_step clear_clusters(struct qcow2 *q, struct qcow2_io *io, uint64_t cluster,
				      uint64_t count, uint64_t entry)
{
	uint32_t slots = qcow2_in_slice(q, cluster), n = 0;
	struct qcow2_slice *slice;
	enum qcow2_step step;

	if (count > slots)
		count = slots;
	if (count > QCOW2_PENDING / 2)
		count = QCOW2_PENDING / 2;
	if (qcow2_is_tired(q, count))
		return qcow2_yield(q);
	if (!has_room(q, (uint32_t)count))
		return STEP_WAIT;
	if (qcow2_l2_offset(q, cluster) || entry) {
		step = load_own(q, cluster, &slice);
		if (step != STEP_DONE)
			return step;
		for (; n < count; n++) {
			uint64_t old = qcow2_entry(slice, qcow2_l2_index(q, cluster + n));

			if (holds_nothing(q, old))
				continue;
			qcow2_pend(q, old);
			set_entry(q, slice, cluster + n, entry);
		}
	}
	io->done += (uint32_t)(count * q->cluster / BLK_SECTOR);
	if (io->done > io->whole->sectors)
		io->done = io->whole->sectors;
	return STEP_DONE;
}

/* A part of one cluster, or a cluster that cannot be marked: zeros are written. */
static enum qcow2_step clear_part(struct qcow2 *q, struct qcow2_io *io, uint64_t from, uint64_t to)
{
	uint64_t cluster = from / q->cluster, entry;
	struct qcow2_slice *slice;
	enum qcow2_step step;

	if (q->write.active)
		return allocate(q, io, from, to);
	if (!has_room(q, 1))
		return STEP_WAIT;
	step = load_own(q, cluster, &slice);
	if (step != STEP_DONE)
		return step;
	entry = qcow2_entry(slice, qcow2_l2_index(q, cluster));
	if (!qcow2_is_own(q, entry) && qcow2_kind(q, entry) != QCOW2_IS_ZERO)
		return allocate(q, io, from, to);
	step = STEP_DONE;
	if (qcow2_is_own(q, entry))
		step = write_zeros(q, (entry & QCOW2_OFFSET) + from % q->cluster, to - from);
	if (step == STEP_DONE)
		io->done += (uint32_t)((to - from) / BLK_SECTOR);
	return step;
}

enum qcow2_step qcow2_lane_clear(struct qcow2 *q, struct qcow2_io *io)
{
	uint64_t from = (io->whole->sector + io->done) * BLK_SECTOR;
	uint64_t to = (io->whole->sector + io->whole->sectors) * BLK_SECTOR;
	uint64_t end = (from / q->cluster + 1) * q->cluster, entry;
	bool at_end = to == q->dev.sectors * BLK_SECTOR;
	bool can_mark = clear_entry(q, &entry);

	if (can_mark && from % q->cluster == 0 && (to >= end || at_end)) {
		uint64_t count = at_end ? (to + q->cluster - 1) / q->cluster : to / q->cluster;

		return clear_clusters(q, io, from / q->cluster, count - from / q->cluster, entry);
	}
	if (end > to)
		end = to;
	if (io->whole->op == BLK_WRITE_ZEROES)
		return clear_part(q, io, from, end);
	/* A discard need not do anything. */
	io->done += (uint32_t)((end - from) / BLK_SECTOR);
	return STEP_DONE;
}
