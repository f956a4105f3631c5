/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/lvm_tag.h"

#define DEVICES "/dev/" /* no path of a file begins so */

/* The result of a search: the first volume, and how many there are. */
struct found {
	const struct pool *pool;
	uint32_t lv;
	unsigned count;
};

static bool has_tag(const struct lvm_lv *lv, const char *tag)
{
	const struct lvm_node *tags = lvm_find(lv->node, "tags");
	const struct lvm_node *at = tags && tags->kind == LVM_ARRAY ? tags->child : NULL;

	for (; at; at = at->next)
		if (at->kind == LVM_STRING && !strcmp(at->text, tag))
			return true;
	return false;
}

/* A file's name is the volume's, or has one of the endings that images have. */
static bool has_name(const struct lvm_lv *lv, const char *name)
{
	static const char *const endings[] = {"", ".qcow2", ".img", ".raw"};
	size_t n = strlen(lv->name);

	if (strncmp(name, lv->name, n) != 0)
		return false;
	for (unsigned i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (!strcmp(name + n, endings[i]))
			return true;
	return false;
}

static struct found search(bool (*is)(const struct lvm_lv *lv, const char *text), const char *text)
{
	struct found found = {0};

	for (const struct pool *pool = pool_first(); pool; pool = pool->next)
		for (uint32_t i = 0; pool->group.tagged && i < pool->group.lvs; i++) {
			if (!pool->group.lv[i].visible || !is(&pool->group.lv[i], text))
				continue;
			if (!found.count++) {
				found.pool = pool;
				found.lv = i;
			}
		}
	return found;
}

static struct found search_tag(const char *path)
{
	char tag[LVM_TAG_ROOM];

	if (!lvm_tag_make(tag, LVM_KEY_PATH, path))
		return (struct found){0};
	return search(has_tag, tag);
}

static struct found search_name(const char *path)
{
	size_t n = strlen(PATH_FOLDER);

	if (strncmp(path, PATH_FOLDER, n) != 0)
		return (struct found){0};
	return search(has_name, path + n);
}

const char *path_find(const char *path, struct blkdev **dev)
{
	static char text[LVM_WHY + 200];
	struct found found = search_tag(path);
	const struct pool *pool;

	if (!found.count)
		found = search_name(path);
	if (found.count != 1) {
		snprintf(text, sizeof(text), "%s the path %.100s%s",
			 found.count ? "several volumes have" : "no volume has", path,
			 found.count ? "" : ": vol-file gives a volume its path");
		return text;
	}
	pool = found.pool;
	if (!pool->volume[found.lv]) {
		const char *why = pool->group.lv[found.lv].why;

		snprintf(text, sizeof(text), "the volume of the path %.100s cannot be used: %s",
			 path, *why ? why : pool->why);
		return text;
	}
	*dev = &pool->volume[found.lv]->dev;
	return NULL;
}

const char *path_source(const char *source, bool file, struct blkdev **dev)
{
	static char text[200];

	/* A client that is not on this machine does not see which paths are devices: its virsh
	 * calls each a file. */
	if (file && strncmp(source, DEVICES, strlen(DEVICES)) != 0)
		return path_find(source, dev);
	*dev = blk_find(source);
	if (*dev)
		return NULL;
	snprintf(text, sizeof(text), "there is no %.160s", source);
	return text;
}

const char *path_wrong(const char *path)
{
	char tag[LVM_TAG_ROOM];

	if (*path != '/' || !path[1] || path[strlen(path) - 1] == '/')
		return "a path begins with / and ends with the name of a file";
	if (!strncmp(path, DEVICES, strlen(DEVICES)))
		return "paths below /dev are those of devices";
	for (const char *at = path; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return "a path has no control characters";
	if (!lvm_tag_make(tag, LVM_KEY_PATH, path))
		return "the path is too long";
	return search_tag(path).count ? "another volume has this path" : NULL;
}

bool path_volume(const struct blkdev *dev, struct pool **pool, uint32_t *lv)
{
	for (*pool = pool_first(); *pool; *pool = (*pool)->next)
		for (*lv = 0; *lv < (*pool)->group.lvs; ++*lv)
			if ((*pool)->volume[*lv] && &(*pool)->volume[*lv]->dev == dev)
				return true;
	return false;
}

uint64_t path_bytes(const struct blkdev *dev)
{
	char value[LVM_TAG_ROOM], *end;
	struct pool *pool;
	uint64_t bytes;
	uint32_t lv;

	if (!path_volume(dev, &pool, &lv) ||
	    !lvm_tag_value(&pool->group.lv[lv], LVM_KEY_BYTES, value))
		return 0;
	bytes = strtoull(value, &end, 10);
	return *end ? 0 : bytes;
}
