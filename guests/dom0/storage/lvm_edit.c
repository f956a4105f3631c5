/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/lvm_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/lvm_tag.h"

#define EXTENT_SECTORS 8192u /* of new groups: 4 MiB */
#define DM_NAME        127u  /* Linux's longest name of a mapped device */
#define HOST           "sampo"

static const char out_of_memory[] = "dom0 is out of memory";

void lvm_make_id(const struct lvm_edit *edit, char id[LVM_ID + 1])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	uint8_t byte;

	for (unsigned i = 0; i < LVM_ID; i++) {
		do
			edit->random(&byte, 1);
		while (byte >= 4 * (sizeof(letters) - 1));
		id[i] = letters[byte % (sizeof(letters) - 1)];
	}
	id[LVM_ID] = 0;
}

/* --- parts of a tree ---------------------------------------------------------------------------
 */

static struct lvm_node *add_section(struct lvm_edit *e, struct lvm_node *in, const char *name)
{
	return lvm_add(&e->tree, in, LVM_SECTION, name, NULL);
}

static struct lvm_node *add_text(struct lvm_edit *e, struct lvm_node *in, const char *name,
				 const char *text)
{
	return lvm_add(&e->tree, in, LVM_STRING, name, text);
}

/* A list of words with blanks between. */
static bool add_list(struct lvm_edit *e, struct lvm_node *in, const char *name, const char *words)
{
	struct lvm_node *list = lvm_add(&e->tree, in, LVM_ARRAY, name, NULL);
	char word[32];
	int n = 0;

	for (; list && sscanf(words, " %31s%n", word, &n) == 1; words += n)
		if (!add_text(e, list, NULL, word))
			return false;
	return list;
}

static bool add_id(struct lvm_edit *e, struct lvm_node *in, const char *id)
{
	char text[LVM_UUID_TEXT];

	lvm_uuid_text(text, id);
	return add_text(e, in, "id", text);
}

static void replace_text(struct lvm_edit *e, const char *name, const char *text)
{
	struct lvm_node *node = lvm_find(e->tree.root, name);

	if (node)
		lvm_remove(e->tree.root, node);
	add_text(e, e->tree.root, name, text);
}

/* The values that begin every text. Returns false if memory is exhausted. */
static bool sign(struct lvm_edit *e, const char *description)
{
	struct lvm_node *time = lvm_find(e->tree.root, "creation_time");

	replace_text(e, "description", description);
	replace_text(e, "creation_host", HOST);
	return time ? lvm_set_number(&e->tree, time, e->time)
		    : lvm_add_number(&e->tree, e->tree.root, "creation_time", e->time) != NULL;
}

/* The group's section in a copy of its tree, which has the next number. */
static struct lvm_node *begin(struct lvm_edit *e, const struct lvm_group *group,
			      const char *description)
{
	struct lvm_node *node;

	if (!lvm_tree_copy(&e->tree, &group->tree))
		return NULL;
	node = lvm_section(e->tree.root, group->name);
	if (!node || !lvm_set_number(&e->tree, lvm_find(node, "seqno"), group->seqno + 1) ||
	    !sign(e, description))
		return NULL;
	return node;
}

/* --- allocation --------------------------------------------------------------------------------
 */

struct run {
	uint32_t pv, pe, extents;
};

static const struct lvm_group *sorted; /* for qsort's comparison */

static int by_place(const void *a, const void *b)
{
	const struct lvm_segment *x = &sorted->segment[*(const uint32_t *)a];
	const struct lvm_segment *y = &sorted->segment[*(const uint32_t *)b];

	if (x->pv != y->pv)
		return x->pv < y->pv ? -1 : 1;
	return x->pe < y->pe ? -1 : x->pe > y->pe;
}

/* The free runs in the order of devices and places. Returns their number; the caller frees *runs.
 */
