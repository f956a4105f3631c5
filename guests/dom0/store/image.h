/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A volume's bytes in memory, as far as they are in use, and what has changed of them since it was
 * last written.
 */
#pragma once

#include "guests/dom0/storage/script.h"

#define IMAGE_BLOCK 4096u

/* What goes to the volumes: the script's data are copies, since the images go on changing. */
struct outbox {
	struct script script;
	struct copy *copies;
};

struct image {
	struct blkdev *dev;
	uint64_t limit; /* bytes that the image may have, a multiple of IMAGE_BLOCK */
	uint64_t bytes; /* that it has */
	uint8_t **block;
	bool *dirty;
};

/* Makes an empty image of the device's first bytes. Returns false if memory is exhausted. */
bool image_init(struct image *image, struct blkdev *dev, uint64_t limit);
void image_free(struct image *image);

/* The caller has looked at the limit. Returns false if memory is exhausted. */
bool image_write(struct image *image, uint64_t offset, const void *data, size_t bytes);
/* Reads zeros where nothing was written. */
void image_read(const struct image *image, uint64_t offset, void *data, size_t bytes);
/* Makes the image shorter. On the disk nothing changes but for the first block of an image that is
 * empty then: it gets zeros. Returns false if memory is exhausted. */
bool image_truncate(struct image *image, uint64_t bytes);
/* All of the image is on the disk, or need not get there. */
void image_settle(struct image *image);

/*
 * Adds the blocks that have changed, and a flush, to the outbox. A block of zeros follows each run
 * of them at the image's end, so that nothing old comes behind the new. Returns false if memory is
 * exhausted.
 */
bool image_sync(struct image *image, struct outbox *outbox);
void outbox_free(struct outbox *outbox);
