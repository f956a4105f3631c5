/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images that are open: the qcow2 images of guests, and the chain of backing files of each, raw or
 * qcow2. A backing file is open once for all images that have it, and read only.
 */
#pragma once

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/qcow2.h"
#include "guests/dom0/storage/qcow2_rewrite.h"

#define IMAGE_CHAIN 16u
#define IMAGE_WHY   192u

enum image_state { IMAGE_OPENING, IMAGE_OPEN, IMAGE_FAILED, IMAGE_CLOSING };

struct image {
	struct blkdev *below;
	struct blkdev *dev;  /* the content; NULL before the image is open */
	struct qcow2 *qcow2; /* NULL: raw */
	struct image *backing;
	struct image *opened_by; /* the image that has asked first, or NULL */
	struct image *next;
	enum image_state state;
	unsigned users;
	bool writable, raw, claimed;
	bool waits;   /* for its backing file */
	bool written; /* closing: nothing is in memory any more */
	char user[96];
	char why[IMAGE_WHY]; /* IMAGE_FAILED: the reason */
	struct qcow2_header header;
	uint8_t *head, *l1, *table;
	struct qcow2_rewrite *rewrite; /* of an image that was left dirty; NULL: not at work */
	struct transfer transfer;
	struct work work; /* tells the users, or frees the image */
	struct timer grow_again;
	uint64_t grow_bytes;
	/* Called from the event loop: the image is open or has failed. */
	void (*opened)(struct image *image);
	/* Called from the event loop: the device below has no user any more. */
	void (*closed)(void *context);
	/* A write waits for room; returns false if it is to fail. NULL: it fails. */
	bool (*full)(struct image *image, const char *why);
	void *context;
};

/*
 * Opens the qcow2 image on a device for a user. Returns NULL if memory is exhausted or the device
 * has a user, with the reason in *wrong; else `opened` is called later. The image ends with
 * image_close in any case.
 */
struct image *image_open(struct blkdev *below, const char *user, bool writable,
			 void (*opened)(struct image *image), void *context, const char **wrong);
/* Writes out what is in memory. `closed` may be NULL. The image has no request at work. */
void image_close(struct image *image, void (*closed)(void *context), void *context);

/* The image that is open on the device, or NULL. */
struct image *image_on(const struct blkdev *below);

/* image_grow.c: for struct qcow2. */
void image_grow(struct qcow2 *qcow2, uint64_t bytes);
void image_grow_stop(struct image *image);
