/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change writes a whole new text into each metadata area of the group, behind the one that
 * counts, and flushes; then it writes the header that names the new text as the next one, and
 * flushes; then the header by which the new text counts. A header is one sector, so a cut leaves
 * the old text or the new one in each area, and of several areas the higher number counts.
 */
#include "guests/dom0/storage/change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/lvm_edit.h"
#include "guests/dom0/storage/pool_made.h"
#include "guests/dom0/storage/script.h"
#include "guests/dom0/storage/signature.h"
#include "guests/lib/guest.h"

#define ZEROED     (64u << 10) /* of a new volume's beginning, as lvcreate does */
#define WIPED_HEAD LVM_DATA_AT /* of a new device */
#define WIPED_TAIL (192u << 10)

/* An area that the change writes. */
struct target {
	struct pool_device *device;
	unsigned area;
	struct lvm_named named; /* the new text */
	uint8_t header[2][LVM_HEADER_BYTES];
};

static struct {
	bool running;
	struct pool *pool;
	struct lvm_edit edit;
	struct lvm_group next;
	char *text;
	size_t bytes;
	struct target *target;
	uint32_t targets;
	struct script script;
	struct change_content content; /* a new volume's first bytes; none: zeros */
	change_done *done;
	/* of a new pool */
	struct pool_device *device[CHANGE_DEVICES];
	uint8_t label[CHANGE_DEVICES][LVM_SECTOR];
	unsigned devices, claimed, looked;
	bool overwrite;
	uint8_t *look; /* a device's beginning and end */
	struct transfer transfer;
	char why[160];
} change;

static const uint8_t zeros[ZEROED];
static const char out_of_memory[] = "dom0 is out of memory";

static void random_bytes(void *bytes, size_t n)
{
	arc4random_buf(bytes, n);
}

static void begin_edit(void)
{
	change.edit = (struct lvm_edit){
		.time = clock_wall_ns() / 1000000000,
		.random = random_bytes,
	};
}

static void clean_up(void)
{
	lvm_tree_free(&change.edit.tree);
	lvm_group_free(&change.next);
	script_free(&change.script);
	free(change.text);
	free(change.target);
	free(change.look);
	free(change.content.bytes);
	for (unsigned i = 0; i < change.claimed; i++)
		blk_unclaim(change.device[i]->dev);
	for (unsigned i = 0; i < change.devices; i++)
		free(change.device[i]);
	if (change.pool)
		change.pool->changing = false;
	memset(&change, 0, sizeof(change));
}

static void finish(const char *wrong)
{
	change_done *done = change.done;
	char why[sizeof(change.why)] = "";
	char note[96] = "";

	if (wrong)
		snprintf(why, sizeof(why), "%s", wrong);
	else if (change.script.failed_targets)
		snprintf(note, sizeof(note), "%u of %u metadata areas could not be written",
			 (unsigned)change.script.failed_targets, (unsigned)change.targets);
	clean_up();
	done(*why ? why : NULL, note);
}

/* --- the steps ---------------------------------------------------------------------------------
 */

static void add_flushes(uint32_t only)
{
	for (uint32_t t = 0; t < change.targets; t++)
		script_add(&change.script,
			   (struct script_step){.dev = change.target[t].device->dev,
						.kind = TRANSFER_FLUSH,
						.target = only == SCRIPT_ALL ? SCRIPT_ALL : t});
}

static void add_write(struct blkdev *dev, uint64_t offset, const void *data, uint64_t bytes,
		      uint32_t target)
{
	script_add(&change.script, (struct script_step){.dev = dev,
							.kind = TRANSFER_WRITE,
							.offset = offset,
							.data = data,
							.bytes = (size_t)bytes,
							.target = target});
}

static void add_zeros(struct blkdev *dev, uint64_t offset, uint64_t bytes)
{
	while (bytes) {
		uint64_t piece = bytes < ZEROED ? bytes : ZEROED;

		add_write(dev, offset, zeros, piece, SCRIPT_ALL);
		offset += piece;
		bytes -= piece;
	}
}

/* Bytes from..from+bytes of a new volume. */
static void add_content(struct blkdev *dev, uint64_t offset, uint64_t from, uint64_t bytes)
{
	if (change.content.bytes)
		add_write(dev, offset, change.content.bytes + from, bytes, SCRIPT_ALL);
	else
		add_zeros(dev, offset, bytes);
}

