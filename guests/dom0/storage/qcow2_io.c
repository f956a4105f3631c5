/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: those that can go on to a device do so at once, piece after piece; the others wait for
 * the image's lane, and come back from it.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/storage/qcow2.h"

const uint8_t qcow2_zeros[QCOW2_COPY];

static void go_on(struct qcow2_io *io);

/* --- pieces ------------------------------------------------------------------------------------
 */

/* The whole list serves if the piece is the whole request. */
bool qcow2_cut(struct qcow2_io *io, struct blk_request *request, uint32_t sectors)
{
	const struct blk_request *whole = io->whole;
	struct blk_place place = blk_place(whole, io->done);
	uint64_t bytes = (uint64_t)sectors * BLK_SECTOR;
	uint32_t n = 0;

	request->segment = whole->segment;
	request->segments = whole->segments;
	if (sectors == whole->sectors)
		return true;
	if (!io->cut)
		io->cut = malloc(whole->segments * sizeof(*io->cut));
	if (!io->cut)
		return false;
	for (; bytes && place.segment < whole->segments; place.segment++, place.offset = 0) {
		struct blk_segment *to = &io->cut[n++];

		*to = whole->segment[place.segment];
		to->bus += place.offset;
		to->bytes -= place.offset;
		if (to->data)
			to->data = (uint8_t *)to->data + place.offset;
		if (to->bytes > bytes)
			to->bytes = (uint32_t)bytes;
		bytes -= to->bytes;
	}
	request->segment = io->cut;
	request->segments = n;
	return true;
}

static void put_io(struct qcow2_io *io)
{
	struct qcow2 *q = io->image;

	free(io->cut);
	io->cut = NULL;
	io->next = q->idle;
	q->idle = io;
}

static struct qcow2_io *get_io(struct qcow2 *q)
{
	struct qcow2_io *io = q->idle;

	if (io)
		q->idle = io->next;
	else
		io = calloc(1, sizeof(*io));
	return io;
}

static void finish(struct qcow2_io *io, enum blk_status status)
{
	struct blk_request *whole = io->whole;

	put_io(io);
	whole->done(whole, status);
}

/* --- the direct way ----------------------------------------------------------------------------
 */

static void piece_done(struct blk_request *request, enum blk_status status)
{
	struct qcow2_io *io = request->context;
	struct qcow2 *q = io->image;

	q->in_flight--;
	if (status != BLK_OK)
		io->status = status;
	io->done += request->sectors;
	io->again = true;
	/* Pieces that end at once do not nest. */
	if (!io->working)
		go_on(io);
	if (q->held && !q->in_flight)
		qcow2_run_lane(q);
}

static void submit(struct qcow2_io *io, struct blkdev *dev, uint64_t sector, uint32_t sectors)
{
	struct qcow2 *q = io->image;
	struct blk_request *request = &io->request;
	uint32_t most = (dev->parent ? dev->parent : dev)->max_sectors;

	if (sectors > most)
		sectors = most;
	request->op = io->whole->op;
	request->sector = sector;
	request->sectors = sectors;
	request->done = piece_done;
	request->context = io;
	q->in_flight++;
	if (qcow2_cut(io, request, sectors))
		blk_submit(dev, request);
	else
		piece_done(request, BLK_IOERR);
}

void qcow2_zero_fill(const struct qcow2_io *io, uint32_t sectors)
{
	struct blk_request *whole = io->whole;
	uint32_t at = io->done, end = io->done + sectors;

	while (at < end) {
		uint32_t n =
			end - at < QCOW2_COPY / BLK_SECTOR ? end - at : QCOW2_COPY / BLK_SECTOR;

		blk_copy(whole, at, (void *)qcow2_zeros, (size_t)n * BLK_SECTOR, false);
		at += n;
	}
}

/* Reads from the backing file; beyond its end there are zeros. */
static void read_backing(struct qcow2_io *io, uint64_t sector, uint32_t sectors)
{
	struct blkdev *backing = io->image->backing;

	if (sector >= backing->sectors) {
		qcow2_zero_fill(io, sectors);
		io->done += sectors;
		io->again = true;
		return;
	}
	if (sectors > backing->sectors - sector)
		sectors = (uint32_t)(backing->sectors - sector);
	submit(io, backing, sector, sectors);
}

