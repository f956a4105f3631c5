/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of block devices and the checks that every request passes. */
#include <stdlib.h>
#include <string.h>

#include "drivers/block/request.h"
#include "drivers/env.h"

static struct blkdev *devices;
static unsigned holds;
static void (*settled_function)(void);

static bool segments_fit(const struct blk_request *request)
{
	uint64_t bytes = 0;
	uint64_t low = 0;

	if (!request->segments || request->segments > BLK_MAX_SEGMENTS)
		return false;
	for (uint32_t i = 0; i < request->segments; i++) {
		const struct blk_segment *segment = &request->segment[i];

		if (!segment->bytes)
			return false;
		bytes += segment->bytes;
		low |= segment->bus | segment->bytes;
	}
	return bytes == (uint64_t)request->sectors * BLK_SECTOR && !(low & 3);
}

static enum blk_status check(const struct blkdev *dev, const struct blkdev *disk,
			     const struct blk_request *request)
{
	uint32_t unit = disk->logical_block / BLK_SECTOR;

	if (request->op == BLK_FLUSH)
		return request->sectors ? BLK_IOERR : BLK_OK;
	if (request->op != BLK_READ && dev->read_only)
		return BLK_IOERR;
	if (!request->sectors || request->sectors > dev->sectors ||
	    request->sector > dev->sectors - request->sectors)
		return BLK_IOERR;
	if (((dev->first_sector + request->sector) | request->sectors) & (unit - 1))
		return BLK_IOERR;
	if (request->op == BLK_DISCARD)
		return disk->can_discard ? BLK_OK : BLK_UNSUPPORTED;
	if (request->op == BLK_WRITE_ZEROES)
		return disk->can_zero ? BLK_OK : BLK_UNSUPPORTED;
	if (request->op != BLK_READ && request->op != BLK_WRITE)
		return BLK_UNSUPPORTED;
	if (request->sectors > disk->max_sectors || !segments_fit(request))
		return BLK_IOERR;
	return BLK_OK;
}

void blk_submit(struct blkdev *dev, struct blk_request *request)
{
	struct blkdev *disk = dev->parent ? dev->parent : dev;
	enum blk_status status = check(dev, disk, request);

	if (status != BLK_OK) {
		request->done(request, status);
		return;
	}
	/* A disk without a volatile cache has nothing to flush. */
	if (request->op == BLK_FLUSH && !disk->can_flush) {
		request->done(request, BLK_OK);
		return;
	}
	request->disk_sector = dev->first_sector + request->sector;
	disk->submit(disk, request);
}

void blk_list(struct blkdev *dev)
{
	struct blkdev **end = &devices;

	while (*end)
		end = &(*end)->next;
	dev->next = NULL;
	*end = dev;
}

void blk_unlist(struct blkdev *dev)
{
	struct blkdev **at = &devices;

	while (*at && *at != dev)
		at = &(*at)->next;
	if (*at)
		*at = dev->next;
}

void blk_drop_partitions(const struct blkdev *disk)
{
	struct blkdev **at = &devices;

	while (*at) {
		struct blkdev *dev = *at;

		if (dev->parent != disk) {
			at = &dev->next;
			continue;
		}
		*at = dev->next;
		free(dev);
	}
}

void blk_register(struct blkdev *dev, void (*ready)(struct blkdev *dev))
{
	driver_log("%s: %s, serial %s, %llu MiB%s\n", dev->name, dev->model, dev->serial,
		   (unsigned long long)(dev->sectors / 2048), dev->read_only ? ", read-only" : "");
	blk_list(dev);
	blk_hold();
	blk_scan(dev, ready);
}

struct blkdev *blk_first(void)
{
	return devices;
}

void blk_hold(void)
{
	holds++;
}

void blk_release(void)
{
	void (*settled)(void) = settled_function;

	holds--;
	if (holds || !settled)
		return;
	settled_function = NULL;
	settled();
}

void blk_when_settled(void (*settled)(void))
{
	if (!holds)
		settled();
	else
		settled_function = settled;
}

static bool same_ignoring_case(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;
		char y = *b >= 'A' && *b <= 'Z' ? (char)(*b | 0x20) : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

/* The part of path behind prefix, or NULL. */
static const char *behind(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(path, prefix, length) ? NULL : path + length;
}

/* A volume has paths alone: its name is for people, and may be cut. */
static bool has_path(const struct blkdev *dev, const char *path, const char *name)
{
	if (!dev->alias[0])
		return !strcmp(dev->name, name ? name : path);
	return !strcmp(dev->alias[0], path) || (dev->alias[1] && !strcmp(dev->alias[1], path));
}

struct blkdev *blk_find(const char *path)
{
	const char *label = behind(path, "/dev/disk/by-partlabel/");
	const char *uuid = behind(path, "/dev/disk/by-partuuid/");
	const char *serial = behind(path, "/dev/disk/by-id/");
	const char *name = behind(path, "/dev/");

	for (struct blkdev *dev = devices; dev; dev = dev->next) {
		if (label    ? *label && dev->parent && !strcmp(dev->part_label, label)
		    : uuid   ? *uuid && dev->parent && same_ignoring_case(dev->part_uuid, uuid)
		    : serial ? *serial && !dev->parent && !strcmp(dev->serial, serial)
			     : has_path(dev, path, name))
			return dev;
	}
	return NULL;
}
