/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a pool's metadata say about the images in its volumes. Tags of LVM2 hold it, so that dom0
 * never has to look into a volume, whose content a guest may have written.
 */
#pragma once

#include "guests/dom0/storage/lvm_tag.h"
#include "guests/dom0/storage/pool.h"

#define IMAGE_FORMAT 8u

/* The format that the volume's tag says, "" if there is none. */
void image_lv_format(const struct lvm_lv *lv, char format[IMAGE_FORMAT]);
/* The same for a device, "" if it is no volume. */
void image_format(const struct blkdev *dev, char format[IMAGE_FORMAT]);
/* Returns the reason if the device's tag says another format, or NULL. */
const char *image_format_disagrees(const struct blkdev *dev, const char *format);

/* The device that an image's header names as its backing file: a path as for blk_find, the
 * path of a file, or a volume of the same pool. NULL: there is none. */
struct blkdev *image_backing_dev(const struct blkdev *dev, const char *name);

/*
 * Returns the reason why the image on `dev` may not have the device as its backing file, or NULL:
 * an image from elsewhere can name any volume, and its guest would read that. The tag
 * sampo.backing=POOL/VOLUME says that the operator wants this.
 */
const char *image_backing_wrong(const struct blkdev *dev, const struct blkdev *backing);

/* The name "POOL/VOLUME" of a volume that has this one as its backing file, by its tag; NULL: there
 * is none. */
const char *image_overlay_of(const struct pool *pool, uint32_t lv);
/* Returns the reason why nobody may write the device or delete it, or NULL. */
const char *image_is_base(const struct blkdev *dev);

/* Is it a volume of a pool that Sampo changes? */
bool image_can_grow(const struct blkdev *dev);