static bool is_target(const struct pool_device *device, unsigned area)
{
	return device->area[area].right && !device->area[area].header.ignored;
}

/* Chooses the areas that are written, and the place of the text in each. */
static const char *choose_targets(struct pool_device *const *device, uint32_t devices)
{
	uint32_t crc = lvm_crc(LVM_CRC_START, change.text, change.bytes);

	change.target = calloc(devices * LVM_AREAS, sizeof(*change.target));
	if (!change.target)
		return out_of_memory;
	for (uint32_t i = 0; i < devices; i++)
		for (unsigned a = 0; a < device[i]->label.areas; a++) {
			struct target *target = &change.target[change.targets];
			const struct lvm_place *area = &device[i]->label.area[a];

			if (!is_target(device[i], a))
				continue;
			target->device = device[i];
			target->area = a;
			target->named.crc = crc;
			if (!lvm_text_room(area, &device[i]->area[a].header.text, change.bytes,
					   &target->named.place))
				return "a metadata area has no room for more";
			change.targets++;
		}
	change.script.targets = change.targets;
	if (change.targets > SCRIPT_TARGETS)
		return "the group has too many metadata areas";
	return change.targets ? NULL : "none of its metadata areas can be written";
}

/* `strict`: an error on one device ends the change. */
static void add_commit(bool strict)
{
	for (uint32_t t = 0; t < change.targets; t++) {
		struct target *target = &change.target[t];
		const struct lvm_place *area = &target->device->label.area[target->area];
		const struct lvm_header *old = &target->device->area[target->area].header;
		struct lvm_named before = {old->text, old->text_crc};
		struct lvm_place piece[2];
		unsigned pieces = lvm_text_pieces(area, &target->named.place, piece);
		uint64_t done = 0;

		lvm_header_build(target->header[0], area, old->text.bytes ? &before : NULL,
				 &target->named);
		lvm_header_build(target->header[1], area, &target->named, NULL);
		for (unsigned p = 0; p < pieces; p++) {
			add_write(target->device->dev, piece[p].offset, change.text + done,
				  piece[p].bytes, strict ? SCRIPT_ALL : t);
			done += piece[p].bytes;
		}
	}
	add_flushes(strict ? SCRIPT_ALL : 0);
	for (unsigned h = 0; h < 2; h++) {
		for (uint32_t t = 0; t < change.targets; t++) {
			const struct target *target = &change.target[t];

			add_write(target->device->dev,
				  target->device->label.area[target->area].offset,
				  target->header[h], LVM_HEADER_BYTES, strict ? SCRIPT_ALL : t);
		}
		add_flushes(strict ? SCRIPT_ALL : 0);
	}
}

/* The devices' areas have the new text by now. */
static void note_written(void)
{
	for (uint32_t t = 0; t < change.targets; t++) {
		struct target *target = &change.target[t];
		struct pool_area *area = &target->device->area[target->area];

		if (change.script.failed[t]) {
			/* Nobody knows what is there. */
			area->right = false;
			continue;
		}
		area->header.text = target->named.place;
		area->header.text_crc = target->named.crc;
		area->seqno = change.next.seqno;
		memcpy(area->group, change.next.id, sizeof(area->group));
		area->right = true;
	}
}

/* The group as it will be, and its text. */
static const char *prepare(void)
{
	const char *wrong = lvm_group_read(&change.next, &change.edit.tree);

	if (!wrong && *change.next.why)
		wrong = change.next.why;
	if (wrong)
		return wrong;
	change.bytes = lvm_text_print(&change.next.tree, NULL, 0);
	if (change.bytes > LVM_TEXT_MAX)
		return "the metadata would be larger than 512 KiB";
	change.text = malloc(change.bytes);
	if (!change.text)
		return out_of_memory;
	lvm_text_print(&change.next.tree, change.text, change.bytes);
	return NULL;
}

/* --- changes of a pool that is there -----------------------------------------------------------
 */

