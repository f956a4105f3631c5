/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thing after the other, each from a turn of dom0's loop of its own: the format names the next
 * extent, or the bytes that it needs to do so; a piece of the extent is read or decompressed; it is
 * written. Zeros are not written where the other device has them already.
 */
#include "guests/dom0/storage/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define INPUT      16384u     /* compressed bytes in one go */
#define ZERO_PIECE (8u << 20) /* bytes of one WRITE_ZEROES */

typedef unsigned long long llu;

struct inflation {
	z_stream stream;
	uint32_t taken; /* of the packed bytes */
	uint8_t input[INPUT];
};

static const char out_of_memory[] = "dom0 is out of memory";

/* --- ends --------------------------------------------------------------------------------------
 */

static void end_inflation(struct intake *in)
{
	if (in->inflation)
		inflateEnd(&in->inflation->stream);
	free(in->inflation);
	in->inflation = NULL;
}

static void finish(struct intake *in, const char *wrong)
{
	in->phase = INTAKE_END;
	end_inflation(in);
	in->done(in, wrong);
}

static void fail_at(struct intake *in, uint64_t where, const char *why)
{
	snprintf(in->why, sizeof(in->why), "the %s image: %s (at byte %llu)", in->format->name, why,
		 (llu)where);
	finish(in, in->why);
}

void intake_free(struct intake *in)
{
	end_inflation(in);
	free(in->plain);
	in->plain = NULL;
	in->room = 0;
}

static bool make_room(struct intake *in, uint32_t bytes)
{
	uint8_t *plain;

	if (bytes <= in->room)
		return true;
	plain = realloc(in->plain, bytes);
	if (!plain)
		return false;
	in->plain = plain;
	in->room = bytes;
	return true;
}

/* --- reads and writes --------------------------------------------------------------------------
 */

static void go_on(struct intake *in, enum intake_phase phase)
{
	in->phase = phase;
	work_queue(&in->work);
}

static void move(struct intake *in, enum transfer_kind kind, uint64_t offset, void *data,
		 uint32_t bytes, void (*done)(struct transfer *transfer, bool right))
{
	in->transfer = (struct transfer){
		.dev = kind == TRANSFER_READ ? in->source : in->to,
		.kind = kind,
		.offset = offset,
		.data = data,
		.bytes = bytes,
		.done = done,
		.context = in,
	};
	transfer_start(&in->transfer);
}

static void slice_read(struct transfer *transfer, bool right)
{
	struct intake *in = transfer->context;

	if (!right) {
		fail_at(in, in->foreign.want, "it cannot be read: I/O error");
		return;
	}
	foreign_take(&in->foreign);
	go_on(in, in->phase);
}

/* Returns true if the step is done; else the phase runs again later, or the intake has ended. */
static bool is_done(struct intake *in, enum foreign_step step)
{
	uint8_t *place;
	uint32_t bytes;

	if (step == FOREIGN_BAD)
		fail_at(in, in->foreign.where, in->foreign.why);
	if (step != FOREIGN_WAIT)
		return step == FOREIGN_DONE;
	place = foreign_place(&in->foreign, &bytes);
	move(in, TRANSFER_READ, in->foreign.want, place, bytes, slice_read);
	return false;
}

static void piece_read(struct transfer *transfer, bool right)
{
	struct intake *in = transfer->context;

	if (right)
		go_on(in, INTAKE_WRITE);
	else
		fail_at(in, in->extent.at, "it cannot be read: I/O error");
}

static void read_piece(struct intake *in)
{
	uint32_t bytes =
		in->extent.bytes < INTAKE_PIECE ? (uint32_t)in->extent.bytes : INTAKE_PIECE;

	in->plain_at = 0;
	in->plain_bytes = bytes;
	move(in, TRANSFER_READ, in->extent.at, in->plain, bytes, piece_read);
}

/* So many bytes of the disk are there. */
static void advance(struct intake *in, uint64_t bytes)
{
	in->at += bytes;
	in->extent.at += bytes;
	in->extent.bytes -= bytes;
}

static uint32_t piece_in_plain(const struct intake *in)
{
	uint32_t left = in->plain_bytes - in->plain_at;

	return left < INTAKE_PIECE ? left : INTAKE_PIECE;
}

/* The piece in `plain` is written, or is zeros that need not be. */
static void piece_done(struct intake *in)
{
	uint32_t bytes = piece_in_plain(in);

	advance(in, bytes);
	in->plain_at += bytes;
	if (in->plain_at < in->plain_bytes)
		go_on(in, INTAKE_WRITE);
	else if (!in->extent.bytes)
		go_on(in, INTAKE_NEXT);
	else
		go_on(in, in->extent.kind == FOREIGN_ZERO ? INTAKE_ZERO : INTAKE_READ);
}

static void piece_written(struct transfer *transfer, bool right)
{
	struct intake *in = transfer->context;

	if (right)
		piece_done(in);
	else
		finish(in, "the new volume cannot be written");
}

static bool is_zero(const uint8_t *bytes, uint32_t n)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, n - 1);
}

static void write_piece(struct intake *in)
{
	uint32_t bytes = piece_in_plain(in);
	uint8_t *from = in->plain + in->plain_at;

	if (in->sparse && is_zero(from, bytes))
		piece_done(in);
	else
		move(in, TRANSFER_WRITE, in->at, from, bytes, piece_written);
}

/* --- zeros -------------------------------------------------------------------------------------
 */