static uint32_t free_runs(const struct lvm_group *group, struct run **runs)
{
	uint32_t *index = calloc(group->segments + 1, sizeof(*index));
	uint32_t count = 0, s = 0;

	*runs = calloc(group->segments + group->pvs, sizeof(**runs));
	if (!index || !*runs) {
		free(index);
		free(*runs);
		*runs = NULL;
		return 0;
	}
	for (uint32_t i = 0; i < group->segments; i++)
		index[i] = i;
	sorted = group;
	qsort(index, group->segments, sizeof(*index), by_place);
	for (uint32_t pv = 0; pv < group->pvs; pv++) {
		uint32_t next = 0;

		for (; s < group->segments && group->segment[index[s]].pv == pv; s++) {
			const struct lvm_segment *used = &group->segment[index[s]];

			if (used->pe > next && group->pv[pv].allocatable)
				(*runs)[count++] = (struct run){pv, next, used->pe - next};
			next = used->pe + used->extents;
		}
		if (group->pv[pv].extents > next && group->pv[pv].allocatable)
			(*runs)[count++] = (struct run){pv, next, group->pv[pv].extents - next};
	}
	free(index);
	return count;
}

/*
 * Chooses runs for so many extents, which become the first of *runs: what continues `after` (NULL:
 * nothing), else the first run that is large enough, else runs in their order. Returns their
 * number, 0 if there are too few extents or no memory.
 */
static uint32_t allocate(const struct lvm_group *group, uint64_t extents,
			 const struct lvm_segment *after, struct run **runs)
{
	uint32_t count = free_runs(group, runs), n = 0, first = 0;

	for (uint32_t i = count; i-- > 0;)
		if ((*runs)[i].extents >= extents)
			first = i;
	for (uint32_t i = 0; i < count && after; i++)
		if ((*runs)[i].pv == after->pv && (*runs)[i].pe == after->pe + after->extents)
			first = i;
	if (count) {
		struct run chosen = (*runs)[first];

		memmove(*runs + 1, *runs, first * sizeof(chosen));
		(*runs)[0] = chosen;
	}
	for (; n < count && extents; n++) {
		if ((*runs)[n].extents > extents)
			(*runs)[n].extents = (uint32_t)extents;
		extents -= (*runs)[n].extents;
	}
	return extents ? 0 : n;
}

/* Extents that hold so many bytes; 0: more than a volume can have. */
static uint32_t extents_for(const struct lvm_group *group, uint64_t bytes)
{
	uint64_t extent = group->extent_sectors * LVM_SECTOR;
	uint64_t n = bytes / extent + (bytes % extent != 0);

	return n < UINT32_MAX ? (uint32_t)n : 0;
}

/* --- volumes -----------------------------------------------------------------------------------
 */

static bool add_segment(struct lvm_edit *e, const struct lvm_group *group, struct lvm_node *lv,
			uint32_t number, uint64_t start, const struct run *run)
{
	struct lvm_node *segment, *stripes;
	char name[24];

	snprintf(name, sizeof(name), "segment%u", (unsigned)number);
	segment = add_section(e, lv, name);
	lvm_add_number(&e->tree, segment, "start_extent", start);
	lvm_add_number(&e->tree, segment, "extent_count", run->extents);
	add_text(e, segment, "type", "striped");
	lvm_add_number(&e->tree, segment, "stripe_count", 1);
	stripes = lvm_add(&e->tree, segment, LVM_ARRAY, "stripes", NULL);
	add_text(e, stripes, NULL, group->pv[run->pv].name);
	return lvm_add_number(&e->tree, stripes, NULL, run->pe);
}

/* Names that LVM2 keeps for itself. */
static bool is_reserved(const char *name)
{
	static const char *const parts[] = {"_mlog",    "_mimage",  "_rimage", "_rmeta",
					    "_tdata",   "_tmeta",   "_cdata",  "_cmeta",
					    "_pmspare", "_vorigin", "_vdata",  "_cvol",
					    "_corig",   "_wcorig",  "_imeta",  "_iorig"};

	if (!strncmp(name, "snapshot", 8) || !strncmp(name, "pvmove", 6))
		return true;
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(name, parts[i]))
			return true;
	return false;
}

static size_t mapped_length(const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		n += *name == '-' ? 2 : 1;
	return n;
}

