/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/volume_look.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/manage/pools.h"
#include "guests/dom0/storage/image_volume.h"

static void take_header(struct volume_facts *facts, const struct qcow2_header *header)
{
	facts->capacity = header->size;
	snprintf(facts->backing, sizeof(facts->backing), "%s", header->backing);
	snprintf(facts->backing_format, sizeof(facts->backing_format), "%s",
		 header->backing_format);
}

static void looked(struct image_look *image)
{
	struct volume_look *look = image->context;

	if (image->wrong)
		snprintf(look->facts.wrong, sizeof(look->facts.wrong), "%s", image->wrong);
	else
		take_header(&look->facts, &image->header);
	look->done(look);
}

void volume_look(struct volume_look *look, const struct pool *pool, uint32_t number)
{
	const struct lvm_lv *lv = &pool->group.lv[number];
	struct volume *volume = pool->volume[number];
	const struct image *open = volume ? image_on(&volume->dev) : NULL;

	memset(&look->facts, 0, sizeof(look->facts));
	snprintf(look->pool, sizeof(look->pool), "%s", pool->group.name);
	snprintf(look->name, sizeof(look->name), "%s", lv->name);
	image_lv_format(lv, look->facts.format);
	look->facts.capacity = pool_bytes(pool, lv->extents);
	if (open && open->qcow2)
		take_header(&look->facts, &open->header);
	if (strcmp(look->facts.format, "qcow2") != 0 || !volume || (open && open->qcow2)) {
		look->done(look);
		return;
	}
	look->image = (struct image_look){.dev = &volume->dev, .done = looked, .context = look};
	image_look(&look->image);
}

bool volume_looked(const struct volume_look *look, struct pool **pool, uint32_t *lv)
{
	int found;

	*pool = pool_named(look->pool);
	found = *pool ? lvm_group_find(&(*pool)->group, look->name) : -1;
	*lv = (uint32_t)found;
	return found >= 0;
}
