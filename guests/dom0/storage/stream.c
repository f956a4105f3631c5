/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/stream.h"

#include <string.h>

#include "drivers/env.h"

#define HASH_STEP 16384u /* bytes between two looks at the events of guests */

static void write_on(struct stream_slot *slot);

static struct stream_slot *slot_at(struct stream *s, unsigned n)
{
	return &s->slot[(s->first + n) % STREAM_SLOTS];
}

/* --- slots that are done -----------------------------------------------------------------------
 */

static bool is_done(const struct stream *s, const struct stream_slot *slot)
{
	return slot->closed && slot->written == slot->bytes &&
	       (!s->hashes || slot->hashed == slot->bytes);
}

/* Frees slots in their order, and tells the caller. */
static void look(struct stream *s)
{
	unsigned before = s->count;
	void (*settled)(struct stream * stream) = s->settled;

	while (s->count && is_done(s, slot_at(s, 0))) {
		s->first = (s->first + 1) % STREAM_SLOTS;
		s->count--;
	}
	if (settled && !s->in_flight && (s->wrong || !s->count)) {
		s->settled = NULL;
		settled(s);
	} else if (!settled && (s->wrong || s->count < before)) {
		s->room(s);
	}
}

/* --- writing -----------------------------------------------------------------------------------
 */

static void written(struct blk_request *request, enum blk_status status)
{
	struct stream_slot *slot = request->context;
	struct stream *s = slot->stream;

	s->in_flight--;
	slot->written += slot->segment.bytes;
	if (slot->written > slot->bytes) /* the last block has zeros behind the bytes */
		slot->written = slot->bytes;
	if (status != BLK_OK && !s->wrong)
		s->wrong = "the volume cannot be written: I/O error";
	if (!s->wrong && slot->written < slot->bytes)
		write_on(slot);
	else
		look(s);
}

/* The next part of a slot, as large as the device takes. */
static void write_on(struct stream_slot *slot)
{
	struct blkdev *dev = slot->stream->dev;
	uint32_t block = dev->logical_block, left = slot->bytes - slot->written;
	uint64_t most = (uint64_t)dev->max_sectors * BLK_SECTOR / block * block;
	uint32_t bytes = (left + block - 1) / block * block;

	if (bytes > most)
		bytes = (uint32_t)most;
	slot->segment = (struct blk_segment){
		.bus = slot->bus + slot->written,
		.bytes = bytes,
		.data = slot->data + slot->written,
	};
	slot->request = (struct blk_request){
		.op = BLK_WRITE,
		.sector = (slot->at + slot->written) / BLK_SECTOR,
		.sectors = bytes / BLK_SECTOR,
		.segments = 1,
		.segment = &slot->segment,
		.done = written,
		.context = slot,
	};
	slot->stream->in_flight++;
	blk_submit(dev, &slot->request);
}

static void close_slot(struct stream *s, struct stream_slot *slot)
{
	memset(slot->data + slot->bytes, 0, STREAM_SLOT - slot->bytes);
	slot->closed = true;
	if (s->hashes)
		work_queue(&s->work);
	write_on(slot);
}

/* --- hashing -----------------------------------------------------------------------------------
 */

/* One step of the first slot that is not through. */
static void hash_on(struct work *work)
{
	struct stream *s = work->context;

	for (unsigned n = 0; n < s->count && !s->wrong; n++) {
		struct stream_slot *slot = slot_at(s, n);
		uint32_t left = slot->bytes - slot->hashed;

		if (!slot->closed || !left)
			continue;
		if (left > HASH_STEP)
			left = HASH_STEP;
		mbedtls_sha256_update(&s->sha, slot->data + slot->hashed, left);
		slot->hashed += left;
		work_queue(work);
		look(s);
		return;
	}
}

void stream_hash(struct stream *s, uint8_t hash[STREAM_HASH])
{
	mbedtls_sha256_finish(&s->sha, hash);
}

/* --- the caller's side --------------------------------------------------------------------------
 */

bool stream_open(struct stream *s, bool hashes)
{
	s->put = 0;
	s->wrong = NULL;
	s->settled = NULL;
	s->first = s->count = s->in_flight = 0;
	s->hashes = hashes;
	s->work.run = hash_on;
	s->work.context = s;
	mbedtls_sha256_init(&s->sha);
	mbedtls_sha256_starts(&s->sha, 0);
	for (unsigned n = 0; n < STREAM_SLOTS; n++) {
		s->slot[n].stream = s;
		s->slot[n].data = dma_alloc(STREAM_SLOT, &s->slot[n].bus);
		if (s->slot[n].data)
			continue;
		stream_close(s);
		return false;
	}
	return true;
}

void stream_close(struct stream *s)
{
	s->count = 0;
	mbedtls_sha256_free(&s->sha);
	for (unsigned n = 0; n < STREAM_SLOTS; n++) {
		dma_free(s->slot[n].data, STREAM_SLOT);
		s->slot[n].data = NULL;
	}
}

/* The slot that takes bytes, or NULL: all are full. */
static struct stream_slot *open_slot(struct stream *s)
{
	struct stream_slot *slot = s->count ? slot_at(s, s->count - 1) : NULL;

	if (slot && !slot->closed)
		return slot;
	if (s->count == STREAM_SLOTS)
		return NULL;
	slot = slot_at(s, s->count++);
	slot->at = s->put;
	slot->bytes = slot->written = slot->hashed = 0;
	slot->closed = false;
	return slot;
}

size_t stream_put(struct stream *s, const uint8_t *data, size_t bytes)
{
	uint64_t end = s->dev->sectors * BLK_SECTOR;
	size_t taken = 0;

	if (bytes > end - s->put)
		bytes = (size_t)(end - s->put);
	while (taken < bytes && !s->wrong) {
		struct stream_slot *slot = open_slot(s);
		size_t n = bytes - taken;

		if (!slot)
			break;
		if (n > STREAM_SLOT - slot->bytes)
			n = STREAM_SLOT - slot->bytes;
		memcpy(slot->data + slot->bytes, data + taken, n);
		slot->bytes += (uint32_t)n;
		s->put += n;
		taken += n;
		if (slot->bytes == STREAM_SLOT)
			close_slot(s, slot);
	}
	return taken;
}

void stream_settle(struct stream *s, void (*settled)(struct stream *stream))
{
	struct stream_slot *last = s->count ? slot_at(s, s->count - 1) : NULL;

	s->settled = settled;
	if (last && !last->closed && !s->wrong)
		close_slot(s, last);
	else
		look(s);
}

void stream_cancel(struct stream *s, const char *why)
{
	if (!s->wrong)
		s->wrong = why;
}
