/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of a conversion: the source's tables say how large the disk is; the new volume is made
 * with the tag of a partial one, and claimed; the content goes there; a qcow2 image is closed; the
 * tag goes. Changes of the pool wait for those of others. Each step finds the new volume anew by
 * its name.
 */
#include "guests/dom0/storage/convert.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/storage/image.h"
#include "guests/dom0/storage/image_make.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/intake.h"
#include "guests/dom0/storage/path.h"

#define USER    "vol-clone"
#define LOOK_NS 20000000u /* between two looks for the end of another change */
#define MARK    LVM_KEY_PARTIAL "=1"

enum step { IDLE, LOOK, MAKE, OPEN, FILL, CLOSE, UNTAG, REMOVE };

static struct {
	enum step step;
	bool qcow2, made, failed;
	char pool[LVM_NAME], volume[LVM_NAME];
	struct intake intake;
	struct image *image;   /* the new volume's */
	struct volume *filled; /* the new volume, while it is claimed or open */
	struct timer retry;
	change_done *done;
	char why[256];
} job;

static void change_now(struct timer *timer);

/* --- ends --------------------------------------------------------------------------------------
 */

static void end(void)
{
	intake_free(&job.intake);
	if (job.intake.source)
		blk_unclaim(job.intake.source);
	job.intake.source = NULL;
	job.step = IDLE;
	if (job.done)
		job.done(job.failed ? job.why : NULL, "");
}

/* The first reason is the one that is told. */
static void note(const char *why)
{
	if (!job.failed)
		snprintf(job.why, sizeof(job.why), "%s", why);
	job.failed = true;
}

/* The new volume has no user any more. */
static void released(void)
{
	if (job.filled)
		job.filled->filling = false;
	job.filled = NULL;
	if (!job.made) {
		end();
		return;
	}
	job.step = job.failed ? REMOVE : UNTAG;
	change_now(&job.retry);
}

static void image_closed(void *context)
{
	(void)context;
	job.image = NULL;
	released();
}

static void release(void)
{
	job.step = CLOSE;
	if (job.image) {
		image_close(job.image, image_closed, NULL);
		return;
	}
	if (job.filled)
		blk_unclaim(&job.filled->dev);
	released();
}

static void fail(const char *why)
{
	note(why);
	release();
}

/* --- the new volume ----------------------------------------------------------------------------
 */

static void opened(struct image *image)
{
	if (image->state != IMAGE_OPEN) {
		fail(image->why);
		return;
	}
	job.intake.to = image->dev;
	job.intake.sparse = true;
	job.step = FILL;
	intake_run(&job.intake);
}

static const char *claim(struct volume *volume)
{
	const char *wrong;

	volume->filling = true;
	if (job.qcow2) {
		job.image = image_open(&volume->dev, USER, true, opened, NULL, &wrong);
	} else {
		wrong = blk_claim(&volume->dev, USER);
	}
	if (wrong)
		volume->filling = false;
	else
		job.filled = volume;
	return wrong;
}

/* Returns NULL if it is not there or cannot be used. */
static struct volume *find(struct pool **pool, uint32_t *lv)
{
	int found;

	*pool = pool_named(job.pool);
	found = *pool ? lvm_group_find(&(*pool)->group, job.volume) : -1;
	*lv = (uint32_t)found;
	return found >= 0 ? (*pool)->volume[found] : NULL;
}

static void fill(void)
{
	struct pool *pool;
	uint32_t lv;
	struct volume *volume = find(&pool, &lv);
	const char *wrong = volume ? claim(volume) : "the new volume is gone";

	if (wrong) {
		fail(wrong);
		return;
	}
	job.step = OPEN;
	if (job.qcow2)
		return;
	job.intake.to = &volume->dev;
	job.step = FILL;
	intake_run(&job.intake);
}

/* --- changes of the pool -----------------------------------------------------------------------
 */

static void changed(const char *wrong, const char *told)
{
	(void)told; /* the pool itself says which of its devices fail */
	if (wrong)
		note(wrong);
	if (job.step != MAKE) {
		end();
		return;
	}
	job.made = !wrong;
	if (job.intake.stop)
		note("stopped");
	if (job.failed)
		release();
	else
		fill();
}

static const char *make(struct pool *pool)
{
	const char *tags[] = {MARK, NULL};
	struct image_order order = {
		.pool = pool,
		.name = job.volume,
		.capacity = job.intake.foreign.size,
		.mark = MARK,
	};

	if (job.qcow2)
		return image_make(&order, changed);
	return change_create(pool, job.volume, job.intake.foreign.size, tags, changed);
}

