/* SPDX-License-Identifier: BSD-2-Clause */
/* A pool from its group's facts: which devices it has, and its volumes as block devices. */
#include "guests/dom0/storage/pool_made.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/lvm_tag.h"

__attribute__((format(printf, 2, 3))) static void refuse(char why[LVM_WHY], const char *format, ...)
{
	va_list args;

	if (*why)
		return;
	va_start(args, format);
	vsnprintf(why, LVM_WHY, format, args);
	va_end(args);
}

/* --- users -------------------------------------------------------------------------------------
 */

static void release_devices(struct pool *pool, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (pool->device[i] && pool->device[i]->dev->user == pool->user)
			blk_unclaim(pool->device[i]->dev);
}

static const char *claim_devices(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->group.pvs; i++) {
		const char *wrong = pool->device[i] && pool->device[i]->dev->user != pool->user
					    ? blk_claim(pool->device[i]->dev, pool->user)
					    : NULL;

		if (!wrong)
			continue;
		release_devices(pool, i);
		return wrong;
	}
	return NULL;
}

const char volume_is_partial[] =
	"the volume has a part of its content only: vol-fetch fills it, vol-delete removes it";

/* The first device of the volume that is lost, or NULL. */
static const struct blkdev *lost_device(const struct volume *volume)
{
	for (uint32_t i = 0; i < volume->runs; i++)
		if (blk_is_lost(volume->run[i].dev))
			return volume->run[i].dev;
	return NULL;
}

const char *volume_lost(const struct volume *volume)
{
	static char text[64];
	const struct blkdev *lost = lost_device(volume);

	if (!lost)
		return NULL;
	snprintf(text, sizeof(text), "its device %.32s is missing", lost->name);
	return text;
}

/* The devices of a group that Sampo does not write are the pool's only while a volume is in use:
 * the group may be one that a guest has made on its own disk. */
static const char *volume_claim(struct blkdev *dev)
{
	const struct volume *volume = dev->driver;
	struct pool *pool = volume->owner;
	const char *wrong;

	if (volume->partial && !volume->filling)
		return volume_is_partial;
	if (pool->changing)
		return "its pool is being changed";
	if (*pool->why)
		return pool->why;
	if (volume_lost(volume))
		return volume_lost(volume);
	wrong = pool->users || pool->held ? NULL : claim_devices(pool);
	if (!wrong)
		pool->users++;
	return wrong;
}

static void volume_unclaim(struct blkdev *dev)
{
	struct pool *pool = ((struct volume *)dev->driver)->owner;

	pool->users--;
	if (!pool->users && !pool->held)
		release_devices(pool, pool->group.pvs);
}

const char *pool_hold(struct pool *pool)
{
	const char *wrong = pool->held || pool->users ? NULL : claim_devices(pool);

	if (!wrong)
		pool->held = true;
	return wrong;
}

/* --- devices -----------------------------------------------------------------------------------
 */

static bool overlap(const struct lvm_place *area, uint64_t first, uint64_t end)
{
	return area->offset < end * BLK_SECTOR && first * BLK_SECTOR < area->offset + area->bytes;
}

static void check_device(struct pool *pool, const struct lvm_pv *pv, const struct pool_device *d)
{
	uint64_t unit = d->dev->logical_block / BLK_SECTOR;
	uint64_t end = pv->first_sector + pv->extents * pool->group.extent_sectors;

	if (pv->first_sector > d->dev->sectors ||
	    pv->extents > (d->dev->sectors - pv->first_sector) / pool->group.extent_sectors)
		refuse(pool->why, "%.32s is smaller than the group says", d->dev->name);
	else if (pv->extents && pv->first_sector < LVM_LABEL_BYTES / BLK_SECTOR)
		refuse(pool->why, "the extents of %.32s begin on its label", d->dev->name);
	if (pv->first_sector % unit || pool->group.extent_sectors % unit)
		refuse(pool->why, "the extents of %.32s do not begin on blocks", d->dev->name);
	for (unsigned i = 0; i < d->label.areas && !*pool->why; i++)
		if (overlap(&d->label.area[i], pv->first_sector, end))
			refuse(pool->why, "the extents of %.32s overlap its metadata",
			       d->dev->name);
}

static void find_devices(struct pool *pool, struct pool_device *devices)
{
	uint32_t block = 0;

	for (uint32_t i = 0; i < pool->group.pvs; i++) {
		const struct lvm_pv *pv = &pool->group.pv[i];

		for (struct pool_device *d = devices; d; d = d->next) {
			if (strcmp(d->label.id, pv->id) != 0)
				continue;
			if (pool->device[i])
				refuse(pool->why, "%.32s and %.32s have one identity",
				       pool->device[i]->dev->name, d->dev->name);
			pool->device[i] = d;
		}
		if (pv->missing)
			pool->device[i] = NULL;
		if (!pool->device[i])
			continue;
		check_device(pool, pv, pool->device[i]);
		if (block && block != pool->device[i]->dev->logical_block)
			refuse(pool->why, "its devices have blocks of different sizes");
		block = pool->device[i]->dev->logical_block;
	}
}

