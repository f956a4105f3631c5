/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new image is a volume whose first bytes are written before the group's metadata name it:
 * header, refcount table, one refcount block, L1 table.
 */
#include "guests/dom0/storage/image_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/image_volume.h"

#define CLUSTER_BITS 16u
#define CLUSTER      (1u << CLUSTER_BITS)
#define COUNT_ORDER  4u

static struct {
	bool running;
	char pool[LVM_NAME], name[LVM_NAME];
	char path[2 * LVM_NAME + 8]; /* of the backing file, "": none */
	char format[IMAGE_FORMAT];   /* its format */
	char base[2 * LVM_NAME];     /* POOL/VOLUME */
	char file[LVM_TAG_ROOM];     /* the tag of the new volume's path, "": none */
	char mark[LVM_TAG_ROOM];     /* one more tag, "": none */
	uint64_t capacity, allocation;
	change_done *done;
	struct image_look look;
} make;

/* --- a look at a header ------------------------------------------------------------------------
 */

static void looked(struct image_look *look, const char *wrong)
{
	free(look->head);
	look->head = NULL;
	look->wrong = wrong;
	pool_look_end(look->dev);
	look->done(look);
}

static void head_read(struct transfer *transfer, bool right)
{
	struct image_look *look = transfer->context;

	if (right)
		looked(look, qcow2_parse(&look->header, look->head, look->bytes,
					 look->dev->sectors * BLK_SECTOR));
	else
		looked(look, "its header cannot be read");
}

void image_look(struct image_look *look)
{
	uint64_t device = look->dev->sectors * BLK_SECTOR;

	pool_look_begin(look->dev);
	look->bytes = device < QCOW2_HEAD_BYTES ? (size_t)device : QCOW2_HEAD_BYTES;
	look->head = malloc(look->bytes);
	if (!look->head) {
		looked(look, "dom0 is out of memory");
		return;
	}
	look->transfer = (struct transfer){
		.dev = look->dev,
		.kind = TRANSFER_READ,
		.data = look->head,
		.bytes = look->bytes,
		.done = head_read,
		.context = look,
	};
	transfer_start(&look->transfer);
}

/* --- new images --------------------------------------------------------------------------------
 */

/* The first clusters of the image; NULL: no memory. */
static uint8_t *build(const struct qcow2_header *h, uint64_t clusters)
{
	uint8_t *bytes = calloc((size_t)clusters, CLUSTER);

	if (!bytes || !qcow2_build(h, bytes, CLUSTER)) {
		free(bytes);
		return NULL;
	}
	qcow2_put(bytes + CLUSTER, 8, 2 * CLUSTER);
	for (uint32_t i = 0; i < clusters; i++)
		qcow2_set_refcount(bytes + 2 * CLUSTER, i, COUNT_ORDER, 1);
	return bytes;
}

static const char *create(void)
{
	struct qcow2_header h = {
		.version = 3,
		.cluster_bits = CLUSTER_BITS,
		.size = make.capacity,
		.table_offset = CLUSTER,
		.table_clusters = 1,
		.l1_offset = 3 * CLUSTER,
		.refcount_order = COUNT_ORDER,
	};
	char format[LVM_TAG_ROOM], backing[LVM_TAG_ROOM];
	const char *tags[5] = {format};
	unsigned n = 1;
	struct pool *pool = pool_named(make.pool);
	uint64_t clusters, bytes;
	struct change_content content;

	snprintf(h.backing, sizeof(h.backing), "%s", make.path);
	snprintf(h.backing_format, sizeof(h.backing_format), "%s", make.format);
	if (!pool)
		return "the pool is gone";
	if (!h.size || qcow2_l1_needed(&h) > QCOW2_L1_BYTES / 8)
		return "an image has up to 64 TiB";
	h.l1_entries = (uint32_t)qcow2_l1_needed(&h);
	clusters = 3 + (8ull * h.l1_entries + CLUSTER - 1) / CLUSTER;
	bytes = clusters * CLUSTER;
	content = (struct change_content){build(&h, clusters), (size_t)bytes};
	if (!content.bytes)
		return "dom0 is out of memory";
	lvm_tag_make(format, LVM_KEY_FORMAT, "qcow2");
	lvm_tag_make(backing, LVM_KEY_BACKING, make.base);
	if (*make.path)
		tags[n++] = backing;
	if (*make.file)
		tags[n++] = make.file;
	if (*make.mark)
		tags[n] = make.mark;
	if (make.allocation > bytes)
		bytes = make.allocation;
	return change_create_with(pool, make.name, bytes, tags, content, make.done);
}

static const char *base_wrong(const struct image_look *look)
{
	static char text[256];

	if (!look->wrong)
		return NULL;
	snprintf(text, sizeof(text), "the image on %.128s: %s", make.path, look->wrong);
	return text;
}

/* The base is a qcow2 image, whose size is known now. */
static void base_looked(struct image_look *look)
{
	const char *wrong = base_wrong(look);

	if (!make.capacity)
		make.capacity = look->header.size;
	if (!wrong)
		wrong = create();
	make.running = false;
	if (wrong)
		make.done(wrong, "");
}

static const char *choose_base(const struct image_order *order, struct blkdev **dev)
{
	const struct volume *volume = order->base_pool->volume[order->base];
	const struct lvm_lv *lv = &order->base_pool->group.lv[order->base];
	const char *wrong, *format = order->base_format;
	const struct image *open;

	if (!volume)
		return *lv->why ? lv->why : order->base_pool->why;
	*dev = (struct blkdev *)&volume->dev;
	image_lv_format(lv, make.format);
	if (format && *make.format && strcmp(format, make.format) != 0)
		return image_format_disagrees(*dev, format);
	if (!*make.format)
		snprintf(make.format, sizeof(make.format), "%s", format ? format : "raw");
	if (strcmp(make.format, "raw") != 0 && strcmp(make.format, "qcow2") != 0)
		return "its format is neither raw nor qcow2";
	open = image_on(*dev);
	wrong = (*dev)->user && (!open || open->writable)
			? "a guest writes to it: an image needs a backing file that stays as it is"
			: NULL;
	volume_path(order->base_pool, order->base, make.path);
	snprintf(make.base, sizeof(make.base), "%s/%s", order->base_pool->group.name, lv->name);
	return wrong;
}

bool image_make_is_running(void)
{
	return make.running || change_is_running();
}

const char *image_make(const struct image_order *order, change_done *done)
{
	struct blkdev *base = NULL;
	const char *wrong;

	if (make.running)
		return "another image is being made";
	memset(&make, 0, sizeof(make));
	snprintf(make.pool, sizeof(make.pool), "%s", order->pool->group.name);
	if (strlen(order->name) >= sizeof(make.name))
		return "the name is too long";
	snprintf(make.name, sizeof(make.name), "%s", order->name);
	make.capacity = order->capacity;
	make.allocation = order->allocation;
	make.done = done;
	if (order->file && !lvm_tag_make(make.file, LVM_KEY_PATH, order->file))
		return "the path is too long";
	snprintf(make.mark, sizeof(make.mark), "%s", order->mark ? order->mark : "");
	wrong = order->base_pool ? choose_base(order, &base) : NULL;
	if (wrong)
		return wrong;
	if (!base)
		return create();
	if (!strcmp(make.format, "raw")) {
		if (!make.capacity)
			make.capacity = base->sectors * BLK_SECTOR;
		return create();
	}
	make.running = true;
	make.look = (struct image_look){.dev = base, .done = base_looked};
	image_look(&make.look);
	return NULL;
}
