/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/lvm_disk.c guests/dom0/storage/lvm_text.c guests/dom0/storage/lvm_group.c */
/* sources: guests/dom0/storage/lvm_edit.c guests/dom0/storage/lvm_tag.c */
/* fuzz: -max_len=6000 */
/* LVM2's labels, headers and texts of any bytes, with checksums put right. What is accepted lies
 * on its device and overlaps nothing; what is printed reads back the same. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/lvm_edit.h"

static void check(bool right)
{
	if (!right)
		abort();
}

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* Exactly so many bytes, so that the sanitizer sees one too many. */
static uint8_t *exact(const uint8_t *data, size_t size, size_t bytes)
{
	uint8_t *copy = calloc(1, bytes ? bytes : 1);

	memcpy(copy, data, size < bytes ? size : bytes);
	return copy;
}

static void fuzz_label(const uint8_t *data, size_t size)
{
	const uint64_t device = 64u << 20;
	uint8_t *sectors = exact(data, size, LVM_LABEL_BYTES);
	struct lvm_label label;
	struct lvm_header header;
	struct lvm_place piece[2];

	for (unsigned i = 0; i < 4; i++)
		put32(sectors + 512 * i + 16, lvm_crc(LVM_CRC_START, sectors + 512 * i + 20, 492));
	if (!lvm_label_parse(sectors, device, &label)) {
		check(label.areas <= LVM_AREAS && strlen(label.id) == LVM_ID);
		for (unsigned i = 0; i < label.areas; i++)
			check(label.area[i].bytes >= 1024 && label.area[i].offset < device &&
			      label.area[i].bytes <= device - label.area[i].offset);
	}
	free(sectors);

	const struct lvm_place area = {4096, 16384};
	uint8_t *bytes = exact(data, size, LVM_HEADER_BYTES);

	put32(bytes, lvm_crc(LVM_CRC_START, bytes + 4, 508));
	if (!lvm_header_parse(bytes, &area, &header) && header.text.bytes) {
		unsigned n = lvm_text_pieces(&area, &header.text, piece);
		uint64_t sum = 0;

		for (unsigned i = 0; i < n; i++) {
			check(piece[i].offset >= 4096 + 512 &&
			      piece[i].offset + piece[i].bytes <= 4096 + 16384);
			sum += piece[i].bytes;
		}
		check(sum == header.text.bytes);
		lvm_text_room(&area, &header.text, size + 1, &piece[0]);
	}
	free(bytes);
}

static void check_group(const struct lvm_group *group)
{
	for (uint32_t i = 0; i < group->lvs; i++) {
		const struct lvm_lv *lv = &group->lv[i];
		uint64_t next = 0;

		check(lv->first + lv->segments <= group->segments);
		for (uint32_t s = 0; !*lv->why && !*group->why && s < lv->segments; s++) {
			const struct lvm_segment *segment = &group->segment[lv->first + s];

			check(segment->start == next && segment->pv < group->pvs);
			check((uint64_t)segment->pe + segment->extents <=
			      group->pv[segment->pv].extents);
			next += segment->extents;
			for (uint32_t o = 0; o < group->segments && o < 200; o++) {
				const struct lvm_segment *other = &group->segment[o];

				check(other == segment || other->pv != segment->pv ||
				      other->pe >= segment->pe + segment->extents ||
				      segment->pe >= other->pe + other->extents);
			}
		}
		check(*lv->why || *group->why || (next && next == lv->extents));
	}
}

static void same_bytes(void *bytes, size_t n)
{
	static uint8_t next;

	for (size_t i = 0; i < n; i++)
		((uint8_t *)bytes)[i] = next++;
}

/* A changed group is as good as the one before it, and its other volumes are where they were. */
static void check_edit(const struct lvm_group *group, struct lvm_edit *edit, const char *wrong,
		       const char *changed, uint32_t lvs)
{
	struct lvm_group next;

	if (!wrong) {
		check(!lvm_group_read(&next, &edit->tree));
		check(!*next.why && next.seqno == group->seqno + 1 && next.lvs == lvs);
		check_group(&next);
		for (uint32_t i = 0; i < group->lvs && i < 50; i++) {
			const struct lvm_lv *lv = &group->lv[i], *same;
			int at = lvm_group_find(&next, lv->name);

			if (!strcmp(lv->name, changed))
				continue;
			check(at >= 0);
			same = &next.lv[at];
			check(same->segments == lv->segments && !*same->why == !*lv->why);
			for (uint32_t s = 0; s < lv->segments; s++) {
				const struct lvm_segment *a = &group->segment[lv->first + s];
				const struct lvm_segment *b = &next.segment[same->first + s];

				check(a->pv == b->pv && a->pe == b->pe && a->extents == b->extents);
			}
		}
		lvm_group_free(&next);
	}
	lvm_tree_free(&edit->tree);
}

static void fuzz_edits(const struct lvm_group *group, uint64_t number)
{
	struct lvm_edit edit = {.time = 1, .random = same_bytes};
	uint64_t bytes = number % 64 * group->extent_sectors * LVM_SECTOR;
	const char *wrong;

	if (*group->why || *group->fixed || group->seqno >= UINT32_MAX)
		return;
	wrong = lvm_edit_create(&edit, group, "new", bytes, NULL);
	check_edit(group, &edit, wrong, "new", group->lvs + 1);
	wrong = lvm_edit_tag(&edit, group);
	check_edit(group, &edit, wrong, "", group->lvs);
	for (uint32_t i = 0; i < group->lvs && i < 3; i++) {
		const char *name = group->lv[i].name;

		wrong = lvm_edit_resize(&edit, group, i, bytes, number & 1);
		check_edit(group, &edit, wrong, name, group->lvs);
		wrong = lvm_edit_tag_lv(&edit, group, i, "key", number & 1 ? "a value" : NULL);
		check_edit(group, &edit, wrong, "", group->lvs);
		wrong = lvm_edit_rename(&edit, group, i, "renamed");
		check_edit(group, &edit, wrong, name, group->lvs);
		wrong = lvm_edit_delete(&edit, group, i);
		check_edit(group, &edit, wrong, name, group->lvs - 1);
	}
}

static void fuzz_text(const uint8_t *data, size_t size)
{
	uint8_t *text = exact(data, size, size);
	struct lvm_tree tree, again;
	struct lvm_group group;

	if (!lvm_text_parse(&tree, (char *)text, size)) {
		size_t bytes = lvm_text_print(&tree, NULL, 0), second;
		char *printed = malloc(bytes), *twice = malloc(bytes);

		check(lvm_text_print(&tree, printed, bytes) == bytes);
		check(!lvm_text_parse(&again, printed, bytes));
		second = lvm_text_print(&again, twice, bytes);
		check(second == bytes && !memcmp(printed, twice, bytes));
		lvm_tree_free(&again);
		free(printed);
		free(twice);
		if (!lvm_group_read(&group, &tree)) {
			check_group(&group);
			fuzz_edits(&group, size);
		}
		lvm_group_free(&group);
	}
	lvm_tree_free(&tree);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		fuzz_text(data + 1, size - 1);
	else
		fuzz_label(data + 1, size - 1);
	return 0;
}