/* --- volumes -----------------------------------------------------------------------------------
 */

/* A hyphen in a name is doubled, since a single one stands between the names. */
static char *mapper_name(char *to, const char *name)
{
	for (; *name; name++) {
		*to++ = *name;
		if (*name == '-')
			*to++ = '-';
	}
	return to;
}

static bool name_volume(struct volume *volume, const char *pool, const char *lv)
{
	char mapper[4 * LVM_NAME + 16] = "/dev/mapper/";
	char path[2 * LVM_NAME + 8];
	char *end = mapper_name(mapper + strlen(mapper), pool);

	*end++ = '-';
	end = mapper_name(end, lv);
	*end = 0;
	snprintf(path, sizeof(path), "/dev/%s/%s", pool, lv);
	snprintf(volume->dev.name, sizeof(volume->dev.name), "%.15s/%.15s", pool, lv);
	volume->dev.alias[0] = strdup(path);
	volume->dev.alias[1] = strdup(mapper);
	return volume->dev.alias[0] && volume->dev.alias[1];
}

static void free_volume(struct volume *volume)
{
	if (!volume)
		return;
	if (!volume->gone)
		blk_unlist(&volume->dev);
	volume->gone = true;
	if (volume->looks)
		return;
	free((char *)volume->dev.alias[0]);
	free((char *)volume->dev.alias[1]);
	free(volume->run);
	free(volume);
}

void pool_look_begin(struct blkdev *dev)
{
	struct volume *volume = dev->claim == volume_claim ? dev->driver : NULL;

	if (!volume)
		return;
	volume->looks++;
	((struct pool *)volume->owner)->looks++;
}

void pool_look_end(struct blkdev *dev)
{
	struct volume *volume = dev->claim == volume_claim ? dev->driver : NULL;

	if (!volume)
		return;
	volume->looks--;
	((struct pool *)volume->owner)->looks--;
	if (volume->gone)
		free_volume(volume);
}

/* Where the group, which is the pool's or will be, has the volume. */
static struct volume_run *make_runs(const struct pool *pool, const struct lvm_group *group,
				    const struct lvm_lv *lv)
{
	struct volume_run *run = calloc(lv->segments, sizeof(*run));

	for (uint32_t i = 0; run && i < lv->segments; i++) {
		const struct lvm_segment *segment = &group->segment[lv->first + i];

		run[i] = (struct volume_run){
			.start = segment->start * group->extent_sectors,
			.sectors = segment->extents * group->extent_sectors,
			.at = group->pv[segment->pv].first_sector +
			      segment->pe * group->extent_sectors,
			.dev = pool->device[segment->pv]->dev,
		};
	}
	return run;
}

static struct volume *make_volume(struct pool *pool, const struct lvm_lv *lv)
{
	const struct lvm_group *group = &pool->group;
	struct volume *volume = calloc(1, sizeof(*volume));

	if (!volume)
		return NULL;
	volume->owner = pool;
	volume->partial = lvm_tag_is_there(lv, LVM_KEY_PARTIAL);
	volume->runs = lv->segments;
	volume->run = make_runs(pool, group, lv);
	if (!volume->run) {
		free_volume(volume);
		return NULL;
	}
	volume_init(volume, &pool->split, !lv->writable || !group->writable);
	volume->dev.claim = volume_claim;
	volume->dev.unclaim = volume_unclaim;
	if (!name_volume(volume, group->name, lv->name)) {
		free_volume(volume);
		return NULL;
	}
	blk_list(&volume->dev);
	return volume;
}

static bool is_whole(const struct pool *pool, struct lvm_lv *lv)
{
	for (uint32_t i = 0; i < lv->segments; i++) {
		uint32_t pv = pool->group.segment[lv->first + i].pv;

		if (!pool->device[pv])
			refuse(lv->why, "its device %.40s is missing", pool->group.pv[pv].name);
	}
	return !*lv->why;
}

static void make_volumes(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->group.lvs; i++) {
		struct lvm_lv *lv = &pool->group.lv[i];

		if (pool->volume[i] || *pool->why || !lv->visible || !is_whole(pool, lv))
			continue;
		pool->volume[i] = make_volume(pool, lv);
		if (!pool->volume[i])
			refuse(lv->why, "dom0 is out of memory");
	}
}

