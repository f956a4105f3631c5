/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compressed clusters. The bytes come from the device in pieces, and so does the work on them; the
 * image keeps the content of the last cluster, since a guest reads it in pieces, too.
 */
#include "guests/dom0/storage/qcow2_unpack.h"

#include <stdlib.h>

void qcow2_unpack_free(struct qcow2 *q)
{
	if (q->unpack)
		q->unpack->kind->end(q->unpack);
	free(q->unpack);
	q->unpack = NULL;
}

static enum qcow2_step begin(struct qcow2 *q, const struct unpack_kind *kind, uint64_t entry)
{
	struct qcow2_unpack *u;
	enum qcow2_step step;

	if (!q->plain)
		q->plain = malloc(q->cluster);
	u = q->plain ? calloc(1, sizeof(*u)) : NULL;
	if (!u)
		return STEP_FAIL;
	q->plain_of = 0;
	q->unpack = u;
	u->kind = kind;
	u->entry = entry;
	u->plain = q->plain;
	u->bytes = q->cluster;
	step = kind->begin(u, q);
	if (step != STEP_DONE)
		qcow2_unpack_free(q);
	return step;
}

static enum qcow2_step end(struct qcow2 *q, enum qcow2_step step)
{
	if (step == STEP_DONE)
		q->plain_of = q->unpack->entry;
	qcow2_unpack_free(q);
	return step;
}

/* The next piece of what the entry says, as far as the device has it. */
static enum qcow2_step read_piece(struct qcow2 *q, struct qcow2_unpack *u)
{
	struct qcow2_packed packed = qcow2_packed(u->entry, q->header.cluster_bits);
	uint64_t device = q->below->sectors * BLK_SECTOR, offset = packed.offset + u->at;
	uint64_t n = packed.bytes - u->at;

	if (offset >= device || u->at >= packed.bytes)
		return end(q, STEP_FAIL);
	if (n > device - offset)
		n = device - offset;
	if (n > UNPACK_PIECE)
		n = UNPACK_PIECE;
	u->at += n;
	u->next = u->input;
	u->left = (size_t)n;
	return qcow2_transfer(q, q->below, TRANSFER_READ, offset, u->input, (size_t)n);
}

enum qcow2_step qcow2_unpack(struct qcow2 *q, uint64_t entry)
{
	enum qcow2_step step = STEP_DONE;

	if (q->plain_of == entry)
		return STEP_DONE;
	if (!q->unpack)
		step = begin(q, q->header.zstd ? &qcow2_zstd : &qcow2_zlib, entry);
	if (step != STEP_DONE)
		return step;
	if (!q->unpack->left)
		return read_piece(q, q->unpack);
	switch (q->unpack->kind->step(q->unpack)) {
	case UNPACK_MORE:
		return read_piece(q, q->unpack);
	case UNPACK_TURN:
		return qcow2_yield(q);
	case UNPACK_FULL:
		return end(q, STEP_DONE);
	case UNPACK_BAD:
		break;
	}
	return end(q, STEP_FAIL);
}