/* Does the cluster behind go on where this one ends? */
static bool follows(const struct qcow2 *q, uint64_t entry, uint64_t next, enum qcow2_kind kind,
		    uint32_t n, bool write)
{
	if (qcow2_kind(q, next) != kind || (write && !(next & QCOW2_COPIED)))
		return false;
	return kind != QCOW2_IS_DATA ||
	       (next & QCOW2_OFFSET) == (entry & QCOW2_OFFSET) + n * q->cluster;
}

/* Starts the next piece. Returns false if the lane is to do it. */
static bool start_piece(struct qcow2_io *io)
{
	struct qcow2 *q = io->image;
	bool write = io->whole->op == BLK_WRITE;
	uint32_t per_cluster = (uint32_t)(q->cluster / BLK_SECTOR);
	uint64_t sector = io->whole->sector + io->done;
	uint64_t cluster = sector / per_cluster;
	uint32_t in_cluster = (uint32_t)(sector % per_cluster);
	uint32_t left = io->whole->sectors - io->done, sectors = per_cluster - in_cluster;
	uint64_t l2 = qcow2_l2_offset(q, cluster), entry = 0;
	enum qcow2_kind kind = q->backing ? QCOW2_IS_BACKING : QCOW2_IS_ZERO;

	if (write && !l2)
		return false;
	if (l2) {
		uint32_t index = qcow2_l2_index(q, cluster), slots = qcow2_in_slice(q, cluster);
		struct qcow2_slice *slice = qcow2_cached(q, qcow2_slice_at(q, cluster));

		if (!slice || slice->counts)
			return false;
		entry = qcow2_entry(slice, index);
		kind = qcow2_kind(q, entry);
		if (kind == QCOW2_IS_PACKED || (write && !qcow2_is_own(q, entry)))
			return false;
		for (uint32_t n = 1; n < slots && sectors < left; n++, sectors += per_cluster)
			if (!follows(q, entry, qcow2_entry(slice, index + n), kind, n, write))
				break;
	}
	if (sectors > left)
		sectors = left;
	if (kind == QCOW2_IS_DATA) {
		submit(io, q->below, (entry & QCOW2_OFFSET) / BLK_SECTOR + in_cluster, sectors);
	} else if (kind == QCOW2_IS_BACKING) {
		read_backing(io, sector, sectors);
	} else if (kind == QCOW2_IS_ZERO) {
		qcow2_zero_fill(io, sectors);
		io->done += sectors;
		io->again = true;
	} else {
		io->status = BLK_IOERR;
		io->again = true;
	}
	return true;
}

static void to_lane(struct qcow2_io *io)
{
	struct qcow2 *q = io->image;

	io->next = NULL;
	if (q->first)
		q->last->next = io;
	else
		q->first = io;
	q->last = io;
	qcow2_run_lane(q);
}

/* A request that only the lane does. */
static bool is_for_lane(const struct qcow2_io *io)
{
	return io->whole->op != BLK_READ && io->whole->op != BLK_WRITE;
}

static void go_on(struct qcow2_io *io)
{
	struct qcow2 *q = io->image;

	io->working = true;
	do {
		io->again = false;
		if (io->status != BLK_OK ||
		    (io->done >= io->whole->sectors && io->whole->sectors)) {
			io->working = false;
			finish(io, io->status);
			return;
		}
		if (q->held || is_for_lane(io) || !start_piece(io)) {
			io->working = false;
			to_lane(io);
			return;
		}
	} while (io->again);
	io->working = false;
}

static void image_submit(struct blkdev *dev, struct blk_request *whole)
{
	struct qcow2 *q = dev->driver;
	struct qcow2_io *io;

	if (q->broken && whole->op != BLK_READ) {
		whole->done(whole, BLK_IOERR);
		return;
	}
	io = get_io(q);
	if (!io) {
		whole->done(whole, BLK_IOERR);
		return;
	}
	io->image = q;
	io->whole = whole;
	io->done = 0;
	io->status = BLK_OK;
	io->working = io->again = false;
	go_on(io);
}

/* --- the lane ----------------------------------------------------------------------------------
 */

