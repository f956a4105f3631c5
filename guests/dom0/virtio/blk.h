/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the block device (blk.c) and the work on its requests (blk_io.c). */
#pragma once

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/virtio/device.h"

/* Requests at work for one device, by the segments that they have room for. */
#define BLK_SMALL_SEGMENTS 8u
#define BLK_LARGE_SEGMENTS 256u
#define BLK_SMALL_IOS      48u
#define BLK_LARGE_IOS      8u
#define BLK_IO_BYTES       (16u << 20) /* of one request */
#define BLK_BOUNCE_BYTES   32768u

struct blk;

/* A request of the guest. It goes to the disk in one piece, or in several if
 * the driver cannot take it at once, one after the other. */
struct blk_io {
	struct blk_request request; /* the piece that the disk has */
	struct blk *blk;
	struct blk_io *next;
	uint8_t *status; /* in the guest's memory */
	uint32_t used_bytes;
	uint16_t head;
	bool large;
	bool bounce;              /* the disk cannot address the guest's buffers */
	uint32_t sectors;         /* of the whole request */
	uint32_t done;            /* sectors */
	uint32_t count;           /* segments */
	uint32_t at;              /* the first that is not done */
	uint32_t offset;          /* bounce: within it */
	struct blk_segment rest;  /* what was cut off the piece's last segment */
	struct blk_segment piece; /* bounce: the buffer */
	struct blk_segment segment[];
};

struct blk {
	struct virtio_device *dev;
	struct blkdev *disk;
	struct work work;
	bool more;     /* chains wait that were not looked at for some reason */
	bool starved;  /* they wait for a request to be done */
	bool stopping; /* the guest no longer waits for what is in flight */
	bool detached;
	unsigned in_flight;
	unsigned ios[2]; /* allocated, by size */
	struct blk_io *free[2];
	/* One request at a time uses the bounce buffer. */
	void *bounce;
	uint64_t bounce_bus;
	struct blk_io *bouncing, *waiting, *last_waiting;
	struct virtio_blk_stats stats;
};

/* An idle request with room for so many segments; NULL: all are at work. */
struct blk_io *blk_io_get(struct blk *blk, unsigned segments);
void blk_io_put(struct blk_io *io);

/* Adds a buffer of the guest. false: more segments than there is room for. */
bool blk_io_add(struct blk_io *io, struct vm *vm, uint64_t gpa, uint8_t *data, uint32_t bytes);
/* Starts it; request.op and .sector are set. Ends with blk_io_done. */
void blk_io_start(struct blk_io *io);
/* Ends those that wait for the bounce buffer. */
void blk_io_cancel(struct blk *blk);
void blk_io_free_all(struct blk *blk);

/* blk.c */
void blk_io_done(struct blk_io *io, enum blk_status status);
