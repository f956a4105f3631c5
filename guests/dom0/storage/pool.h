/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools: the volume groups of LVM2 on the machine's disks. Their linear volumes are block devices,
 * "/dev/POOL/VOLUME" and "/dev/mapper/POOL-VOLUME".
 */
#pragma once

#include "guests/dom0/storage/lvm_group.h"
#include "guests/dom0/storage/volume.h"

/* A device with a label of LVM2. */
struct pool_device {
	struct blkdev *dev;
	struct lvm_label label;
	struct pool_area {
		struct lvm_header header;
		uint64_t seqno; /* of its text */
		char group[LVM_ID + 1];
		bool right; /* the header at least can be used */
	} area[LVM_AREAS];
	struct pool_device *next;
};

struct pool {
	struct lvm_group group;
	struct pool_device **device; /* of each of the group's; NULL: missing */
	struct volume **volume;      /* of each of the group's volumes; NULL: cannot be used */
	char user[LVM_NAME + 8];     /* "pool NAME": the user of the devices */
	char why[LVM_WHY];           /* the reason why no volume can be used, or "" */
	unsigned users;              /* volumes that somebody uses */
	unsigned looks;              /* reads by pool_look_begin */
	bool held; /* the devices are the pool's, whether a volume is in use or not */
	bool changing;
	struct volume_split split;
	struct pool *next;
};

/*
 * Looks for groups on all devices, once more: groups with a volume in use stay as they are. `found`
 * (may be NULL) is called when all devices have been read.
 */
void pools_find(void (*found)(void));
bool pools_are_read(void);

struct pool *pool_first(void);
/* By the name or the identity with hyphens; NULL: none. */
struct pool *pool_named(const char *name);
/* Devices with a label that no pool has. */
struct pool_device *pool_devices(void);

/* Is the group's device of this number there, and does its disk answer? */
static inline bool pool_has(const struct pool *pool, uint32_t pv)
{
	return pool->device[pv] && !blk_is_lost(pool->device[pv]->dev);
}

/* The reason why the pool's metadata cannot be changed, or NULL. */
const char *pool_fixed(const struct pool *pool);
/* The reason against users of a volume whose flag `partial` is set. */
extern const char volume_is_partial[];
/* The text that names the volume's device whose disk does not answer any more; NULL: all do. */
const char *volume_lost(const struct volume *volume);
const char *volume_path(const struct pool *pool, uint32_t lv, char path[2 * LVM_NAME + 8]);

/* Somebody reads a volume's block device without a claim: the memory of the device and of its pool
 * stays until pool_look_end, also if the volume is deleted. Devices that are no volume's may be
 * given, too. */
void pool_look_begin(struct blkdev *dev);
void pool_look_end(struct blkdev *dev);
