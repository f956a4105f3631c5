/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/image_volume.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/storage/path.h"

void image_lv_format(const struct lvm_lv *lv, char format[IMAGE_FORMAT])
{
	char value[LVM_TAG_ROOM];

	if (!lvm_tag_value(lv, LVM_KEY_FORMAT, value))
		*value = 0;
	snprintf(format, IMAGE_FORMAT, "%.7s", value);
}

void image_format(const struct blkdev *dev, char format[IMAGE_FORMAT])
{
	struct pool *pool;
	uint32_t lv;

	*format = 0;
	if (path_volume(dev, &pool, &lv))
		image_lv_format(&pool->group.lv[lv], format);
}

const char *image_format_disagrees(const struct blkdev *dev, const char *format)
{
	static char text[128];
	char tag[IMAGE_FORMAT];

	image_format(dev, tag);
	if (!*tag || !strcmp(tag, format))
		return NULL;
	snprintf(text, sizeof(text), "the volume %.32s has the format %s, not %.8s", dev->name, tag,
		 format);
	return text;
}

struct blkdev *image_backing_dev(const struct blkdev *dev, const char *name)
{
	char path[2 * LVM_NAME + 8];
	struct blkdev *file;
	struct pool *pool;
	uint32_t lv;

	if (!strchr(name, '/') && path_volume(dev, &pool, &lv) && strlen(name) < LVM_NAME) {
		snprintf(path, sizeof(path), "/dev/%s/%s", pool->group.name, name);
		return blk_find(path);
	}
	if (*name != '/')
		return NULL;
	file = blk_find(name);
	if (!file && path_find(name, &file))
		return NULL;
	return file;
}

const char *image_backing_wrong(const struct blkdev *dev, const struct blkdev *backing)
{
	static char text[2 * LVM_NAME + 96];
	char name[2 * LVM_NAME], tag[LVM_TAG_ROOM];
	struct pool *pool, *other;
	uint32_t lv, base;

	if (!path_volume(dev, &pool, &lv) || !path_volume(backing, &other, &base))
		return "an image with a backing file is a volume, and so is its backing file";
	snprintf(name, sizeof(name), "%s/%s", other->group.name, other->group.lv[base].name);
	if (lvm_tag_value(&pool->group.lv[lv], LVM_KEY_BACKING, tag) && !strcmp(tag, name))
		return NULL;
	snprintf(text, sizeof(text),
		 "it names %.120s as its backing file: vol-backing says that this is meant", name);
	return text;
}

const char *image_overlay_of(const struct pool *pool, uint32_t lv)
{
	static char overlay[2 * LVM_NAME];
	char name[2 * LVM_NAME], backing[LVM_TAG_ROOM];

	snprintf(name, sizeof(name), "%s/%s", pool->group.name, pool->group.lv[lv].name);
	for (const struct pool *other = pool_first(); other; other = other->next)
		for (uint32_t i = 0; i < other->group.lvs; i++) {
			if (!lvm_tag_value(&other->group.lv[i], LVM_KEY_BACKING, backing) ||
			    strcmp(backing, name) != 0)
				continue;
			snprintf(overlay, sizeof(overlay), "%s/%s", other->group.name,
				 other->group.lv[i].name);
			return overlay;
		}
	return NULL;
}

const char *image_is_base(const struct blkdev *dev)
{
	static char text[2 * LVM_NAME + 64];
	const char *overlay;
	struct pool *pool;
	uint32_t lv;

	if (!path_volume(dev, &pool, &lv))
		return NULL;
	overlay = image_overlay_of(pool, lv);
	if (!overlay)
		return NULL;
	snprintf(text, sizeof(text), "%s has it as its backing file", overlay);
	return text;
}

bool image_can_grow(const struct blkdev *dev)
{
	struct pool *pool;
	uint32_t lv;

	return path_volume(dev, &pool, &lv) && !pool_fixed(pool);
}
