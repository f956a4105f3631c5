/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest's disk lies on: a device of the machine as it is, or an image on one. An image is
 * opened while the guest is being made, and has written out its tables before the guest has ended.
 */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/storage/image.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/path.h"
#include "guests/dom0/storage/transient.h"
#include "guests/dom0/virtio/blk.h"
#include "guests/dom0/virtio/life.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/guest.h"

static const struct config_disk *disk_of(const struct blk *blk)
{
	return &blk->dev->vm->config->disk[blk->dev->ordinal];
}

static void take(struct blk *blk, struct blkdev *disk)
{
	blk->disk = disk;
	blk_watch(disk, &blk->watch);
}

static void drop(struct blk *blk)
{
	if (blk->disk)
		blk_unwatch(blk->disk, &blk->watch);
	blk->disk = NULL;
}

/* --- an image that becomes open ----------------------------------------------------------------
 */

static void opened(struct image *image)
{
	struct blk *blk = image->context;
	struct virtio_device *dev = blk->dev;

	if (image->state == IMAGE_OPEN && !blk->fresh &&
	    image->dev->sectors < dev->state->blk.capacity) {
		blk->wrong = "the disk has shrunk";
	} else if (image->state == IMAGE_OPEN) {
		take(blk, image->dev);
		if (blk->fresh)
			blk_offer(blk, disk_of(blk));
	} else {
		blk->wrong = image->why;
	}
	if (!blk->fresh && blk->disk && virtio_running(dev))
		virtio_device_start(dev);
	else
		virtio_became_ready(dev);
}

/* A write finds no room in the pool: the guest waits for the operator. */
static bool full(struct image *image, const char *why)
{
	struct blk *blk = image->context;
	struct vm *vm = blk->dev->vm;

	if (blk->stopping || blk->leaving || !blk_error_waits_for_room(blk))
		return false;
	printf(LOG_ERR "%s: no room for a write to %s: %s; paused, `resume %s` goes on\n", vm->name,
	       disk_of(blk)->target, why, vm->name);
	blk->full = true;
	vm_stop(vm, "I/O error");
	return true;
}

/* --- the device --------------------------------------------------------------------------------
 */

static const char *open_image(struct blk *blk, struct blkdev *below, bool readonly)
{
	const char *wrong;

	blk->image = image_open(below, blk->dev->vm->name, !readonly, opened, blk, &wrong);
	if (blk->image)
		blk->image->full = full;
	return wrong;
}

/* The volume for what the guest writes is there. */
static void transient_made(void *context, struct blkdev *dev, const char *wrong)
{
	struct blk *blk = context;

	if (dev)
		wrong = open_image(blk, dev, false);
	if (dev && !wrong)
		return; /* opened() goes on */
	blk->wrong = wrong;
	virtio_became_ready(blk->dev);
}

static const char *open_transient(struct blk *blk, struct blkdev *base,
				  const struct config_disk *disk)
{
	char user[sizeof(blk->dev->vm->name) + sizeof(disk->target) + 1];
	const char *wrong;

	snprintf(user, sizeof(user), "%s/%s", blk->dev->vm->name, disk->target);
	blk->transient =
		transient_make(&(struct transient_order){.base = base,
							 .format = disk->qcow2 ? "qcow2" : "raw",
							 .user = user,
							 .found = !blk->fresh,
							 .made = transient_made,
							 .context = blk},
			       &wrong);
	return wrong;
}

const char *blk_source_open(struct blk *blk, const struct config_disk *disk)
{
	struct blkdev *below;
	const char *wrong = path_source(disk->source, disk->file, &below);

	if (wrong)
		return wrong;
	wrong = image_format_disagrees(below, disk->qcow2 ? "qcow2" : "raw");
	if (!wrong && disk->transient && !disk->readonly)
		return open_transient(blk, below, disk);
	if (!wrong && !disk->readonly)
		wrong = image_is_base(below);
	if (wrong)
		return wrong;
	if (disk->qcow2 && disk->shareable)
		return "guests cannot share an image";
	if (disk->qcow2)
		return open_image(blk, below, disk->readonly);
	wrong = disk->shareable ? blk_claim_shared(below) : blk_claim(below, blk->dev->vm->name);
	if (!wrong)
		take(blk, below);
	return wrong;
}

static void closed(void *context)
{
	struct blk *blk = context;

	blk->leaving = false;
	virtio_became_quiet(blk->dev); /* may detach */
}

/* The device leaves for good. A guest that was never made has no memory that its devices would wait
 * for. */
static bool leaves(const struct blk *blk)
{
	const struct virtio_machine *machine = virtio_machine_of(blk->dev->vm);

	return blk->dev->gone || (machine->leaving && machine->made);
}

bool blk_source_leave(struct blk *blk)
{
	struct image *image = blk->image;

	if (!image || !leaves(blk))
		return false;
	drop(blk);
	blk->image = NULL;
	blk->leaving = true;
	image_close(image, closed, blk);
	return true;
}

void blk_source_give_up(struct blk *blk)
{
	if (blk->image && blk->image->qcow2)
		qcow2_give_up(blk->image->qcow2);
}

/* If there is no room still, the guest is suspended again: not in the middle of its resumption. */
void blk_source_resume(struct blk *blk)
{
	blk->retry = blk->full;
	blk->full = false;
	if (blk->retry)
		work_queue(&blk->work);
}

void blk_source_retry(struct blk *blk)
{
	blk->retry = false;
	if (blk->image && blk->image->qcow2)
		qcow2_retry(blk->image->qcow2);
}

static void image_gone(void *transient)
{
	transient_end(transient);
}

void blk_source_close(struct blk *blk)
{
	struct blkdev *disk = blk->disk;

	drop(blk);
	if (blk->image)
		image_close(blk->image, blk->transient ? image_gone : NULL, blk->transient);
	else if (blk->transient)
		transient_end(blk->transient);
	else if (disk)
		blk_unclaim(disk);
	blk->image = NULL;
	blk->transient = NULL;
}
