/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The work on a guest's disk requests. The disk reads and writes the guest's
 * memory itself, by bus address. Two cases need more: a request that exceeds
 * what the driver takes at once goes in pieces, and buffers at addresses that
 * disks cannot use go through a bounce buffer, in pieces as well.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/env.h"
#include "guests/dom0/virtio/blk.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/cpu.h"

#define DMA_ALIGN 4u /* drivers/block.h */

static void run(struct blk_io *io);
static bool make_piece(struct blk_io *io);
static void end(struct blk_io *io, enum blk_status status);

struct blk_io *blk_io_get(struct blk *blk, unsigned segments)
{
	static const unsigned limit[2] = {BLK_SMALL_IOS, BLK_LARGE_IOS};
	static const unsigned room[2] = {BLK_SMALL_SEGMENTS, BLK_LARGE_SEGMENTS};

	for (unsigned large = segments > BLK_SMALL_SEGMENTS; large < 2; large++) {
		struct blk_io *io = blk->free[large];

		if (io) {
			blk->free[large] = io->next;
		} else if (blk->ios[large] < limit[large]) {
			io = malloc(sizeof(*io) + room[large] * sizeof(io->segment[0]));
			if (!io)
				continue;
			blk->ios[large]++;
			io->blk = blk;
			io->large = large;
			io->request.context = io;
		} else {
			continue;
		}
		io->count = io->at = io->offset = io->done = 0;
		io->bounce = false;
		io->rest.bytes = 0;
		return io;
	}
	return NULL;
}

void blk_io_put(struct blk_io *io)
{
	io->next = io->blk->free[io->large];
	io->blk->free[io->large] = io;
}

bool blk_io_add(struct blk_io *io, struct vm *vm, uint64_t gpa, uint8_t *data, uint32_t bytes)
{
	unsigned room = io->large ? BLK_LARGE_SEGMENTS : BLK_SMALL_SEGMENTS;

	while (bytes) {
		uint64_t run = 0;
		uint64_t bus = vm_bus_address(vm, gpa, bytes, &run);
		struct blk_segment *last = &io->segment[io->count];

		if (!run || run > bytes)
			return false;
		if ((bus | run) % DMA_ALIGN)
			io->bounce = true;
		if (io->count && last[-1].bus + last[-1].bytes == bus &&
		    (uint8_t *)last[-1].data + last[-1].bytes == data) {
			last[-1].bytes += (uint32_t)run;
		} else {
			if (io->count == room)
				return false;
			*last = (struct blk_segment){
				.bus = bus, .bytes = (uint32_t)run, .data = data};
			io->count++;
		}
		gpa += run;
		data += run;
		bytes -= (uint32_t)run;
	}
	return true;
}

/* --- the bounce buffer ---------------------------------------------------- */

/* Copies between the bounce buffer and the guest from io->at on. */
static void bounce_copy(struct blk_io *io, uint32_t bytes, bool to_guest)
{
	uint8_t *buffer = io->blk->bounce;

	while (bytes && io->at < io->count) {
		struct blk_segment *segment = &io->segment[io->at];
		uint8_t *data = (uint8_t *)segment->data + io->offset;
		uint32_t n = segment->bytes - io->offset;

		if (n > bytes)
			n = bytes;
		if (to_guest)
			memcpy(data, buffer, n);
		else
			memcpy(buffer, data, n);
		buffer += n;
		bytes -= n;
		io->offset += n;
		if (io->offset == segment->bytes) {
			io->offset = 0;
			io->at++;
		}
	}
}

static void bounce_piece(struct blk_io *io)
{
	uint32_t sectors = io->sectors - io->done;
	uint32_t limit = io->blk->disk->max_sectors;

	if (limit > BLK_BOUNCE_BYTES / BLK_SECTOR)
		limit = BLK_BOUNCE_BYTES / BLK_SECTOR;
	if (sectors > limit)
		sectors = limit;
	if (io->request.op == BLK_WRITE)
		bounce_copy(io, sectors * BLK_SECTOR, false);
	io->piece = (struct blk_segment){
		.bus = io->blk->bounce_bus,
		.bytes = sectors * BLK_SECTOR,
		.data = io->blk->bounce,
	};
	io->request.segment = &io->piece;
	io->request.segments = 1;
	io->request.sectors = sectors;
}

/* Requests that end at once do not nest: the loop that is at work starts the next one. */
static void bounce_next(struct blk *blk)
{
	if (blk->bounce_loop)
		return;
	blk->bounce_loop = true;
	while (!blk->bouncing && blk->waiting) {
		struct blk_io *io = blk->waiting;

		blk->waiting = io->next;
		blk->bouncing = io;
		if (make_piece(io))
			run(io);
		else
			end(io, BLK_IOERR);
	}
	blk->bounce_loop = false;
}

static void bounce_start(struct blk_io *io)
{
	struct blk *blk = io->blk;

	if (!blk->bounce)
		blk->bounce = dma_alloc(BLK_BOUNCE_BYTES, &blk->bounce_bus);
	if (!blk->bounce) {
		blk_io_done(io, BLK_IOERR);
		return;
	}
	io->next = NULL;
	if (blk->waiting)
		blk->last_waiting->next = io;
	else
		blk->waiting = io;
	blk->last_waiting = io;
	bounce_next(blk);
}

