/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transfer goes in pieces through a buffer that devices reach. A piece that begins or ends within
 * a block of the device is written as whole blocks, which are read before.
 */
#include "guests/dom0/storage/transfer.h"

#include <string.h>

#include "drivers/env.h"

#define BUFFER_BYTES 32768u

static void next_piece(struct transfer *t);

static void finish(struct transfer *t, bool right)
{
	dma_free(t->buffer, BUFFER_BYTES);
	t->buffer = NULL;
	t->done(t, right);
}

static void piece_done(struct transfer *t)
{
	t->offset += t->piece;
	t->data += t->piece;
	t->bytes -= t->piece;
	if (t->bytes)
		next_piece(t);
	else
		finish(t, true);
}

static void written(struct blk_request *request, enum blk_status status)
{
	struct transfer *t = request->context;

	if (status == BLK_OK)
		piece_done(t);
	else
		finish(t, false);
}

static void submit(struct transfer *t, enum blk_op op,
		   void (*done)(struct blk_request *request, enum blk_status status))
{
	t->request.op = op;
	t->request.done = done;
	blk_submit(t->dev, &t->request);
}

static void write_piece(struct transfer *t)
{
	memcpy(t->buffer + t->before, t->data, t->piece);
	submit(t, BLK_WRITE, written);
}

static void read_done(struct blk_request *request, enum blk_status status)
{
	struct transfer *t = request->context;

	if (status != BLK_OK) {
		finish(t, false);
	} else if (t->kind == TRANSFER_WRITE) {
		write_piece(t);
	} else {
		memcpy(t->data, t->buffer + t->before, t->piece);
		piece_done(t);
	}
}

static void next_piece(struct transfer *t)
{
	uint32_t block = t->dev->logical_block;
	uint32_t most = BUFFER_BYTES / block * block;
	uint64_t whole;

	if (most / BLK_SECTOR > t->dev->max_sectors)
		most = t->dev->max_sectors * BLK_SECTOR / block * block;
	t->before = (uint32_t)(t->offset % block);
	whole = (t->before + (uint64_t)t->bytes + block - 1) / block * block;
	if (whole > most)
		whole = most;
	t->piece = (uint32_t)whole - t->before;
	if (t->piece > t->bytes)
		t->piece = (uint32_t)t->bytes;
	t->segment.bytes = (uint32_t)whole;
	t->request.sector = (t->offset - t->before) / BLK_SECTOR;
	t->request.sectors = (uint32_t)whole / BLK_SECTOR;
	if (t->kind == TRANSFER_WRITE && !t->before && t->piece == whole)
		write_piece(t);
	else
		submit(t, BLK_READ, read_done);
}

static void flushed(struct blk_request *request, enum blk_status status)
{
	struct transfer *t = request->context;

	t->done(t, status == BLK_OK);
}

void transfer_start(struct transfer *t)
{
	t->request = (struct blk_request){.context = t, .segment = &t->segment};
	if (t->kind == TRANSFER_FLUSH) {
		submit(t, BLK_FLUSH, flushed);
		return;
	}
	t->request.segments = 1;
	t->buffer = dma_alloc(BUFFER_BYTES, &t->segment.bus);
	t->segment.data = t->buffer;
	if (t->buffer && t->bytes)
		next_piece(t);
	else
		finish(t, t->buffer);
}
