/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clusters of zstd's kind: one frame (RFC 8878) that may have other bytes behind it.
 *
 * The decoder writes to where the cluster's content is to be, so it finds there what a block refers
 * to, and needs no window of its own, whatever the frame's header asks for. It takes a header or a
 * block at a time, 128 KiB of content at most, and the input of each has to lie in one piece: the
 * bytes are gathered until it is whole.
 *
 * A decoder and the block that is gathered take some 230 KiB, so all images share one: an image
 * that finds it taken waits in a list for its turn.
 */
#define ZSTD_STATIC_LINKING_ONLY /* the functions for blocks */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "guests/dom0/storage/qcow2_unpack.h"

#define BLOCK (128u << 10) /* RFC 8878, 3.1.1.2.4: Block_Maximum_Size */

struct decoder {
	ZSTD_DCtx *context;
	size_t gathered;
	uint8_t block[BLOCK];
};

static bool taken;
static struct qcow2 *first_waiting, *last_waiting;

/* The image's lane counts as busy until give_back() plans its turn. */
static enum qcow2_step wait_for_decoder(struct qcow2 *q)
{
	q->busy = true;
	q->waits_next = NULL;
	if (first_waiting)
		last_waiting->waits_next = q;
	else
		first_waiting = q;
	last_waiting = q;
	return STEP_WAIT;
}

static void give_back(void)
{
	struct qcow2 *q = first_waiting;

	taken = false;
	if (!q)
		return;
	first_waiting = q->waits_next;
	work_queue(&q->turn);
}

static enum qcow2_step begin(struct qcow2_unpack *u, struct qcow2 *q)
{
	struct decoder *d;

	if (taken)
		return wait_for_decoder(q);
	d = malloc(sizeof(*d));
	if (!d)
		return STEP_FAIL;
	d->gathered = 0;
	d->context = ZSTD_createDCtx();
	if (!d->context || ZSTD_isError(ZSTD_decompressBegin(d->context))) {
		ZSTD_freeDCtx(d->context);
		free(d);
		return STEP_FAIL;
	}
	taken = true;
	u->state = d;
	return STEP_DONE;
}

static void end(struct qcow2_unpack *u)
{
	struct decoder *d = u->state;

	if (!d)
		return;
	ZSTD_freeDCtx(d->context);
	free(d);
	u->state = NULL;
	give_back();
}

/* Takes input until there are so many bytes. Returns false if there are not enough. */
static bool gather(struct decoder *d, struct qcow2_unpack *u, size_t needed)
{
	size_t n = needed - d->gathered;

	if (n > u->left)
		n = u->left;
	memcpy(d->block + d->gathered, u->next, n);
	d->gathered += n;
	u->next += n;
	u->left -= n;
	return d->gathered == needed;
}

static enum unpack_result step(struct qcow2_unpack *u)
{
	struct decoder *d = u->state;
	size_t needed = ZSTD_nextSrcSizeToDecompress(d->context), made;

	/* The frame ends before the cluster does, or a frame of another kind has more to skip. */
	if (!needed || needed > BLOCK)
		return UNPACK_BAD;
	if (!gather(d, u, needed))
		return UNPACK_MORE;
	d->gathered = 0;
	made = ZSTD_decompressContinue(d->context, u->plain + u->made, (size_t)(u->bytes - u->made),
				       d->block, needed);
	if (ZSTD_isError(made))
		return UNPACK_BAD;
	u->made += made;
	return u->made == u->bytes ? UNPACK_FULL : UNPACK_TURN;
}

const struct unpack_kind qcow2_zstd = {.begin = begin, .step = step, .end = end};
