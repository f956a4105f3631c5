/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/env.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/lib/guest.h"

static struct image *images;

static void tell(struct work *work);
static void backing_opened(struct image *backing);
static void put(struct image *image);

struct image *image_on(const struct blkdev *below)
{
	for (struct image *image = images; image; image = image->next)
		if (image->below == below && image->state != IMAGE_FAILED)
			return image;
	return NULL;
}

static uint64_t device_bytes(const struct image *image)
{
	return image->below->sectors * BLK_SECTOR;
}

static size_t head_bytes(const struct image *image)
{
	return device_bytes(image) < QCOW2_HEAD_BYTES ? (size_t)device_bytes(image)
						      : QCOW2_HEAD_BYTES;
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void unlist(const struct image *image)
{
	struct image **at = &images;

	while (*at != image)
		at = &(*at)->next;
	*at = image->next;
}

static void release(struct image *image)
{
	struct image *backing = image->backing;

	image_grow_stop(image);
	if (image->qcow2)
		qcow2_free(image->qcow2);
	free(image->head);
	free(image->l1);
	free(image->table);
	image->qcow2 = NULL;
	image->head = image->l1 = image->table = NULL;
	image->backing = NULL;
	if (image->claimed)
		blk_unclaim(image->below);
	image->claimed = false;
	if (backing)
		put(backing);
}

static void written_out(struct qcow2 *qcow2)
{
	struct image *image = qcow2->owner;

	image->written = true;
	work_queue(&image->work);
}

static void begin_close(struct image *image)
{
	image->state = IMAGE_CLOSING;
	if (image->qcow2)
		qcow2_close(image->qcow2, written_out);
	else
		work_queue(&image->work);
}

static void put(struct image *image)
{
	image->users--;
	if (image->users || image->state == IMAGE_CLOSING)
		return;
	/* One that is being opened ends when its transfer has ended. */
	if (image->rewrite)
		image->rewrite->abort = true;
	if (image->state != IMAGE_OPENING)
		begin_close(image);
}

void image_close(struct image *image, void (*closed)(void *context), void *context)
{
	image->opened = NULL;
	image->full = NULL;
	image->closed = closed;
	image->context = context;
	put(image);
}

static void end(struct image *image)
{
	void (*closed)(void *context) = image->closed;
	void *context = image->context;

	release(image);
	unlist(image);
	free(image);
	if (closed)
		closed(context);
}

/* --- the beginning -----------------------------------------------------------------------------
 */

static void settle(struct image *image, enum image_state state)
{
	image->state = state;
	free(image->head);
	image->head = NULL;
	work_queue(&image->work);
}

static void fail(struct image *image, const char *wrong)
{
	snprintf(image->why, sizeof(image->why), "the image on %.32s: %s", image->below->name,
		 wrong);
	release(image);
	settle(image, IMAGE_FAILED);
}

static void tell(struct work *work)
{
	struct image *image = work->context;

	if (image->state == IMAGE_CLOSING) {
		if (!image->qcow2 || image->written)
			end(image);
		return;
	}
	if (!image->users) {
		begin_close(image);
		return;
	}
	for (struct image *other = images; other; other = other->next)
		if (other->backing == image && other->waits)
			backing_opened(other);
	if (image->opened)
		image->opened(image);
}

static void move(struct image *image, enum transfer_kind kind, uint64_t offset, uint8_t *data,
		 size_t bytes, void (*done)(struct transfer *transfer, bool right))
{
	image->transfer = (struct transfer){
		.dev = image->below,
		.kind = kind,
		.offset = offset,
		.data = data,
		.bytes = bytes,
		.done = done,
		.context = image,
	};
	transfer_start(&image->transfer);
}

static bool stall(struct qcow2 *qcow2, const char *why)
{
	struct image *image = qcow2->owner;

	return image->full && image->full(image, why);
}

static void become_open(struct image *image)
{
	struct blkdev *backing = image->backing ? image->backing->dev : NULL;
	struct qcow2 *q =
		qcow2_make(image->below, &image->header, image->l1, image->table, image->writable);

	if (!q) {
		fail(image, "dom0 is out of memory");
		return;
	}
	image->l1 = image->table = NULL;
	image->qcow2 = q;
	image->dev = &q->dev;
	q->owner = image;
	q->backing = backing;
	q->stall = stall;
	if (image_can_grow(image->below))
		q->grow = image_grow;
	if (backing && backing->logical_block > q->dev.logical_block)
		q->dev.logical_block = backing->logical_block;
	settle(image, IMAGE_OPEN);
}

static void autoclear_flushed(struct transfer *transfer, bool right)
{
	struct image *image = transfer->context;

	if (right)
		become_open(image);
	else
		fail(image, "its header cannot be written");
}

static void autoclear_written(struct transfer *transfer, bool right)
{
	struct image *image = transfer->context;

	if (!right) {
		fail(image, "its header cannot be written");
		return;
	}
	move(image, TRANSFER_FLUSH, 0, NULL, 0, autoclear_flushed);
}

/* qcow2, "autoclear_features": a program that does not know a feature clears its bit before it
 * writes. */
static void clear_features(struct image *image)
{
	static uint8_t zeros[8];

	if (!image->writable || !image->header.autoclear) {
		become_open(image);
		return;
	}
	move(image, TRANSFER_WRITE, QCOW2_AT_AUTOCLEAR, zeros, sizeof(zeros), autoclear_written);
}

static void table_read(struct transfer *transfer, bool right)
{
	struct image *image = transfer->context;

	if (right)
		clear_features(image);
	else
		fail(image, "its refcount table cannot be read");
}

static void read_table(struct image *image)
{
	size_t bytes = 8 * (size_t)qcow2_table_needed(&image->header, device_bytes(image));

	image->table = image->writable ? malloc(bytes) : NULL;
	if (image->table)
		move(image, TRANSFER_READ, image->header.table_offset, image->table, bytes,
		     table_read);
	else if (image->writable)
		fail(image, "dom0 is out of memory");
	else
		become_open(image);
}

static void l1_read(struct transfer *transfer, bool right)
{
	struct image *image = transfer->context;

	if (right)
		read_table(image);
	else
		fail(image, "its L1 table cannot be read");
}

static void read_l1(struct image *image);

static void recounted(struct qcow2_rewrite *rewrite, const char *wrong)
{
	struct image *image = rewrite->context;

	if (!wrong)
		image->header = rewrite->header;
	qcow2_rewrite_free(rewrite);
	free(rewrite);
	image->rewrite = NULL;
	if (wrong)
		fail(image, wrong);
	else
		read_l1(image);
}

/* qcow2, "Bit 0: Dirty bit": the reference counts may be wrong. */
static void recount(struct image *image)
{
	image->rewrite = calloc(1, sizeof(*image->rewrite));
	if (!image->rewrite) {
		fail(image, "dom0 is out of memory");
		return;
	}
	driver_log("%s: its image was not closed: its reference counts are made anew\n",
		   image->below->name);
	image->rewrite->below = image->below;
	image->rewrite->kind = QCOW2_RECOUNT;
	image->rewrite->done = recounted;
	image->rewrite->context = image;
	qcow2_rewrite_start(image->rewrite);
}

static void read_l1(struct image *image)
{
	if (image->writable && image->header.dirty) {
		recount(image);
		return;
	}
	size_t bytes = 8 * (size_t)qcow2_l1_needed(&image->header);
	image->l1 = malloc(bytes ? bytes : 1);
	if (!image->l1)
		fail(image, "dom0 is out of memory");
	else if (bytes)
		move(image, TRANSFER_READ, image->header.l1_offset, image->l1, bytes, l1_read);
	else
		read_table(image);
}

/* --- backing files -----------------------------------------------------------------------------
 */

static void backing_opened(struct image *image)
{
	struct image *backing = image->backing;

	image->waits = backing->state == IMAGE_OPENING;
	if (image->waits)
		return;
	if (backing->state == IMAGE_OPEN) {
		read_l1(image);
		return;
	}
	/* The reason names the device that it is about. */
	memcpy(image->why, backing->why, sizeof(image->why));
	release(image);
	settle(image, IMAGE_FAILED);
}

static struct image *make(struct blkdev *below, struct image *opened_by)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->below = below;
	image->opened_by = opened_by;
	image->users = 1;
	image->work = (struct work){.run = tell, .context = image};
	image->next = images;
	images = image;
	return image;
}