static const char *name_wrong(const struct lvm_group *group, const char *name)
{
	if (!lvm_name_is_right(name))
		return "a name has letters, digits and _.+- and does not begin with -";
	if (is_reserved(name))
		return "LVM2 keeps this name for itself";
	if (mapped_length(group->name) + 1 + mapped_length(name) > DM_NAME)
		return "the names of pool and volume are too long together";
	if (lvm_group_find(group, name) >= 0)
		return "there is a volume of this name";
	return NULL;
}

static const char *too_little(const struct lvm_group *group)
{
	static char text[96];

	snprintf(
		text, sizeof(text), "the pool has %llu MiB left",
		(unsigned long long)(lvm_group_free_extents(group) * group->extent_sectors / 2048));
	return text;
}

static bool add_tags(struct lvm_edit *e, struct lvm_node *lv, const char *const *tags)
{
	struct lvm_node *list;

	if (!tags || !*tags)
		return true;
	list = lvm_add(&e->tree, lv, LVM_ARRAY, "tags", NULL);
	for (; *tags; tags++)
		if (!add_text(e, list, NULL, *tags))
			return false;
	return true;
}

const char *lvm_edit_create(struct lvm_edit *edit, const struct lvm_group *group, const char *name,
			    uint64_t bytes, const char *const *tags)
{
	uint32_t extents = extents_for(group, bytes), count;
	struct lvm_node *node, *lvs, *lv;
	const char *wrong = name_wrong(group, name);
	uint64_t start = 0, max = 0;
	char id[LVM_ID + 1];
	struct run *runs;
	bool right;

	memset(&edit->tree, 0, sizeof(edit->tree));
	lvm_number(group->node, "max_lv", UINT32_MAX, &max);
	if (wrong)
		return wrong;
	if (group->lvs >= LVM_LVS || (max && group->lvs >= max))
		return "the pool has as many volumes as it can have";
	if (!extents)
		return bytes ? "a volume cannot be that large" : "the volume would be empty";
	count = allocate(group, extents, NULL, &runs);
	if (!count || group->segments + count > LVM_SEGMENTS) {
		free(runs);
		return too_little(group);
	}
	node = begin(edit, group, "sampo: vol-create-as");
	lvs = lvm_section(node, "logical_volumes");
	if (!lvs)
		lvs = add_section(edit, node, "logical_volumes");
	lv = add_section(edit, lvs, name);
	lvm_make_id(edit, id);
	right = add_id(edit, lv, id) && add_list(edit, lv, "status", "READ WRITE VISIBLE") &&
		add_list(edit, lv, "flags", "") && add_tags(edit, lv, tags) &&
		lvm_add_number(&edit->tree, lv, "creation_time", edit->time) &&
		add_text(edit, lv, "creation_host", HOST) &&
		lvm_add_number(&edit->tree, lv, "segment_count", count);
	for (uint32_t i = 0; i < count && right; i++) {
		right = add_segment(edit, group, lv, i + 1, start, &runs[i]);
		start += runs[i].extents;
	}
	free(runs);
	return right ? NULL : out_of_memory;
}

/* The volume's section in the copy. */
static struct lvm_node *find_lv(struct lvm_node *node, const struct lvm_group *group, uint32_t lv)
{
	return lvm_section(lvm_section(node, "logical_volumes"), group->lv[lv].name);
}

const char *lvm_edit_delete(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv)
{
	struct lvm_node *node, *lvs, *found;

	memset(&edit->tree, 0, sizeof(edit->tree));
	if (*group->lv[lv].why)
		return group->lv[lv].why;
	node = begin(edit, group, "sampo: vol-delete");
	found = find_lv(node, group, lv);
	if (!found)
		return out_of_memory;
	lvs = lvm_section(node, "logical_volumes");
	lvm_remove(lvs, found);
	if (!lvs->child)
		lvm_remove(node, lvs);
	return NULL;
}

/* Has a value below `in` the text? Volumes of other types name their parts and origins so. */
static bool is_named(const struct lvm_node *in, const char *text)
{
	for (const struct lvm_node *at = in->child; at; at = at->next) {
		if (at->kind == LVM_STRING && !strcmp(at->text, text))
			return true;
		if (is_named(at, text))
			return true;
	}
	return false;
}

