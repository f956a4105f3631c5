/* SPDX-License-Identifier: BSD-2-Clause */
/* An image that needs more room than its volume has: the volume grows, while the image is in use.
 */
#include <string.h>

#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/image.h"
#include "guests/dom0/storage/path.h"

#define STEP     (64ull << 20)
#define AGAIN_NS 50000000u

/* Changes of pools run one at a time, and so does the growth of one image. */
static struct image *growing;

static void grown(const char *wrong, const char *note)
{
	struct image *image = growing;

	(void)note;
	growing = NULL;
	if (image)
		qcow2_grown(image->qcow2, wrong);
}

static void try(struct image *image)
{
	struct blkdev *below = image->below;
	uint64_t bytes = below->sectors * BLK_SECTOR;
	const char *wrong;
	struct pool *pool;
	uint32_t lv;

	if (change_is_running() || !pools_are_read()) {
		timer_set(&image->grow_again, clock_ns() + AGAIN_NS);
		return;
	}
	if (!path_volume(below, &pool, &lv)) {
		qcow2_grown(image->qcow2, "its volume is gone");
		return;
	}
	if (image->grow_bytes > bytes + STEP)
		bytes = image->grow_bytes;
	else
		bytes += STEP;
	growing = image;
	wrong = change_resize(pool, lv, bytes, false, grown);
	/* The pool's rest may still be enough. */
	if (wrong && bytes > image->grow_bytes)
		wrong = change_resize(pool, lv, image->grow_bytes, false, grown);
	if (!wrong)
		return;
	growing = NULL;
	qcow2_grown(image->qcow2, wrong);
}

static void again(struct timer *timer)
{
	try(timer->context);
}

void image_grow(struct qcow2 *qcow2, uint64_t bytes)
{
	struct image *image = qcow2->owner;

	timer_init(&image->grow_again, again, image);
	image->grow_bytes = bytes;
	try(image);
}

void image_grow_stop(struct image *image)
{
	if (growing == image)
		growing = NULL;
	if (image->grow_again.context)
		timer_cancel(&image->grow_again);
}