static void next_turn(struct work *work)
{
	struct qcow2 *q = work->context;

	q->busy = false;
	qcow2_run_lane(q);
}

enum qcow2_step qcow2_yield(struct qcow2 *q)
{
	q->effort = 0;
	q->busy = true;
	work_queue(&q->turn);
	return STEP_WAIT;
}

bool qcow2_is_tired(struct qcow2 *q, uint64_t clusters)
{
	q->effort += clusters;
	return q->effort > QCOW2_EFFORT;
}

/* Takes the head off the lane and lets it go on. */
static void pop(struct qcow2 *q)
{
	struct qcow2_io *io = q->first;

	q->first = io->next;
	go_on(io);
}

static void fail_head(struct qcow2 *q)
{
	qcow2_abandon(q);
	q->first->status = BLK_IOERR;
	pop(q);
}

static enum qcow2_step read_packed(struct qcow2 *q, struct qcow2_io *io, uint64_t sector,
				   uint64_t entry)
{
	uint32_t per_cluster = (uint32_t)(q->cluster / BLK_SECTOR);
	uint32_t in_cluster = (uint32_t)(sector % per_cluster), sectors = per_cluster - in_cluster;
	enum qcow2_step step = qcow2_unpack(q, entry);

	if (step != STEP_DONE)
		return step;
	if (sectors > io->whole->sectors - io->done)
		sectors = io->whole->sectors - io->done;
	if (!blk_copy(io->whole, io->done, q->plain + (size_t)in_cluster * BLK_SECTOR,
		      (size_t)sectors * BLK_SECTOR, false))
		return STEP_FAIL;
	io->done += sectors;
	return STEP_DONE;
}

static enum qcow2_step lane_read(struct qcow2 *q, struct qcow2_io *io)
{
	uint64_t sector = io->whole->sector + io->done;
	uint64_t cluster = sector / (q->cluster / BLK_SECTOR), entry;
	struct qcow2_slice *slice;
	enum qcow2_step step;

	if (!qcow2_l2_offset(q, cluster))
		return STEP_DONE;
	step = qcow2_load(q, qcow2_slice_at(q, cluster), false, &slice);
	if (step != STEP_DONE)
		return step;
	entry = qcow2_entry(slice, qcow2_l2_index(q, cluster));
	return qcow2_kind(q, entry) == QCOW2_IS_PACKED ? read_packed(q, io, sector, entry)
						       : STEP_DONE;
}

static enum qcow2_step lane_flush(struct qcow2 *q, struct qcow2_io *io)
{
	if (!io->done) {
		io->done = 1;
		qcow2_begin_commit(q);
		return STEP_WAIT;
	}
	return STEP_DONE;
}

static enum qcow2_step lane_step(struct qcow2 *q, struct qcow2_io *io)
{
	switch (io->whole->op) {
	case BLK_READ:
		return lane_read(q, io);
	case BLK_WRITE:
		return qcow2_lane_write(q, io);
	case BLK_FLUSH:
		return lane_flush(q, io);
	case BLK_DISCARD:
	case BLK_WRITE_ZEROES:
		return qcow2_lane_clear(q, io);
	}
	return STEP_FAIL;
}

static void run_commit(struct qcow2 *q)
{
	enum qcow2_step step = q->failed ? STEP_FAIL : qcow2_commit(q);

	q->failed = false;
	if (step == STEP_WAIT)
		return;
	q->commit = 0;
	q->held = false;
	if (step == STEP_DONE)
		return;
	/* Nobody knows what the device has: nothing more is built on it. */
	q->broken = true;
	driver_log("%s: its tables cannot be written: the image takes no more writes\n",
		   q->dev.name);
	if (q->first)
		fail_head(q);
}

static void run_head(struct qcow2 *q)
{
	struct qcow2_io *io = q->first;
	/* A commit has failed: another one would end well without what that one has lost. */
	bool lost = q->broken && io->whole->op != BLK_READ;
	enum qcow2_step step = q->failed || lost ? STEP_FAIL : lane_step(q, io);

	q->failed = false;
	if (step == STEP_WAIT)
		return;
	if (step == STEP_FAIL) {
		fail_head(q);
		return;
	}
	if (io->whole->op == BLK_FLUSH) {
		q->first = io->next;
		finish(io, BLK_OK);
		return;
	}
	pop(q);
}