static void committed(struct script *script, bool right)
{
	struct pool *pool = change.pool;
	uint32_t failed = 0;

	for (uint32_t t = 0; t < change.targets; t++)
		failed += script->failed[t];
	if (!right && (!script->at || !failed)) {
		finish("an I/O error came before the metadata: nothing has changed");
		return;
	}
	if (!right) {
		/* The last header may have reached a disk before its error came. */
		snprintf(pool->why, LVM_WHY,
			 "its metadata could not be written: pool-refresh reads "
			 "what is there");
		finish("no metadata area could be written");
		return;
	}
	note_written();
	if (pool_replace(pool, &change.next))
		finish(NULL);
	else
		finish("the metadata are written, but dom0 is out of memory: pool-refresh");
}

bool change_is_running(void)
{
	return change.running;
}

static const char *may_begin(const struct pool *pool)
{
	if (change.running)
		return "another change of a pool is at work";
	if (!pools_are_read())
		return "the disks are still being read";
	return pool ? pool_fixed(pool) : NULL;
}

/* `wrong` is about the edit, whose tree is complete otherwise. The content, or zeros, go to the
 * extents of the volume `zeroed` first; NULL: there is none. */
static const char *commit(struct pool *pool, const char *wrong, const char *zeroed,
			  change_done *done)
{
	change.running = true;
	change.done = done;
	if (!wrong)
		wrong = prepare();
	if (!wrong)
		wrong = choose_targets(pool->device, pool->group.pvs);
	if (wrong) {
		static char why[160];

		snprintf(why, sizeof(why), "%s", wrong);
		clean_up();
		return why;
	}
	change.pool = pool;
	pool->changing = true;
	int lv = zeroed ? lvm_group_find(&change.next, zeroed) : -1;
	uint64_t all = change.content.bytes ? change.content.n : ZEROED, left = all;
	for (uint32_t i = 0; lv >= 0 && i < change.next.lv[lv].segments && left; i++) {
		const struct lvm_segment *s = &change.next.segment[change.next.lv[lv].first + i];
		uint64_t bytes = s->extents * change.next.extent_sectors * BLK_SECTOR;
		uint64_t at =
			change.next.pv[s->pv].first_sector + s->pe * change.next.extent_sectors;

		if (bytes > left)
			bytes = left;
		add_content(pool->device[s->pv]->dev, at * BLK_SECTOR, all - left, bytes);
		left -= bytes;
		script_add(&change.script, (struct script_step){.dev = pool->device[s->pv]->dev,
								.kind = TRANSFER_FLUSH,
								.target = SCRIPT_ALL});
	}
	add_commit(false);
	script_run(&change.script, committed);
	return NULL;
}

const char *change_create_with(struct pool *pool, const char *name, uint64_t bytes,
			       const char *const *tags, struct change_content content,
			       change_done *done)
{
	const char *wrong = may_begin(pool);

	if (wrong) {
		free(content.bytes);
		return wrong;
	}
	begin_edit();
	change.content = content;
	return commit(pool, lvm_edit_create(&change.edit, &pool->group, name, bytes, tags), name,
		      done);
}

const char *change_create(struct pool *pool, const char *name, uint64_t bytes,
			  const char *const *tags, change_done *done)
{
	return change_create_with(pool, name, bytes, tags, (struct change_content){NULL, 0}, done);
}

static const char *not_in_use(const struct pool *pool, uint32_t lv)
{
	static char text[LVM_NAME + 80];
	const char *user = pool->volume[lv] ? pool->volume[lv]->dev.user : NULL;

	if (!user)
		return NULL;
	snprintf(text, sizeof(text), "the volume is in use by %.80s", user);
	return text;
}

static const char *not_a_base(const struct pool *pool, uint32_t lv)
{
	static char text[2 * LVM_NAME + 64];
	const char *overlay = image_overlay_of(pool, lv);

	if (!overlay)
		return NULL;
	snprintf(text, sizeof(text), "%s has it as its backing file", overlay);
	return text;
}

const char *change_delete(struct pool *pool, uint32_t lv, change_done *done)
{
	const char *wrong = may_begin(pool);

	if (!wrong)
		wrong = not_in_use(pool, lv);
	if (!wrong)
		wrong = not_a_base(pool, lv);
	if (wrong)
		return wrong;
	begin_edit();
	return commit(pool, lvm_edit_delete(&change.edit, &pool->group, lv), NULL, done);
}