static void begin(struct image *image);

/* Is the device one that the chain has already? */
static const char *chain_wrong(const struct image *image, const struct blkdev *dev)
{
	unsigned depth = 1;

	for (; image; image = image->opened_by, depth++)
		if (image->below == dev)
			return "the chain of backing files is a circle";
	return depth > IMAGE_CHAIN ? "the chain of backing files has more than 16 images" : NULL;
}

/* Is the image one that the open one lies on, or would wait for it? */
static const char *shared_chain_wrong(const struct image *image, const struct image *other)
{
	unsigned depth = 0;

	for (const struct image *at = image; at; at = at->opened_by)
		depth++;
	for (; other; other = other->backing, depth++)
		if (other == image)
			return "the chain of backing files is a circle";
	return depth > IMAGE_CHAIN ? "the chain of backing files has more than 16 images" : NULL;
}

static const char *share_wrong(const struct image *image, const struct image *other, bool raw)
{
	if (other->writable)
		return "its backing file is written by a guest";
	if (other->state == IMAGE_CLOSING)
		return "its backing file is being closed";
	if (other->raw != raw)
		return "its backing file is open in another format";
	return shared_chain_wrong(image, other);
}

static const char *claim(struct image *image)
{
	const char *wrong = blk_claim(image->below, image->user);

	image->claimed = !wrong;
	return wrong;
}