/* Is there something that can be done now? */
static bool can_run(struct qcow2 *q)
{
	if (q->busy || q->growing)
		return false;
	/* A commit lowers counts when its last write has been made: the next one writes these. */
	if (q->closed && !q->first && !q->commit && !q->broken &&
	    (q->pendings || !qcow2_is_clean(q)))
		qcow2_begin_commit(q);
	if (q->commit)
		return !q->held || !q->in_flight;
	return q->first && !q->stalled;
}

void qcow2_run_lane(struct qcow2 *q)
{
	/* Steps that end at once do not nest. */
	if (q->running)
		return;
	q->running = true;
	while (can_run(q)) {
		if (q->commit)
			run_commit(q);
		else
			run_head(q);
	}
	q->running = false;
	if (!q->closed || q->first || q->busy || q->in_flight || q->commit || q->growing)
		return;
	void (*closed)(struct qcow2 * image) = q->closed;

	q->closed = NULL;
	closed(q);
}

/* --- an image's life ---------------------------------------------------------------------------
 */

static void fill_dev(struct qcow2 *q)
{
	struct blkdev *dev = &q->dev, *below = q->below;

	memcpy(dev->name, below->name, sizeof(dev->name));
	memcpy(dev->serial, below->serial, sizeof(dev->serial));
	dev->sectors = q->header.size / BLK_SECTOR + (q->header.size % BLK_SECTOR != 0);
	dev->logical_block = (below->parent ? below->parent : below)->logical_block;
	dev->physical_block = (below->parent ? below->parent : below)->physical_block;
	dev->read_only = !q->writable;
	dev->can_flush = true;
	dev->can_discard = dev->can_zero = q->writable;
	dev->max_sectors = (below->parent ? below->parent : below)->max_sectors;
	dev->submit = image_submit;
	dev->driver = q;
}

struct qcow2 *qcow2_make(struct blkdev *below, const struct qcow2_header *header, uint8_t *l1,
			 uint8_t *table, bool writable)
{
	struct qcow2 *q = calloc(1, sizeof(*q));
	uint8_t *copy = writable ? malloc(QCOW2_COPY) : NULL;

	if (!q || (writable && !copy)) {
		free(q);
		free(copy);
		return NULL;
	}
	q->below = below;
	q->header = *header;
	q->cluster = 1ull << header->cluster_bits;
	q->slice = q->cluster < QCOW2_SLICE ? (uint32_t)q->cluster : QCOW2_SLICE;
	q->l1 = l1;
	q->table = table;
	q->table_entries = (uint32_t)qcow2_table_needed(header, below->sectors * BLK_SECTOR);
	q->writable = writable;
	q->copy = copy;
	q->turn = (struct work){.run = next_turn, .context = q};
	fill_dev(q);
	return q;
}

void qcow2_close(struct qcow2 *q, void (*closed)(struct qcow2 *image))
{
	q->closed = closed;
	qcow2_run_lane(q);
}

void qcow2_free(struct qcow2 *q)
{
	while (q->idle) {
		struct qcow2_io *io = q->idle;

		q->idle = io->next;
		free(io);
	}
	for (unsigned i = 0; i < QCOW2_SETS * QCOW2_WAYS; i++)
		free(q->cache[i / QCOW2_WAYS][i % QCOW2_WAYS].data);
	qcow2_unpack_free(q);
	free(q->plain);
	free(q->copy);
	free(q->l1);
	free(q->table);
	free(q);
}

void qcow2_grown(struct qcow2 *q, const char *wrong)
{
	q->growing = false;
	strncpy(q->full, wrong ? wrong : "", sizeof(q->full) - 1);
	qcow2_run_lane(q);
}

void qcow2_retry(struct qcow2 *q)
{
	q->stalled = false;
	q->full[0] = 0;
	qcow2_run_lane(q);
}

void qcow2_give_up(struct qcow2 *q)
{
	if (!q->stalled)
		return;
	q->stalled = false;
	fail_head(q);
	qcow2_run_lane(q);
}