const char *change_rename(struct pool *pool, uint32_t lv, const char *name, change_done *done)
{
	const char *wrong = may_begin(pool);

	if (!wrong)
		wrong = not_in_use(pool, lv);
	if (!wrong)
		wrong = not_a_base(pool, lv);
	if (wrong)
		return wrong;
	begin_edit();
	return commit(pool, lvm_edit_rename(&change.edit, &pool->group, lv, name), NULL, done);
}

const char *change_resize(struct pool *pool, uint32_t lv, uint64_t bytes, bool shrink,
			  change_done *done)
{
	const char *wrong = may_begin(pool);

	/* A volume grows under its user, but does not shrink. */
	if (!wrong && shrink)
		wrong = not_in_use(pool, lv);
	if (!wrong && shrink)
		wrong = not_a_base(pool, lv);
	if (wrong)
		return wrong;
	begin_edit();
	return commit(pool, lvm_edit_resize(&change.edit, &pool->group, lv, bytes, shrink), NULL,
		      done);
}

const char *change_tag(struct pool *pool, uint32_t lv, const char *key, const char *value,
		       change_done *done)
{
	const char *wrong = may_begin(pool);

	if (wrong)
		return wrong;
	begin_edit();
	return commit(pool, lvm_edit_tag_lv(&change.edit, &pool->group, lv, key, value), NULL,
		      done);
}

const char *change_adopt(struct pool *pool, change_done *done)
{
	const char *wrong = may_begin(NULL);
	bool tagged = pool->group.tagged;

	if (!wrong && tagged)
		wrong = "Sampo writes this pool already";
	if (!wrong) {
		/* All but the tag must be as for any other change. */
		pool->group.tagged = true;
		wrong = pool_fixed(pool);
		pool->group.tagged = tagged;
	}
	if (!wrong)
		wrong = pool_hold(pool);
	if (wrong)
		return wrong;
	begin_edit();
	return commit(pool, lvm_edit_tag(&change.edit, &pool->group), NULL, done);
}

/* --- new pools ---------------------------------------------------------------------------------
 */

static void built(struct script *script, bool right)
{
	struct pool *pool = right ? calloc(1, sizeof(*pool)) : NULL;
	const char *wrong = right ? out_of_memory : "I/O error";

	(void)script;
	if (!pool) {
		finish(wrong);
		return;
	}
	note_written();
	pool->group = change.next;
	memset(&change.next, 0, sizeof(change.next));
	for (unsigned i = 0; i < change.claimed; i++)
		blk_unclaim(change.device[i]->dev);
	change.claimed = 0;
	for (unsigned i = 0; i < change.devices; i++) {
		/* Groups that had the device lose it; nobody uses them, or it would not be free. */
		pools_drop_device(change.device[i]->dev);
		blk_drop_partitions(change.device[i]->dev);
		pools_add_device(change.device[i]);
	}
	change.devices = 0;
	if (!pool_bind(pool, pool_devices())) {
		pool_free(pool);
		finish(out_of_memory);
		return;
	}
	wrong = pool_hold(pool);
	if (wrong)
		snprintf(pool->why, LVM_WHY, "%s", wrong);
	pools_add(pool);
	finish(NULL);
}

/* The label comes last: until then a device is nobody's. */
static void write_devices(void)
{
	const char *wrong = prepare();

	if (!wrong)
		wrong = choose_targets(change.device, change.devices);
	if (wrong) {
		finish(wrong);
		return;
	}
	for (unsigned i = 0; i < change.devices; i++) {
		struct blkdev *dev = change.device[i]->dev;

		add_zeros(dev, 0, WIPED_HEAD);
		add_zeros(dev, dev->sectors * BLK_SECTOR - WIPED_TAIL, WIPED_TAIL);
	}
	add_flushes(SCRIPT_ALL);
	add_commit(true);
	for (unsigned i = 0; i < change.devices; i++) {
		lvm_label_build(change.label[i], &change.device[i]->label);
		add_write(change.device[i]->dev, LVM_SECTOR, change.label[i], LVM_SECTOR,
			  SCRIPT_ALL);
	}
	add_flushes(SCRIPT_ALL);
	script_run(&change.script, built);
}

static void look_at_next(void);

