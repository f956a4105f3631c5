/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paths of files by which descriptions of guests name volumes. A volume has its path as a tag
 * (LVM_KEY_PATH), so that path and volume are committed together. Volumes of pools that Sampo
 * writes have paths, others have none.
 */
#pragma once

#include "guests/dom0/storage/pool.h"

/* A path right in this folder that no tag names is the volume of the file's name, with or without
 * its ending, if there is one such volume alone. */
#define PATH_FOLDER "/var/lib/libvirt/images/"

/* Finds the volume of a path. Returns NULL, or the reason why there is none. */
const char *path_find(const char *path, struct blkdev **dev);

/* The device of a disk's source, which is the path of a file or a path as for blk_find, as is each
 * path below /dev. Returns
 * NULL, or the reason why there is none. */
const char *path_source(const char *source, bool file, struct blkdev **dev);

/* Which volume a device is. Returns false if it is none. */
bool path_volume(const struct blkdev *dev, struct pool **pool, uint32_t *lv);
/* How many bytes of a volume are a file, as its tag LVM_KEY_BYTES says; 0: all of them, or nobody
 * knows. */
uint64_t path_bytes(const struct blkdev *dev);

/* Returns the reason why a volume cannot get the path, or NULL. */
const char *path_wrong(const char *path);
