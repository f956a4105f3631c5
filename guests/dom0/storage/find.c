/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for volume groups: of each device the label, of each metadata area its header and its
 * text, one read after the other. The text with the highest number describes its group. When all
 * devices have been read, groups become pools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/pool_made.h"
#include "guests/dom0/storage/transfer.h"
#include "guests/lib/guest.h"

/* A group that a text has described, until all texts are known. */
struct candidate {
	struct lvm_tree tree;
	char id[LVM_ID + 1];
	uint64_t seqno;
	uint32_t crc;
	bool differs; /* two texts with this number */
	struct candidate *next;
};

static struct pool *pools;
static struct pool_device *devices; /* all that have a label, those of pools too */

static struct {
	bool running, read;
	void (*found)(void);
	struct blkdev *dev;
	struct pool_device *device;
	unsigned area, piece, pieces;
	struct lvm_place place[2];
	struct transfer transfer;
	uint8_t sectors[LVM_LABEL_BYTES];
	char *text;
	struct candidate *candidates;
} find;

struct pool *pool_first(void)
{
	return pools;
}

struct pool_device *pool_devices(void)
{
	return devices;
}

bool pools_are_read(void)
{
	return find.read && !find.running;
}

struct pool *pool_named(const char *name)
{
	char uuid[LVM_UUID_TEXT];

	for (struct pool *pool = pools; pool; pool = pool->next) {
		lvm_uuid_text(uuid, pool->group.id);
		if (!strcmp(pool->group.name, name) || !strcmp(uuid, name))
			return pool;
	}
	return NULL;
}

void pools_add(struct pool *pool)
{
	struct pool **end = &pools;

	while (*end)
		end = &(*end)->next;
	pool->next = NULL;
	*end = pool;
}

void pools_add_device(struct pool_device *device)
{
	device->next = devices;
	devices = device;
}

static bool is_on(const struct pool_device *device, const struct blkdev *dev)
{
	return device && (device->dev == dev || device->dev->parent == dev);
}

static bool has_device(const struct pool *pool, const struct blkdev *dev)
{
	for (uint32_t i = 0; i < pool->group.pvs; i++)
		if (is_on(pool->device[i], dev))
			return true;
	return false;
}

void pools_drop_device(const struct blkdev *dev)
{
	struct pool_device **at = &devices;
	struct pool **of = &pools;

	while (*of) {
		struct pool *pool = *of;

		if (!has_device(pool, dev)) {
			of = &pool->next;
			continue;
		}
		*of = pool->next;
		pool_free(pool);
	}
	while (*at) {
		struct pool_device *device = *at;

		if (!is_on(device, dev)) {
			at = &device->next;
			continue;
		}
		*at = device->next;
		free(device);
	}
}

/* --- groups ------------------------------------------------------------------------------------
 */

/* Two groups of one name: neither can be found by it. */
static void refuse_doubles(void)
{
	for (struct pool *a = pools; a; a = a->next)
		for (struct pool *b = a->next; b; b = b->next)
			if (!strcmp(a->group.name, b->group.name)) {
				snprintf(a->why, LVM_WHY, "two groups have this name");
				snprintf(b->why, LVM_WHY, "two groups have this name");
			}
}

static bool is_name_taken(const char *name)
{
	for (struct pool *pool = pools; pool; pool = pool->next)
		if (!strcmp(pool->group.name, name))
			return true;
	return false;
}

static void tell(const struct pool *pool)
{
	unsigned volumes = 0;

	for (uint32_t i = 0; i < pool->group.lvs; i++) {
		const struct lvm_lv *lv = &pool->group.lv[i];

		volumes += pool->volume[i] != NULL;
		if (lv->visible && *lv->why && !*pool->why)
			printf(LOG_WARNING "storage: %s/%s cannot be used: %s\n", pool->group.name,
			       lv->name, lv->why);
	}
	if (*pool->why)
		printf(LOG_WARNING "storage: the pool %s cannot be used: %s\n", pool->group.name,
		       pool->why);
	else
		printf("storage: pool %s: %u %s, %u %s\n", pool->group.name,
		       (unsigned)pool->group.pvs, pool->group.pvs == 1 ? "device" : "devices",
		       volumes, volumes == 1 ? "volume" : "volumes");
}

