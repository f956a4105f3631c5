/* SPDX-License-Identifier: BSD-2-Clause */
/* Clusters of zlib's kind: deflate without a header, in a window of 4 KiB at most. */
#include <stdlib.h>
#include <zlib.h>

#include "guests/dom0/storage/qcow2_unpack.h"

#define OUTPUT 65536u /* in one go */

static enum qcow2_step begin(struct qcow2_unpack *u, struct qcow2 *q)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	(void)q;
	if (!stream)
		return STEP_FAIL;
	/* A negative number of bits: no header. */
	if (inflateInit2(stream, -12) != Z_OK) {
		free(stream);
		return STEP_FAIL;
	}
	u->state = stream;
	return STEP_DONE;
}

static void end(struct qcow2_unpack *u)
{
	if (u->state)
		inflateEnd(u->state);
	free(u->state);
	u->state = NULL;
}

static enum unpack_result step(struct qcow2_unpack *u)
{
	z_stream *stream = u->state;
	uint64_t room = u->bytes - u->made;
	int status;

	stream->next_in = (Bytef *)u->next;
	stream->avail_in = (uInt)u->left;
	stream->next_out = u->plain + u->made;
	stream->avail_out = (uInt)(room < OUTPUT ? room : OUTPUT);
	status = inflate(stream, Z_NO_FLUSH);
	u->made = (uint64_t)(stream->next_out - u->plain);
	u->next = stream->next_in;
	u->left = stream->avail_in;
	if (u->made == u->bytes)
		return UNPACK_FULL;
	if (status != Z_OK && status != Z_BUF_ERROR)
		return UNPACK_BAD;
	return u->left ? UNPACK_TURN : UNPACK_MORE;
}

const struct unpack_kind qcow2_zlib = {.begin = begin, .step = step, .end = end};