const char *lvm_edit_rename(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv,
			    const char *name)
{
	const char *wrong = name_wrong(group, name);
	struct lvm_node *node, *lvs, *found;

	memset(&edit->tree, 0, sizeof(edit->tree));
	if (wrong)
		return wrong;
	if (*group->lv[lv].why)
		return group->lv[lv].why;
	node = begin(edit, group, "sampo: vol-rename");
	found = find_lv(node, group, lv);
	if (!found)
		return out_of_memory;
	lvs = lvm_section(node, "logical_volumes");
	if (is_named(lvs, found->name))
		return "another volume names this one";
	return lvm_set_name(&edit->tree, found, name) ? NULL : out_of_memory;
}

static const char *grow(struct lvm_edit *e, const struct lvm_group *group, const struct lvm_lv *lv,
			struct lvm_node *node, struct lvm_node *last, uint32_t extents)
{
	const struct lvm_segment *end = &group->segment[lv->first + lv->segments - 1];
	uint32_t count, number = lv->segments, i = 0;
	uint64_t start = lv->extents;
	struct run *runs;
	bool right = true;

	count = allocate(group, extents - lv->extents, end, &runs);
	if (!count || group->segments + count > LVM_SEGMENTS) {
		free(runs);
		return too_little(group);
	}
	if (runs[0].pv == end->pv && runs[0].pe == end->pe + end->extents) {
		right = lvm_set_number(&e->tree, lvm_find(last, "extent_count"),
				       (uint64_t)end->extents + runs[0].extents);
		start += runs[0].extents;
		i = 1;
	}
	for (; i < count && right; i++) {
		right = add_segment(e, group, node, ++number, start, &runs[i]);
		start += runs[i].extents;
	}
	free(runs);
	if (!right || !lvm_set_number(&e->tree, lvm_find(node, "segment_count"), number))
		return out_of_memory;
	return NULL;
}

/* Takes away segments that begin behind the new end, and the rest of the one that has it. */
static const char *cut(struct lvm_edit *e, struct lvm_node *node, uint32_t extents)
{
	struct lvm_node *next;
	uint64_t start, count;
	uint32_t left = 0;

	for (struct lvm_node *at = node->child; at; at = next) {
		next = at->next;
		if (at->kind != LVM_SECTION ||
		    !lvm_number(at, "start_extent", UINT32_MAX, &start) ||
		    !lvm_number(at, "extent_count", UINT32_MAX, &count))
			continue;
		if (start >= extents) {
			lvm_remove(node, at);
			continue;
		}
		left++;
		if (start + count > extents &&
		    !lvm_set_number(&e->tree, lvm_find(at, "extent_count"), extents - start))
			return out_of_memory;
	}
	return lvm_set_number(&e->tree, lvm_find(node, "segment_count"), left) ? NULL
									       : out_of_memory;
}

const char *lvm_edit_resize(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv,
			    uint64_t bytes, bool shrink)
{
	const struct lvm_lv *of = &group->lv[lv];
	uint32_t extents = extents_for(group, bytes);
	struct lvm_node *node, *last = NULL;

	memset(&edit->tree, 0, sizeof(edit->tree));
	if (*of->why)
		return of->why;
	if (!extents)
		return bytes ? "a volume cannot be that large" : "the volume would be empty";
	if (extents == of->extents)
		return "the volume has this size already";
	if (extents < of->extents && !shrink)
		return "a smaller volume loses data: --shrink says that this is meant";
	node = find_lv(begin(edit, group, "sampo: vol-resize"), group, lv);
	if (!node)
		return out_of_memory;
	if (extents < of->extents)
		return cut(edit, node, extents);
	for (struct lvm_node *at = node->child; at; at = at->next)
		if (at->kind == LVM_SECTION)
			last = at;
	return grow(edit, group, of, node, last, extents);
}

