/* SPDX-License-Identifier: BSD-2-Clause */
/* New images, and what an image's header says. */
#pragma once

#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/image.h"

/* What the header of the image on a device says, without a claim on the device. */
struct image_look {
	struct blkdev *dev; /* in `done` it may be gone */
	struct qcow2_header header;
	const char *wrong; /* NULL: header is right */
	/* Called once, from the event loop or at once. */
	void (*done)(struct image_look *look);
	void *context;
	struct transfer transfer;
	uint8_t *head;
	size_t bytes;
};
void image_look(struct image_look *look);

/* A new volume with an empty qcow2 image in it. */
struct image_order {
	struct pool *pool;
	const char *name;
	uint64_t capacity;   /* bytes; 0: as many as the backing file has */
	uint64_t allocation; /* bytes that the volume has at least */
	/* Its backing file; NULL: none. */
	struct pool *base_pool;
	uint32_t base;
	const char *base_format;
	const char *file; /* its path (path.h), right and free; NULL: none */
	const char *mark; /* one more tag, KEY=VALUE; NULL: none */
};

/* Is an image being made, or another change of a pool at work? */
bool image_make_is_running(void);

/* Returns the reason against it, or NULL: `done` is called later or at once, as that of a change.
 */
const char *image_make(const struct image_order *order, change_done *done);