void blk_io_cancel(struct blk *blk)
{
	while (blk->waiting) {
		struct blk_io *io = blk->waiting;

		blk->waiting = io->next;
		blk_io_done(io, BLK_IOERR);
	}
}

/* --- pieces --------------------------------------------------------------- */

/*
 * As many segments from io->at on as the driver takes. Segments may be of any
 * multiple of 4 bytes, a piece is whole blocks: the bytes beyond go back, which
 * may cut the last segment in two.
 */
static void direct_piece(struct blk_io *io, const struct blkdev *disk)
{
	uint32_t limit = disk->max_sectors * BLK_SECTOR, block;
	uint32_t bytes = 0, n = 0;
	struct blk_segment *first = &io->segment[io->at];

	block = disk->logical_block > BLK_SECTOR ? disk->logical_block : BLK_SECTOR;
	while (io->at + n < io->count && n < BLK_MAX_SEGMENTS && bytes < limit)
		bytes += first[n++].bytes;

	uint32_t excess = bytes > limit ? bytes - limit : 0;
	excess += (bytes - excess) % block;
	io->rest.bytes = 0;
	bytes -= excess;
	while (n && excess >= first[n - 1].bytes)
		excess -= first[--n].bytes;
	if (n && excess) {
		struct blk_segment *last = &first[n - 1];

		last->bytes -= excess;
		io->rest = (struct blk_segment){
			.bus = last->bus + last->bytes,
			.bytes = excess,
			.data = (uint8_t *)last->data + last->bytes,
		};
	}
	io->request.segment = first;
	io->request.segments = n;
	io->request.sectors = bytes / BLK_SECTOR;
}

/* The disk has done its piece: go behind it. */
static void direct_advance(struct blk_io *io)
{
	io->at += io->request.segments;
	if (!io->rest.bytes)
		return;
	io->segment[--io->at] = io->rest;
	io->rest.bytes = 0;
}

/* Returns false if the piece would be empty. */
static bool make_piece(struct blk_io *io)
{
	if (io->bounce)
		bounce_piece(io);
	else
		direct_piece(io, io->blk->disk);
	return io->request.sectors;
}

/* A driver that knows no flush expects each write to last (5.2.6.2). */
static bool make_flush(struct blk_io *io)
{
	if (io->request.op != BLK_WRITE || io->blk->unsafe ||
	    (io->blk->dev->state->negotiated & VIRTIO_BLK_F_FLUSH))
		return false;
	io->request.op = BLK_FLUSH;
	io->request.sectors = 0;
	io->request.segments = 0;
	return true;
}

static void end(struct blk_io *io, enum blk_status status)
{
	struct blk *blk = io->blk;
	bool bounced = blk->bouncing == io;

	blk_io_done(io, status);
	if (!bounced)
		return;
	blk->bouncing = NULL;
	bounce_next(blk);
}

/* The disk has done a piece. Returns true if there is another one to do; else the io has ended. */
static bool advance(struct blk_io *io)
{
	struct blk_request *request = &io->request;
	enum blk_status status = io->result;

	if (status == BLK_OK && io->bounce && request->op == BLK_READ)
		bounce_copy(io, request->sectors * BLK_SECTOR, true);
	io->done += request->sectors;
	if (status == BLK_OK && io->done >= io->sectors && make_flush(io))
		return true;
	if (status == BLK_OK && io->done < io->sectors && io->blk->stopping)
		status = BLK_IOERR;
	if (status != BLK_OK || io->done >= io->sectors) {
		end(io, status);
		return false;
	}
	request->sector += request->sectors;
	if (!io->bounce)
		direct_advance(io);
	if (make_piece(io))
		return true;
	end(io, BLK_IOERR);
	return false;
}

/* Starts the piece that io->request has. Pieces that end at once do not nest: the loop goes on with
 * the next. */
static void run(struct blk_io *io)
{
	do {
		io->again = false;
		io->working = true;
		blk_submit(io->blk->disk, &io->request);
		io->working = false;
	} while (io->again && advance(io));
}

static void piece_done(struct blk_request *request, enum blk_status status)
{
	struct blk_io *io = request->context;
	struct vm *vm = io->blk->dev->vm;
	uint64_t start = rdtsc();

	io->result = status;
	io->again = true;
	if (io->working)
		return;
	if (advance(io))
		run(io);
	vm->dom0_tsc += rdtsc() - start;
}

void blk_io_start(struct blk_io *io)
{
	struct blkdev *disk = io->blk->disk;

	io->request.done = piece_done;
	if (io->request.op == BLK_READ || io->request.op == BLK_WRITE) {
		if (io->bounce) {
			bounce_start(io);
			return;
		}
		if (io->count > BLK_MAX_SEGMENTS || io->sectors > disk->max_sectors) {
			if (make_piece(io))
				run(io);
			else
				end(io, BLK_IOERR);
			return;
		}
	}
	/* The way of nearly all. */
	io->request.segment = io->segment;
	io->request.segments = io->count;
	io->request.sectors = io->sectors;
	run(io);
}

void blk_io_free_all(struct blk *blk)
{
	for (unsigned large = 0; large < 2; large++) {
		while (blk->free[large]) {
			struct blk_io *io = blk->free[large];

			blk->free[large] = io->next;
			free(io);
		}
	}
	if (blk->bounce)
		dma_free(blk->bounce, BLK_BOUNCE_BYTES);
	blk->bounce = NULL;
}
