/* SPDX-License-Identifier: BSD-2-Clause */
/* What a verb shows of the image in a volume: its header is read first, without holding up dom0. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/storage/image_make.h"
#include "guests/dom0/storage/image_volume.h"

#define LOOK_NS 2000000u

static struct {
	bool at_work;
	char pool[LVM_NAME], name[LVM_NAME];
	struct volume_facts facts;
	struct image_look look;
	void (*show)(const struct shell_volume *found, const struct volume_facts *facts);
} job;

static void take_header(struct volume_facts *facts, const struct qcow2_header *header)
{
	facts->capacity = header->size;
	snprintf(facts->backing, sizeof(facts->backing), "%s", header->backing);
	snprintf(facts->backing_format, sizeof(facts->backing_format), "%s",
		 header->backing_format);
}

static void looked(struct image_look *look)
{
	job.at_work = false;
	if (look->wrong)
		snprintf(job.facts.wrong, sizeof(job.facts.wrong), "%s", look->wrong);
	else
		take_header(&job.facts, &look->header);
}

/* The pool may have changed meanwhile. */
static void show(void)
{
	struct shell_volume found = {.pool = pool_named(job.pool)};
	int lv = found.pool ? lvm_group_find(&found.pool->group, job.name) : -1;

	found.lv = (uint32_t)lv;
	if (lv >= 0)
		job.show(&found, &job.facts);
	else
		shell_error("the volume is gone");
}

static bool wait_for_header(bool cancel)
{
	if (cancel)
		return false;
	if (job.at_work)
		return true;
	show();
	return false;
}

void shell_volume_look(const struct shell_volume *found,
		       void (*show_it)(const struct shell_volume *found,
				       const struct volume_facts *facts))
{
	const struct pool *pool = found->pool;
	const struct lvm_lv *lv = &pool->group.lv[found->lv];
	struct volume *volume = pool->volume[found->lv];
	const struct image *open = volume ? image_on(&volume->dev) : NULL;

	if (job.at_work) {
		shell_error("the disk does not answer");
		return;
	}
	memset(&job, 0, sizeof(job));
	job.show = show_it;
	snprintf(job.pool, sizeof(job.pool), "%s", pool->group.name);
	snprintf(job.name, sizeof(job.name), "%s", lv->name);
	image_lv_format(lv, job.facts.format);
	job.facts.capacity = lv->extents * pool->group.extent_sectors * BLK_SECTOR;
	if (open && open->qcow2)
		take_header(&job.facts, &open->header);
	if (strcmp(job.facts.format, "qcow2") != 0 || !volume || (open && open->qcow2)) {
		show();
		return;
	}
	job.at_work = true;
	job.look = (struct image_look){.dev = &volume->dev, .done = looked};
	image_look(&job.look);
	shell_job(wait_for_header, LOOK_NS);
}