/* Opens the backing file, or takes the one that is open. Returns the reason against it, or NULL. */
static const char *find_backing(struct image *image)
{
	static char text[IMAGE_WHY];
	const char *format = image->header.backing_format, *wrong;
	bool raw = !strcmp(format, "raw");
	struct blkdev *dev = image_backing_dev(image->below, image->header.backing);
	struct image *backing;

	if (!*format)
		return "it does not say which format its backing file has (qemu-img rebase -u -F "
		       "does)";
	if (!raw && strcmp(format, "qcow2") != 0)
		return "its backing file is neither raw nor qcow2";
	if (!dev) {
		snprintf(text, sizeof(text), "there is no %.100s, its backing file",
			 image->header.backing);
		return text;
	}
	wrong = image_backing_wrong(image->below, dev);
	if (!wrong)
		wrong = chain_wrong(image, dev);
	if (!wrong)
		wrong = image_format_disagrees(dev, format);
	if (wrong)
		return wrong;
	backing = image_on(dev);
	if (backing) {
		wrong = share_wrong(image, backing, raw);
		if (wrong)
			return wrong;
		backing->users++;
		image->backing = backing;
		return NULL;
	}
	backing = make(dev, image);
	if (!backing)
		return "dom0 is out of memory";
	image->backing = backing;
	backing->raw = raw;
	snprintf(backing->user, sizeof(backing->user), "%.32s, as its backing file",
		 image->below->name);
	wrong = claim(backing);
	if (wrong)
		fail(backing, wrong);
	else
		begin(backing);
	return NULL;
}

static void head_read(struct transfer *transfer, bool right)
{
	struct image *image = transfer->context;
	const char *wrong = "its header cannot be read";

	if (right)
		wrong = qcow2_parse(&image->header, image->head, head_bytes(image),
				    device_bytes(image));
	if (!wrong && (1u << image->header.cluster_bits) % image->below->logical_block)
		wrong = "its clusters are smaller than the blocks of its device";
	if (!wrong && image->writable && image->header.corrupt)
		wrong = "it is marked as corrupt: qemu-img check -r all repairs it";
	if (!wrong && *image->header.backing)
		wrong = find_backing(image);
	if (wrong)
		fail(image, wrong);
	else if (!image->backing)
		read_l1(image);
	else
		backing_opened(image);
}

static void begin(struct image *image)
{
	if (image->raw) {
		image->dev = image->below;
		settle(image, IMAGE_OPEN);
		return;
	}
	image->head = malloc(head_bytes(image));
	if (image->head)
		move(image, TRANSFER_READ, 0, image->head, head_bytes(image), head_read);
	else
		fail(image, "dom0 is out of memory");
}

struct image *image_open(struct blkdev *below, const char *user, bool writable,
			 void (*opened)(struct image *image), void *context, const char **wrong)
{
	struct image *image;

	*wrong = writable && below->read_only ? "its device is read-only" : NULL;
	if (*wrong)
		return NULL;
	image = make(below, NULL);
	if (!image) {
		*wrong = "dom0 is out of memory";
		return NULL;
	}
	image->writable = writable;
	image->opened = opened;
	image->context = context;
	snprintf(image->user, sizeof(image->user), "%s", user);
	*wrong = claim(image);
	if (!*wrong) {
		begin(image);
		return image;
	}
	unlist(image);
	free(image);
	return NULL;
}
