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
	bool working, again;      /* within blk_submit; the piece has ended */
	enum blk_status result;   /* of the piece */
	uint32_t sectors;         /* of the whole request */
	uint32_t done;            /* sectors */
	uint32_t count;           /* segments */
	uint32_t at;              /* the first that is not done */
	uint32_t offset;          /* bounce: within it */
	struct blk_segment rest;  /* what was cut off the piece's last segment */
	struct blk_segment piece; /* bounce: the buffer */
	struct blk_segment segment[];
};

struct image;
struct config_disk;

struct blk {
	struct virtio_device *dev;
	struct blkdev *disk;    /* NULL: the image is not open */
	struct blk_watch watch; /* the disk's */
	struct image *image;    /* NULL: the disk is a device of the machine */
	/* The volume of the image, which goes with the disk; NULL: none. */
	struct transient *transient;
	const char *wrong; /* the reason why it cannot be opened */
	bool fresh;
	bool full;    /* a write to the image waits for room */
	bool retry;   /* it is to look again */
	bool leaving; /* the image writes out what it has */
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
	bool bounce_loop;      /* bounce_next is at work */
	struct blk_tune *tune; /* NULL: the disk may work as fast as it can */
	bool unsafe;           /* flushes have no effect */
	uint8_t policy[2];     /* for errors of reads and of others: POLICY_* */
	/* Heads of requests that failed and wait until the guest goes on. */
	uint64_t held[VIRTIO_QUEUE_SIZE / 64];
	unsigned held_count;
	/* Heads in flight whose requests are to be done again, as far as there is room for them. */
	uint64_t again[VIRTIO_QUEUE_SIZE / 64];
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

struct config_iotune;

/* blk_tune.c. Makes blk->tune if the description limits the disk. false: out of memory. */
bool blk_tune_make(struct blk *blk, const struct config_iotune *iotune);
/* For a disk with limits: true if the request waits, and is started later. */
bool blk_tune_holds(struct blk_io *io);
/* Ends those that wait. */
void blk_tune_cancel(struct blk *blk);
void blk_tune_free(struct blk *blk);

/* blk_error.c, for requests that have failed. */
void blk_error_policy(struct blk *blk, const struct config_disk *disk);
/* Shall the driver not hear of it? */
bool blk_error_ignored(const struct blk_io *io);
/* Shall the guest stand still when the disk has no room? */
bool blk_error_waits_for_room(const struct blk *blk);
/* true: the guest is stopped, and the request is to be done again when it goes on. */
bool blk_error_holds(const struct blk_io *io);
/* Forgets the requests that are held, and those that are to be done again. */
void blk_error_forget(struct blk *blk);
/* The requests that are held are to be done again. */
void blk_error_release(struct blk *blk);
/* The first head whose request is to be done again, or -1. */
int blk_error_next(const struct blk *blk);
void blk_error_started(struct blk *blk, uint16_t head);

/* blk_image.c: opens what the disk lies on; blk->disk is set at once, or later for an image.
 * Returns the reason why that cannot be, or NULL. */
const char *blk_source_open(struct blk *blk, const struct config_disk *disk);
/* The guest ends: true if the image has still to be closed; the device becomes quiet then. */
bool blk_source_leave(struct blk *blk);
/* Writes that wait for room fail, or look again. */
void blk_source_give_up(struct blk *blk);
void blk_source_resume(struct blk *blk);
void blk_source_retry(struct blk *blk);
void blk_source_close(struct blk *blk);

/* blk.c */
/* Tells the driver what the disk is like. */
void blk_offer(struct blk *blk, const struct config_disk *disk);
void blk_io_done(struct blk_io *io, enum blk_status status);