static void make_pool(struct candidate *candidate, bool double_name)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	const char *wrong = pool ? lvm_group_read(&pool->group, &candidate->tree) : "out of memory";

	if (!wrong && candidate->differs)
		snprintf(pool->why, LVM_WHY, "its devices describe it differently");
	if (!wrong && double_name)
		snprintf(pool->why, LVM_WHY, "two groups have this name");
	if (!wrong && !pool_bind(pool, devices))
		wrong = "out of memory";
	if (wrong) {
		printf(LOG_WARNING "storage: a volume group is left out: %s\n", wrong);
		if (pool)
			pool_free(pool);
		return;
	}
	if (pool->group.tagged && !*pool->why) {
		wrong = pool_hold(pool);
		if (wrong)
			snprintf(pool->why, LVM_WHY, "%s", wrong);
	}
	pools_add(pool);
	tell(pool);
}

static bool has_double(const struct candidate *one)
{
	const char *name, *other;
	char id[LVM_ID + 1];
	uint64_t seqno;

	if (lvm_group_identify(&one->tree, &name, id, &seqno))
		return false;
	if (is_name_taken(name))
		return true;
	for (struct candidate *c = find.candidates; c; c = c->next)
		if (c != one && c->tree.root && !lvm_group_identify(&c->tree, &other, id, &seqno) &&
		    !strcmp(name, other))
			return true;
	return false;
}

static void finish(void)
{
	void (*found)(void) = find.found;

	for (struct candidate *c = find.candidates; c; c = c->next)
		make_pool(c, has_double(c));
	while (find.candidates) {
		struct candidate *c = find.candidates;

		find.candidates = c->next;
		lvm_tree_free(&c->tree);
		free(c);
	}
	refuse_doubles();
	find.running = false;
	find.read = true;
	find.found = NULL;
	if (found)
		found();
}

static bool is_kept(const char *id)
{
	for (struct pool *pool = pools; pool; pool = pool->next)
		if (!strcmp(pool->group.id, id))
			return true;
	return false;
}

/* The tree is the caller's still if this does not keep it. */
static void consider(struct lvm_tree *tree, uint32_t crc)
{
	struct candidate *c = find.candidates;
	struct pool_area *area = &find.device->area[find.area];
	const char *name, *wrong;
	uint64_t seqno;

	wrong = lvm_group_identify(tree, &name, area->group, &seqno);
	if (wrong) {
		printf(LOG_WARNING "storage: %s: %s\n", find.dev->name, wrong);
		*area->group = 0;
		return;
	}
	area->seqno = seqno;
	while (c && strcmp(c->id, area->group) != 0)
		c = c->next;
	if (is_kept(area->group) || (c && seqno < c->seqno))
		return;
	if (c && seqno == c->seqno) {
		c->differs |= crc != c->crc;
		return;
	}
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c) {
			printf(LOG_WARNING "storage: no memory for the group %s\n", name);
			return;
		}
		memcpy(c->id, area->group, sizeof(c->id));
		c->next = find.candidates;
		find.candidates = c;
	}
	lvm_tree_free(&c->tree);
	c->tree = *tree;
	memset(tree, 0, sizeof(*tree));
	c->seqno = seqno;
	c->crc = crc;
	c->differs = false;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void next_device(void);
static void next_area(void);

static void read_bytes(uint64_t offset, void *data, size_t bytes,
		       void (*done)(struct transfer *transfer, bool right))
{
	find.transfer = (struct transfer){
		.dev = find.dev,
		.kind = TRANSFER_READ,
		.offset = offset,
		.data = data,
		.bytes = bytes,
		.done = done,
	};
	transfer_start(&find.transfer);
}

static void warn(const char *what)
{
	printf(LOG_WARNING "storage: %s: %s\n", find.dev->name, what);
}

static void area_done(const char *wrong)
{
	if (wrong)
		warn(wrong);
	free(find.text);
	find.text = NULL;
	find.area++;
	next_area();
}

static void text_read(void)
{
	const struct lvm_header *header = &find.device->area[find.area].header;
	size_t bytes = header->text.bytes;
	struct lvm_tree tree;
	const char *wrong;

	if (lvm_crc(LVM_CRC_START, find.text, bytes) != header->text_crc) {
		area_done("metadata with a wrong checksum");
		return;
	}
	wrong = lvm_text_parse(&tree, find.text, bytes);
	if (!wrong)
		consider(&tree, header->text_crc);
	lvm_tree_free(&tree);
	area_done(wrong);
}

