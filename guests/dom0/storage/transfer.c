/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transfer goes in pieces through a buffer that devices reach. A piece that begins or ends within
 * a block of the device is written as whole blocks, which are read before.
 */
#include "guests/dom0/storage/transfer.h"

#include <string.h>

#include "drivers/env.h"

#define BUFFER_BYTES 32768u

static void finish(struct transfer *t, bool right)
{
	dma_free(t->buffer, BUFFER_BYTES);
	t->buffer = NULL;
	t->done(t, right);
}

static void make_write(struct transfer *t)
{
	memcpy(t->buffer + t->before, t->data, t->piece);
	t->request.op = BLK_WRITE;
}

static void make_piece(struct transfer *t)
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
	t->request.op = BLK_READ;
	if (t->kind == TRANSFER_WRITE && !t->before && t->piece == whole)
		make_write(t);
}

/* The device has done a request. Returns true if there is another one to do; else the transfer has
 * ended. */
static bool advance(struct transfer *t)
{
	if (!t->right) {
		finish(t, false);
		return false;
	}
	if (t->kind == TRANSFER_WRITE && t->request.op == BLK_READ) {
		make_write(t);
		return true;
	}
	if (t->kind == TRANSFER_READ)
		memcpy(t->data, t->buffer + t->before, t->piece);
	t->offset += t->piece;
	t->data += t->piece;
	t->bytes -= t->piece;
	if (!t->bytes) {
		finish(t, true);
		return false;
	}
	make_piece(t);
	return true;
}

/* Requests that end at once do not nest: the loop goes on with the next. */
static void run(struct transfer *t)
{
	do {
		t->again = false;
		t->working = true;
		blk_submit(t->dev, &t->request);
		t->working = false;
	} while (t->again && advance(t));
}

static void request_done(struct blk_request *request, enum blk_status status)
{
	struct transfer *t = request->context;

	t->right = status == BLK_OK;
	t->again = true;
	if (!t->working && advance(t))
		run(t);
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
		t->request.op = BLK_FLUSH;
		t->request.done = flushed;
		blk_submit(t->dev, &t->request);
		return;
	}
	t->request.done = request_done;
	t->request.segments = 1;
	t->buffer = dma_alloc(BUFFER_BYTES, &t->segment.bus);
	t->segment.data = t->buffer;
	if (!t->buffer || !t->bytes) {
		finish(t, t->buffer);
		return;
	}
	make_piece(t);
	run(t);
}
