/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that come in order go to a device, from its first byte on, through a buffer of a fixed
 * size: some pieces of it fill while others are written and hashed.
 */
#pragma once

#include <mbedtls/sha256.h>

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"

#define STREAM_SLOTS 8u
#define STREAM_SLOT  65536u
#define STREAM_HASH  32u /* bytes of a SHA-256 */

struct stream_slot {
	uint8_t *data;
	uint64_t bus, at; /* at: where it goes on the device */
	uint32_t bytes, written, hashed;
	bool closed; /* no more bytes come: it is being written */
	struct blk_request request;
	struct blk_segment segment;
	struct stream *stream;
};

/* Zeros at first. */
struct stream {
	struct blkdev *dev; /* the caller's; may change while nothing is in flight */
	/* The caller's, called from the event loop: there is room again, or an error has come. */
	void (*room)(struct stream *stream);
	uint64_t put;      /* bytes taken */
	const char *wrong; /* the first error, NULL: none */
	/* stream.c's own */
	struct stream_slot slot[STREAM_SLOTS];
	unsigned first, count; /* slots in use; the last may be open */
	unsigned in_flight;    /* requests */
	bool hashes;
	mbedtls_sha256_context sha;
	struct work work;
	void (*settled)(struct stream *stream);
};

/* Takes memory and begins at byte 0. Returns false if there is no memory. */
bool stream_open(struct stream *stream, bool hashes);
/* Returns how many of the bytes are taken: fewer if the buffer is full, or at the device's end. */
size_t stream_put(struct stream *stream, const uint8_t *data, size_t bytes);
/* Calls `settled`, from the event loop or at once, when all that has been put is on the device and
 * hashed, or an error has come and no request is in flight. Nothing is put meanwhile. */
void stream_settle(struct stream *stream, void (*settled)(struct stream *stream));
/* Nothing that is not in flight yet is written any more: an error, as far as stream_settle goes. */
void stream_cancel(struct stream *stream, const char *why);
/* The SHA-256 of all bytes, once, after stream_settle. */
void stream_hash(struct stream *stream, uint8_t hash[STREAM_HASH]);
/* Gives the memory back; no request is in flight. */
void stream_close(struct stream *stream);
