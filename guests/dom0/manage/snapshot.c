/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/manage/intent.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/path.h"
#include "guests/dom0/vm/vm.h"

static void next_disk(struct snapshot_job *job);

/* --- the disks ---------------------------------------------------------------------------------
 */

static void release(struct snapshot_job *job)
{
	for (unsigned i = 0; i < job->disks; i++) {
		if (job->looks)
			pool_look_end(job->disk[i].dev);
		else
			blk_unclaim(job->disk[i].dev);
	}
	job->disks = 0;
}

static const char *take_disk(struct snapshot_job *job, const struct config_disk *disk)
{
	struct snapshot_disk *taken = &job->disk[job->disks];
	static char text[96];
	const char *wrong;

	if (!disk->qcow2) {
		snprintf(text, sizeof(text),
			 "internal snapshot for disk %s unsupported for storage type raw",
			 disk->target);
		return text;
	}
	wrong = path_source(disk->source, disk->file, &taken->dev);
	if (!wrong)
		wrong = image_format_disagrees(taken->dev, "qcow2");
	if (!wrong && !job->looks)
		wrong = image_is_base(taken->dev);
	if (!wrong && job->looks)
		pool_look_begin(taken->dev);
	else if (!wrong)
		wrong = blk_claim(taken->dev, job->user);
	if (wrong)
		return wrong;
	memcpy(taken->target, disk->target, sizeof(taken->target));
	job->disks++;
	return NULL;
}

/* --- disk after disk ---------------------------------------------------------------------------
 */

/* The first reason is the one that is told. */
static void note(struct snapshot_job *job, const char *wrong)
{
	if (!*job->why)
		snprintf(job->why, sizeof(job->why), "disk %s: %s", job->disk[job->at].target,
			 wrong);
}

static void forgotten(struct snapshot_job *job, const char *wrong)
{
	if (wrong && !*job->why)
		snprintf(job->why, sizeof(job->why),
			 "it is done, but the store still says that it is to be: %.100s", wrong);
	release(job);
	job->done(job);
}

static void end(struct snapshot_job *job)
{
	if (job->intended)
		intent_forget(job, forgotten);
	else
		forgotten(job, NULL);
}

static void take_list(struct snapshot_job *job, struct qcow2_snapshots *list)
{
	if (!job->at) {
		job->snapshots = *list;
		memset(list, 0, sizeof(*list));
		job->lacks = calloc(job->snapshots.count + 1u, sizeof(*job->lacks));
		if (!job->lacks)
			note(job, "dom0 is out of memory");
		return;
	}
	for (uint32_t i = 0; i < job->snapshots.count; i++) {
		const struct qcow2_snapshot *s = &job->snapshots.one[i];
		bool found = false;

		for (uint32_t k = 0; k < list->count && !found; k++)
			found = list->one[k].name_bytes == s->name_bytes &&
				!memcmp(list->one[k].name, s->name, s->name_bytes);
		job->lacks[i] |= !found;
	}
}

/* A snapshot is made in all images or in none, and what is not in all of them is not touched. */
static void check(struct snapshot_job *job, const struct qcow2_snapshots *list)
{
	uint32_t index, found = qcow2_snapshots_find(list, job->rewrite.name, &index);

	if (job->kind == QCOW2_CREATE && found)
		note(job, "there is a snapshot of this name");
	else if (job->finishes && job->kind == QCOW2_DELETE && !found)
		job->disk[job->at].skip = true;
	else if (job->kind != QCOW2_CREATE && !found)
		note(job, "there is no snapshot of this name");
	else if (job->kind != QCOW2_CREATE && found > 1)
		note(job, "several snapshots have this name");
}

static void go_on(struct snapshot_job *job)
{
	while (job->at < job->disks && job->checked && job->disk[job->at].skip)
		job->at++;
	if (job->at < job->disks)
		next_disk(job);
	else
		end(job);
}

static void kept(struct snapshot_job *job, const char *wrong)
{
	job->intended = !wrong;
	if (!wrong) {
		go_on(job);
		return;
	}
	note(job, wrong);
	end(job);
}

/* All disks have been looked at. A change of several is written down first. */
static void intend(struct snapshot_job *job)
{
	job->intended = job->finishes;
	if (job->disks > 1 && !job->finishes)
		intent_keep(job, kept);
	else
		go_on(job);
}

static void disk_done(struct qcow2_rewrite *rewrite, const char *wrong)
{
	struct snapshot_job *job = rewrite->context;

	if (wrong)
		note(job, wrong);
	else if (job->kind == QCOW2_LIST)
		take_list(job, &rewrite->snapshots);
	else if (!job->checked)
		check(job, &rewrite->snapshots);
	qcow2_rewrite_free(rewrite);
	if (job->undoes || (*job->why && job->checked && job->kind == QCOW2_CREATE)) {
		job->undoes = true;
		job->checked = true;
		if (!job->at) {
			end(job);
			return;
		}
		job->at--;
		next_disk(job);
		return;
	}
	if (*job->why) {
		end(job);
		return;
	}
	job->at++;
	if (job->at == job->disks && !job->checked && job->kind != QCOW2_LIST) {
		job->checked = true;
		job->at = 0;
		intend(job);
		return;
	}
	go_on(job);
}

static void next_disk(struct snapshot_job *job)
{
	struct qcow2_rewrite *r = &job->rewrite;
	struct qcow2_rewrite next = {
		.below = job->disk[job->at].dev,
		.kind = job->undoes    ? QCOW2_DELETE
			: job->checked ? job->kind
				       : QCOW2_LIST,
		.unix_ns = r->unix_ns,
		.done = disk_done,
		.context = job,
		.abort = r->abort && !job->undoes,
	};

	memcpy(next.name, r->name, sizeof(next.name));
	*r = next;
	qcow2_rewrite_start(r);
}

/* --- from outside ------------------------------------------------------------------------------
 */

const char *snapshot_begin(struct snapshot_job *job, const struct vm *vm)
{
	const struct vm_config *config = vm->config;

	job->looks = job->kind == QCOW2_LIST;
	memcpy(job->uuid, config->uuid, sizeof(job->uuid));
	snprintf(job->user, sizeof(job->user), "a snapshot of %.64s", vm->name);
	if (vm->id && !job->looks)
		return "Requested operation is not valid: a domain that is active has no internal "
		       "snapshots";
	for (uint32_t i = 0; i < config->disks; i++) {
		const char *wrong =
			config->disk[i].readonly ? NULL : take_disk(job, &config->disk[i]);

		if (!wrong)
			continue;
		release(job);
		return wrong;
	}
	if (!job->disks)
		return "the domain has no disk with an image";
	next_disk(job);
	return NULL;
}

void snapshot_stop(struct snapshot_job *job)
{
	/* All images are changed or none is. */
	bool too_late = job->checked && job->at && job->kind != QCOW2_CREATE;

	if (!job->undoes && !too_late)
		job->rewrite.abort = true;
}

void snapshot_free(struct snapshot_job *job)
{
	qcow2_snapshots_free(&job->snapshots);
	free(job->lacks);
	job->lacks = NULL;
}