static const char *begin_change(void)
{
	struct pool *pool = pool_named(job.pool);
	int lv = pool ? lvm_group_find(&pool->group, job.volume) : -1;

	if (!pool)
		return "the pool is gone";
	if (job.step == MAKE)
		return make(pool);
	if (lv < 0)
		return "the new volume is gone";
	if (job.step == UNTAG)
		return change_tag(pool, (uint32_t)lv, LVM_KEY_PARTIAL, NULL, changed);
	return change_delete(pool, (uint32_t)lv, changed);
}

/* Begins the change of the present step, or waits while another one is at work. */
static void change_now(struct timer *timer)
{
	const char *wrong;

	if (change_is_running()) {
		timer_set(timer, clock_ns() + LOOK_NS);
		return;
	}
	wrong = begin_change();
	if (wrong)
		changed(wrong, "");
}

/* --- the content -------------------------------------------------------------------------------
 */

static void intake_ended(struct intake *intake, const char *wrong)
{
	const char *full = job.image && job.image->qcow2 ? job.image->qcow2->full : "";

	(void)intake;
	if (wrong && *full)
		note(full);
	else if (wrong)
		note(wrong);
	if (job.step == FILL || job.failed) {
		release();
		return;
	}
	job.step = MAKE;
	change_now(&job.retry);
}

/* --- for the caller ----------------------------------------------------------------------------
 */

bool convert_is_needed(const struct pool *pool, uint32_t lv)
{
	char format[IMAGE_FORMAT];

	image_lv_format(&pool->group.lv[lv], format);
	return foreign_named(format);
}

static const char *choose_format(const struct convert_order *order)
{
	static char text[96];
	char tag[IMAGE_FORMAT];
	const char *format = order->format;

	image_lv_format(&order->from_pool->group.lv[order->from], tag);
	if (format && *tag && strcmp(format, tag) != 0) {
		snprintf(text, sizeof(text), "the volume has the format %s, not %.32s", tag,
			 format);
		return text;
	}
	if (!format)
		format = tag;
	job.intake.format = foreign_named(format);
	if (job.intake.format)
		return NULL;
	snprintf(text, sizeof(text), "dom0 knows vmdk, vpc and vdi, not %.32s",
		 *format ? format : "a volume whose format nobody has said");
	return text;
}

static const char *check(const struct convert_order *order)
{
	const struct lvm_lv *lv = &order->from_pool->group.lv[order->from];
	const char *wrong = pool_fixed(order->pool);

	if (wrong)
		return wrong;
	if (strlen(order->name) >= LVM_NAME)
		return "the name is too long";
	if (lvm_group_find(&order->pool->group, order->name) >= 0)
		return "there is a volume of this name";
	if (!order->from_pool->volume[order->from])
		return *lv->why ? lv->why : order->from_pool->why;
	return choose_format(order);
}

const char *convert_start(const struct convert_order *order)
{
	struct volume *source = order->from_pool->volume[order->from];
	const char *wrong;
	uint64_t bytes;

	if (job.step != IDLE)
		return "another conversion is at work";
	memset(&job, 0, sizeof(job));
	wrong = check(order);
	if (!wrong)
		wrong = blk_claim(&source->dev, USER);
	if (wrong)
		return wrong;
	job.qcow2 = order->qcow2;
	job.done = order->done;
	snprintf(job.pool, sizeof(job.pool), "%s", order->pool->group.name);
	snprintf(job.volume, sizeof(job.volume), "%s", order->name);
	timer_init(&job.retry, change_now, NULL);
	bytes = path_bytes(&source->dev);
	job.intake.source = &source->dev;
	job.intake.bytes = source->dev.sectors * BLK_SECTOR;
	if (bytes && bytes < job.intake.bytes)
		job.intake.bytes = bytes;
	job.intake.done = intake_ended;
	job.step = LOOK;
	intake_open(&job.intake);
	return NULL;
}

void convert_stop(void)
{
	if (job.step != IDLE)
		job.intake.stop = true;
}

void convert_look(struct convert_status *status)
{
	*status = (struct convert_status){
		.ended = job.step == IDLE,
		.why = job.failed ? job.why : NULL,
		.bytes = job.intake.at,
		.total = job.intake.foreign.size,
	};
}