static void tail_read(struct transfer *transfer, bool right)
{
	struct blkdev *dev = transfer->dev;
	const char *found;

	if (!right) {
		finish("a device cannot be read");
		return;
	}
	found = signature_find(change.look, change.look + SIGNATURE_HEAD,
			       dev->sectors * BLK_SECTOR);
	if (found && !change.overwrite) {
		snprintf(change.why, sizeof(change.why),
			 "%.32s has %s: --overwrite says that its data may go", dev->name, found);
		finish(change.why);
		return;
	}
	change.looked++;
	look_at_next();
}

static void look(uint64_t offset, uint8_t *data, size_t bytes,
		 void (*done)(struct transfer *transfer, bool right))
{
	change.transfer = (struct transfer){
		.dev = change.device[change.looked]->dev,
		.kind = TRANSFER_READ,
		.offset = offset,
		.data = data,
		.bytes = bytes,
		.done = done,
	};
	transfer_start(&change.transfer);
}

static void head_read(struct transfer *transfer, bool right)
{
	if (!right) {
		finish("a device cannot be read");
		return;
	}
	look(transfer->dev->sectors * BLK_SECTOR - SIGNATURE_TAIL, change.look + SIGNATURE_HEAD,
	     SIGNATURE_TAIL, tail_read);
}

static void look_at_next(void)
{
	if (change.looked < change.devices)
		look(0, change.look, SIGNATURE_HEAD, head_read);
	else
		write_devices();
}

static const char *take_device(struct blkdev *dev, bool overwrite)
{
	static char text[96];
	struct pool_device *device;
	const char *wrong = NULL;

	if (dev->read_only)
		wrong = "read-only";
	else if (dev->claim)
		wrong = "a volume of a pool";
	else if (dev->sectors * BLK_SECTOR < LVM_DATA_AT + (8u << 20))
		wrong = "too small";
	for (const struct blkdev *other = blk_first(); other && !wrong; other = other->next)
		if (other->parent == dev && !overwrite)
			wrong = "partitioned: --overwrite says that its data may go";
	if (wrong) {
		snprintf(text, sizeof(text), "%.32s is %s", dev->name, wrong);
		return text;
	}
	device = calloc(1, sizeof(*device));
	if (!device)
		return out_of_memory;
	change.device[change.devices++] = device;
	device->dev = dev;
	device->area[0].right = true;
	device->label.device_bytes = dev->sectors * BLK_SECTOR;
	device->label.data_at = LVM_DATA_AT;
	device->label.area[0] = (struct lvm_place){LVM_AREA_AT, LVM_AREA_BYTES};
	device->label.areas = 1;
	lvm_make_id(&change.edit, device->label.id);
	wrong = blk_claim(dev, "pool-build");
	change.claimed += !wrong;
	return wrong;
}

const char *change_build(const char *name, struct blkdev *const *dev, unsigned devices,
			 bool overwrite, change_done *done)
{
	struct lvm_new_pv pv[CHANGE_DEVICES];
	char path[CHANGE_DEVICES][48];
	static char why[160];
	const char *wrong = may_begin(NULL);

	if (wrong)
		return wrong;
	if (pool_named(name))
		return "there is a pool of this name";
	if (!devices || devices > CHANGE_DEVICES)
		return "a new pool has from 1 to 32 devices";
	change.running = true;
	change.done = done;
	change.overwrite = overwrite;
	begin_edit();
	for (unsigned i = 0; i < devices && !wrong; i++) {
		wrong = take_device(dev[i], overwrite);
		if (wrong)
			break;
		snprintf(path[i], sizeof(path[i]), "/dev/%s", dev[i]->name);
		pv[i] = (struct lvm_new_pv){.device = path[i], .sectors = dev[i]->sectors};
		memcpy(pv[i].id, change.device[i]->label.id, sizeof(pv[i].id));
	}
	if (!wrong)
		wrong = lvm_edit_build(&change.edit, name, pv, devices);
	change.look = wrong ? NULL : malloc(SIGNATURE_HEAD + SIGNATURE_TAIL);
	if (!wrong && !change.look)
		wrong = out_of_memory;
	if (wrong) {
		snprintf(why, sizeof(why), "%s", wrong);
		clean_up();
		return why;
	}
	look_at_next();
	return NULL;
}