bool pool_bind(struct pool *pool, struct pool_device *devices)
{
	const struct lvm_group *group = &pool->group;

	pool->device = calloc(group->pvs, sizeof(*pool->device));
	pool->volume = calloc(group->lvs + 1, sizeof(*pool->volume));
	if (!pool->device || !pool->volume)
		return false;
	snprintf(pool->user, sizeof(pool->user), "pool %s", group->name);
	refuse(pool->why, "%s", group->why);
	find_devices(pool, devices);
	make_volumes(pool);
	return true;
}

/* Does the volume lie where it lay, or begin there and go on? */
static bool continues(const struct lvm_group *a, const struct lvm_lv *x, const struct lvm_group *b,
		      const struct lvm_lv *y)
{
	if (strcmp(x->id, y->id) != 0 || strcmp(x->name, y->name) != 0 ||
	    x->segments > y->segments || x->writable != y->writable || *x->why || *y->why)
		return false;
	for (uint32_t i = 0; i < x->segments; i++) {
		const struct lvm_segment *s = &a->segment[x->first + i];
		const struct lvm_segment *t = &b->segment[y->first + i];

		if (s->start != t->start || s->pv != t->pv || s->pe != t->pe ||
		    s->extents > t->extents)
			return false;
		if (s->extents < t->extents && i + 1 < x->segments)
			return false;
	}
	return true;
}

/* A volume of the new description that continues one of the old: the block device stays, and so do
 * its users. Returns false if memory is exhausted. */
static bool keep_volume(struct pool *pool, const struct lvm_group *group, uint32_t lv,
			struct volume **volume)
{
	int old = lvm_group_find(&pool->group, group->lv[lv].name);
	struct volume_run *run;

	if (old < 0 || !pool->volume[old] ||
	    !continues(&pool->group, &pool->group.lv[old], group, &group->lv[lv]))
		return true;
	if (group->lv[lv].extents != pool->group.lv[old].extents) {
		run = make_runs(pool, group, &group->lv[lv]);
		if (!run)
			return false;
		volume_grow(pool->volume[old], run, group->lv[lv].segments);
	}
	*volume = pool->volume[old];
	(*volume)->partial = lvm_tag_is_there(&group->lv[lv], LVM_KEY_PARTIAL);
	pool->volume[old] = NULL;
	return true;
}

/* Volumes that were kept for a description that cannot be taken. */
static void give_back(struct pool *pool, const struct lvm_group *group, struct volume **volume)
{
	for (uint32_t i = 0; i < group->lvs; i++)
		if (volume[i])
			pool->volume[lvm_group_find(&pool->group, group->lv[i].name)] = volume[i];
	free(volume);
}

bool pool_replace(struct pool *pool, struct lvm_group *group)
{
	struct volume **volume = calloc(group->lvs + 1, sizeof(*volume));

	if (!volume)
		return false;
	for (uint32_t i = 0; i < group->lvs; i++)
		if (!keep_volume(pool, group, i, &volume[i])) {
			give_back(pool, group, volume);
			return false;
		}
	for (uint32_t i = 0; i < pool->group.lvs; i++)
		free_volume(pool->volume[i]);
	free(pool->volume);
	pool->volume = volume;
	lvm_group_free(&pool->group);
	pool->group = *group;
	memset(group, 0, sizeof(*group));
	refuse(pool->why, "%s", pool->group.why);
	make_volumes(pool);
	return true;
}

void pool_free(struct pool *pool)
{
	for (uint32_t i = 0; pool->volume && i < pool->group.lvs; i++)
		free_volume(pool->volume[i]);
	if (pool->device)
		release_devices(pool, pool->group.pvs);
	free(pool->device);
	free(pool->volume);
	lvm_group_free(&pool->group);
	free(pool);
}

const char *pool_fixed(const struct pool *pool)
{
	static char text[LVM_WHY + 64];

	if (*pool->why)
		return pool->why;
	if (!pool->group.tagged)
		return "Sampo does not write it until the operator says so (pool-adopt)";
	if (*pool->group.fixed)
		return pool->group.fixed;
	for (uint32_t i = 0; i < pool->group.pvs; i++) {
		bool there = pool_has(pool, i);

		if (there && !pool->device[i]->dev->read_only)
			continue;
		snprintf(text, sizeof(text), "its device %.40s is %s",
			 pool->device[i] ? pool->device[i]->dev->name : pool->group.pv[i].name,
			 there ? "read-only" : "missing");
		return text;
	}
	return NULL;
}

const char *volume_path(const struct pool *pool, uint32_t lv, char path[2 * LVM_NAME + 8])
{
	snprintf(path, 2 * LVM_NAME + 8, "/dev/%s/%s", pool->group.name, pool->group.lv[lv].name);
	return path;
}