static void piece_read(struct transfer *transfer, bool right);

static void read_piece(void)
{
	const struct lvm_place *place = &find.place[find.piece];
	uint64_t before = find.piece ? find.place[0].bytes : 0;

	read_bytes(place->offset, find.text + before, place->bytes, piece_read);
}

static void piece_read(struct transfer *transfer, bool right)
{
	(void)transfer;
	if (!right) {
		area_done("the metadata cannot be read");
		return;
	}
	find.piece++;
	if (find.piece < find.pieces)
		read_piece();
	else
		text_read();
}

static void header_read(struct transfer *transfer, bool right)
{
	const struct lvm_place *place = &find.device->label.area[find.area];
	struct pool_area *area = &find.device->area[find.area];
	const char *wrong = right ? lvm_header_parse(find.sectors, place, &area->header)
				  : "the header of the metadata cannot be read";

	(void)transfer;
	area->right = !wrong;
	if (wrong || !area->header.text.bytes || area->header.ignored) {
		area_done(wrong);
		return;
	}
	find.text = malloc(area->header.text.bytes);
	if (!find.text) {
		area_done("no memory for the metadata");
		return;
	}
	find.pieces = lvm_text_pieces(place, &area->header.text, find.place);
	find.piece = 0;
	read_piece();
}

static void next_area(void)
{
	if (find.area < find.device->label.areas)
		read_bytes(find.device->label.area[find.area].offset, find.sectors,
			   LVM_HEADER_BYTES, header_read);
	else
		next_device();
}

static void label_read(struct transfer *transfer, bool right)
{
	struct pool_device *device;
	struct lvm_label label;
	const char *wrong =
		right ? lvm_label_parse(find.sectors, find.dev->sectors * BLK_SECTOR, &label)
		      : "the first sectors cannot be read";

	(void)transfer;
	device = wrong ? NULL : calloc(1, sizeof(*device));
	if (!device) {
		if (!wrong)
			wrong = "no memory for a device of LVM2";
		if (*wrong)
			warn(wrong);
		next_device();
		return;
	}
	device->dev = find.dev;
	device->label = label;
	pools_add_device(device);
	find.device = device;
	find.area = 0;
	next_area();
}

static bool has_partitions(const struct blkdev *disk)
{
	for (const struct blkdev *dev = blk_first(); dev; dev = dev->next)
		if (dev->parent == disk)
			return true;
	return false;
}

static bool is_known(const struct blkdev *dev)
{
	for (const struct pool_device *device = devices; device; device = device->next)
		if (device->dev == dev)
			return true;
	return false;
}

/* A volume is not looked into: what is there is a guest's. */
static bool is_looked_at(const struct blkdev *dev)
{
	return !dev->claim && dev->sectors * BLK_SECTOR >= LVM_DATA_AT && !has_partitions(dev) &&
	       !is_known(dev);
}

static void next_device(void)
{
	do
		find.dev = find.dev ? find.dev->next : blk_first();
	while (find.dev && !is_looked_at(find.dev));
	if (find.dev)
		read_bytes(0, find.sectors, LVM_LABEL_BYTES, label_read);
	else
		finish();
}

/* Forgets the pools without a user, and the devices that no other pool has. */
static void forget(void)
{
	struct pool **at = &pools;
	struct pool_device **end = &devices;

	while (*at) {
		struct pool *pool = *at;

		if (pool->users || pool->looks || pool->changing) {
			at = &pool->next;
			continue;
		}
		*at = pool->next;
		pool_free(pool);
	}
	while (*end) {
		struct pool_device *device = *end;
		bool used = false;

		for (struct pool *pool = pools; pool; pool = pool->next)
			for (uint32_t i = 0; i < pool->group.pvs; i++)
				used |= pool->device[i] == device;
		if (used) {
			end = &device->next;
			continue;
		}
		*end = device->next;
		free(device);
	}
}

void pools_find(void (*found)(void))
{
	if (find.running)
		return;
	forget();
	find.running = true;
	find.found = found;
	find.dev = NULL;
	next_device();
}