const char *lvm_edit_tag_lv(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv,
			    const char *key, const char *value)
{
	struct lvm_node *node, *tags, *next;
	char tag[LVM_TAG_ROOM];

	memset(&edit->tree, 0, sizeof(edit->tree));
	if (value && !lvm_tag_make(tag, key, value))
		return "a tag has up to 1024 characters";
	node = find_lv(begin(edit, group, "sampo: tag of a volume"), group, lv);
	if (!node)
		return out_of_memory;
	tags = lvm_find(node, "tags");
	if (tags && tags->kind != LVM_ARRAY)
		return "the volume's tags are no list";
	for (struct lvm_node *at = tags ? tags->child : NULL; at; at = next) {
		next = at->next;
		if (at->kind == LVM_STRING && lvm_tag_has_key(at->text, key))
			lvm_remove(tags, at);
	}
	if (!value)
		return NULL;
	if (!tags)
		tags = lvm_add(&edit->tree, node, LVM_ARRAY, "tags", NULL);
	return add_text(edit, tags, NULL, tag) ? NULL : out_of_memory;
}

/* --- groups ------------------------------------------------------------------------------------
 */

const char *lvm_edit_tag(struct lvm_edit *edit, const struct lvm_group *group)
{
	struct lvm_node *node = begin(edit, group, "sampo: pool-adopt");
	struct lvm_node *tags = lvm_find(node, "tags");

	if (node && !tags)
		tags = lvm_add(&edit->tree, node, LVM_ARRAY, "tags", NULL);
	if (tags && tags->kind != LVM_ARRAY)
		return "its tags are no list";
	return add_text(edit, tags, NULL, LVM_TAG) ? NULL : out_of_memory;
}

static bool add_pv(struct lvm_edit *e, struct lvm_node *pvs, unsigned number,
		   const struct lvm_new_pv *pv)
{
	struct lvm_node *node;
	char name[16];

	snprintf(name, sizeof(name), "pv%u", number);
	node = add_section(e, pvs, name);
	return add_id(e, node, pv->id) && add_text(e, node, "device", pv->device) &&
	       add_list(e, node, "status", "ALLOCATABLE") && add_list(e, node, "flags", "") &&
	       lvm_add_number(&e->tree, node, "dev_size", pv->sectors) &&
	       lvm_add_number(&e->tree, node, "pe_start", LVM_DATA_AT / LVM_SECTOR) &&
	       lvm_add_number(&e->tree, node, "pe_count",
			      (pv->sectors - LVM_DATA_AT / LVM_SECTOR) / EXTENT_SECTORS);
}

const char *lvm_edit_build(struct lvm_edit *edit, const char *name, const struct lvm_new_pv *pv,
			   unsigned pvs)
{
	static const char empty[] = "contents = \"Text Format Volume Group\"\nversion = 1\n";
	struct lvm_node *node, *list;
	char id[LVM_ID + 1];

	if (lvm_text_parse(&edit->tree, empty, sizeof(empty)))
		return out_of_memory;
	if (!lvm_name_is_right(name) || !strcmp(name, "disk") || !strcmp(name, "mapper"))
		return "a name has letters, digits and _.+- and is neither disk nor mapper";
	if (mapped_length(name) > DM_NAME - 2)
		return "the name is too long";
	for (unsigned i = 0; i < pvs; i++)
		if (pv[i].sectors / EXTENT_SECTORS >= UINT32_MAX - 1 ||
		    pv[i].sectors < LVM_DATA_AT / LVM_SECTOR + EXTENT_SECTORS)
			return "a device is too small or too large";
	node = add_section(edit, edit->tree.root, name);
	lvm_make_id(edit, id);
	if (!add_id(edit, node, id) || !lvm_add_number(&edit->tree, node, "seqno", 1) ||
	    !add_text(edit, node, "format", "lvm2") ||
	    !add_list(edit, node, "status", "RESIZEABLE READ WRITE") ||
	    !add_list(edit, node, "flags", "") || !add_list(edit, node, "tags", LVM_TAG) ||
	    !lvm_add_number(&edit->tree, node, "extent_size", EXTENT_SECTORS) ||
	    !lvm_add_number(&edit->tree, node, "max_lv", 0) ||
	    !lvm_add_number(&edit->tree, node, "max_pv", 0) ||
	    !lvm_add_number(&edit->tree, node, "metadata_copies", 0))
		return out_of_memory;
	list = add_section(edit, node, "physical_volumes");
	for (unsigned i = 0; i < pvs; i++)
		if (!add_pv(edit, list, i, &pv[i]))
			return out_of_memory;
	return sign(edit, "sampo: pool-build") ? NULL : out_of_memory;
}