static void zeroed(struct blk_request *request, enum blk_status status)
{
	struct intake *in = request->context;

	/* If the device does not do that after all, the bytes are written. */
	in->no_zeroes = status != BLK_OK;
	if (status == BLK_OK)
		advance(in, (uint64_t)request->sectors * BLK_SECTOR);
	go_on(in, in->extent.bytes ? INTAKE_ZERO : INTAKE_NEXT);
}

static void write_zeros(struct intake *in)
{
	uint64_t bytes = in->extent.bytes;

	if (in->sparse) {
		advance(in, bytes);
		go_on(in, INTAKE_NEXT);
		return;
	}
	if (!in->to->can_zero || in->no_zeroes) {
		in->plain_at = 0;
		in->plain_bytes = bytes < INTAKE_PIECE ? (uint32_t)bytes : INTAKE_PIECE;
		memset(in->plain, 0, in->plain_bytes);
		go_on(in, INTAKE_WRITE);
		return;
	}
	in->zeroes = (struct blk_request){
		.op = BLK_WRITE_ZEROES,
		.sector = in->at / BLK_SECTOR,
		.sectors = (uint32_t)(bytes < ZERO_PIECE ? bytes : ZERO_PIECE) / BLK_SECTOR,
		.done = zeroed,
		.context = in,
	};
	blk_submit(in->to, &in->zeroes);
}

/* --- compressed grains -------------------------------------------------------------------------
 */

static void input_read(struct transfer *transfer, bool right)
{
	struct intake *in = transfer->context;

	if (right)
		go_on(in, INTAKE_INFLATE);
	else
		fail_at(in, in->extent.at, "it cannot be read: I/O error");
}

static void read_input(struct intake *in)
{
	struct inflation *i = in->inflation;
	uint32_t bytes = in->extent.packed - i->taken;
	uint64_t at = in->extent.at + i->taken;

	if (!bytes) {
		fail_at(in, in->extent.at, "its compressed bytes end too early");
		return;
	}
	if (bytes > INPUT)
		bytes = INPUT;
	i->taken += bytes;
	i->stream.next_in = i->input;
	i->stream.avail_in = bytes;
	move(in, TRANSFER_READ, at, i->input, bytes, input_read);
}

static void begin_inflation(struct intake *in)
{
	in->inflation = calloc(1, sizeof(*in->inflation));
	if (!in->inflation || !make_room(in, in->extent.plain) ||
	    inflateInit(&in->inflation->stream) != Z_OK) {
		free(in->inflation);
		in->inflation = NULL;
		finish(in, out_of_memory);
		return;
	}
	in->inflation->stream.next_out = in->plain;
	read_input(in);
}

static void inflate_piece(struct intake *in)
{
	z_stream *stream = &in->inflation->stream;
	uint32_t made = (uint32_t)(stream->next_out - in->plain), room = in->extent.plain - made;
	int status;

	stream->avail_out = room < INTAKE_PIECE ? room : INTAKE_PIECE;
	status = inflate(stream, Z_NO_FLUSH);
	made = (uint32_t)(stream->next_out - in->plain);
	if (status == Z_STREAM_END && made >= in->extent.bytes) {
		end_inflation(in);
		in->plain_at = 0;
		in->plain_bytes = (uint32_t)in->extent.bytes;
		go_on(in, INTAKE_WRITE);
	} else if ((status != Z_OK && status != Z_BUF_ERROR) ||
		   (status == Z_BUF_ERROR && stream->avail_in)) {
		fail_at(in, in->extent.at, "its compressed bytes are damaged");
	} else if (!stream->avail_in) {
		read_input(in);
	} else {
		go_on(in, INTAKE_INFLATE);
	}
}

/* --- the steps ---------------------------------------------------------------------------------
 */

static void flushed(struct transfer *transfer, bool right)
{
	finish(transfer->context, right ? NULL : "the new volume cannot be written");
}

static void next_extent(struct intake *in)
{
	if (in->at >= in->foreign.size) {
		move(in, TRANSFER_FLUSH, 0, NULL, 0, flushed);
		return;
	}
	if (!is_done(in, foreign_next(&in->foreign, in->at, &in->extent)))
		return;
	if (in->extent.kind == FOREIGN_PACKED)
		begin_inflation(in);
	else
		go_on(in, in->extent.kind == FOREIGN_ZERO ? INTAKE_ZERO : INTAKE_READ);
}

static void turn(struct work *work)
{
	struct intake *in = work->context;

	if (in->stop) {
		finish(in, "stopped");
		return;
	}
	switch (in->phase) {
	case INTAKE_OPEN:
		if (is_done(in, foreign_open(&in->foreign)))
			finish(in, NULL);
		break;
	case INTAKE_NEXT:
		next_extent(in);
		break;
	case INTAKE_READ:
		read_piece(in);
		break;
	case INTAKE_INFLATE:
		inflate_piece(in);
		break;
	case INTAKE_WRITE:
		write_piece(in);
		break;
	case INTAKE_ZERO:
		write_zeros(in);
		break;
	case INTAKE_END:
		break;
	}
}

void intake_open(struct intake *in)
{
	in->work = (struct work){.run = turn, .context = in};
	in->foreign.format = in->format;
	in->foreign.source = in->bytes;
	go_on(in, INTAKE_OPEN);
}

void intake_run(struct intake *in)
{
	if (make_room(in, INTAKE_PIECE))
		go_on(in, INTAKE_NEXT);
	else
		finish(in, out_of_memory);
}
