/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compressed clusters: zlib's deflate without a header, in a window of 4 KiB at most. The bytes
 * come from the device in pieces, and the image keeps the content of the last cluster, since a
 * guest reads it in pieces, too.
 */
#include "guests/dom0/storage/qcow2.h"

#include <stdlib.h>
#include <zlib.h>

#define PIECE  16384u /* of the compressed bytes */
#define OUTPUT 65536u /* in one go: then the others have their turn */

struct qcow2_inflate {
	z_stream stream;
	uint64_t at; /* compressed bytes that came */
	uint64_t entry;
	uint8_t input[PIECE];
};

void qcow2_inflate_free(struct qcow2 *q)
{
	if (q->inflate)
		inflateEnd(&q->inflate->stream);
	free(q->inflate);
	q->inflate = NULL;
}

static bool begin(struct qcow2 *q, uint64_t entry)
{
	struct qcow2_inflate *in;

	if (!q->plain)
		q->plain = malloc(q->cluster);
	in = q->plain ? calloc(1, sizeof(*in)) : NULL;
	if (!in)
		return false;
	q->plain_of = 0;
	in->entry = entry;
	in->stream.next_out = q->plain;
	/* A negative number of bits: no header. */
	if (inflateInit2(&in->stream, -12) != Z_OK) {
		free(in);
		return false;
	}
	q->inflate = in;
	return true;
}

static enum qcow2_step end(struct qcow2 *q, enum qcow2_step step)
{
	if (step == STEP_DONE)
		q->plain_of = q->inflate->entry;
	qcow2_inflate_free(q);
	return step;
}

/* The next piece of what the entry says, as far as the device has it. */
static enum qcow2_step read_piece(struct qcow2 *q, struct qcow2_inflate *in)
{
	struct qcow2_packed packed = qcow2_packed(in->entry, q->header.cluster_bits);
	uint64_t device = q->below->sectors * BLK_SECTOR, offset = packed.offset + in->at;
	uint64_t n = packed.bytes - in->at;

	if (offset >= device || in->at >= packed.bytes)
		return end(q, STEP_FAIL);
	if (n > device - offset)
		n = device - offset;
	if (n > PIECE)
		n = PIECE;
	in->at += n;
	in->stream.next_in = in->input;
	in->stream.avail_in = (uInt)n;
	return qcow2_transfer(q, q->below, TRANSFER_READ, offset, in->input, (size_t)n);
}

enum qcow2_step qcow2_inflate(struct qcow2 *q, uint64_t entry)
{
	struct qcow2_inflate *in;
	uint64_t made, room;
	int status;

	if (q->plain_of == entry)
		return STEP_DONE;
	if (!q->inflate && !begin(q, entry))
		return STEP_FAIL;
	in = q->inflate;
	if (!in->stream.avail_in)
		return read_piece(q, in);
	made = (uint64_t)(in->stream.next_out - q->plain);
	room = q->cluster - made;
	in->stream.avail_out = (uInt)(room < OUTPUT ? room : OUTPUT);
	status = inflate(&in->stream, Z_NO_FLUSH);
	made = (uint64_t)(in->stream.next_out - q->plain);
	if (made == q->cluster)
		return end(q, STEP_DONE);
	if (status != Z_OK && status != Z_BUF_ERROR)
		return end(q, STEP_FAIL);
	if (!in->stream.avail_in)
		return read_piece(q, in);
	return qcow2_yield(q);
}
