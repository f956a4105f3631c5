/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/lvm_group.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lvm_name_is_right(const char *name)
{
	size_t n = strlen(name);

	if (!n || n >= LVM_NAME || *name == '-' || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++) {
		bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');

		if (!letter && !(*name >= '0' && *name <= '9') && !strchr("_.+-", *name))
			return false;
	}
	return true;
}

/* The identity's groups of 6, 4, 4, 4, 4, 4 and 6 characters. */
static bool is_group_end(unsigned i)
{
	return i == 6 || i == 10 || i == 14 || i == 18 || i == 22 || i == 26;
}

void lvm_uuid_text(char text[LVM_UUID_TEXT], const char id[LVM_ID + 1])
{
	for (unsigned i = 0; i < LVM_ID; i++) {
		if (is_group_end(i))
			*text++ = '-';
		*text++ = id[i];
	}
	*text = 0;
}

static bool read_id(const struct lvm_node *in, char id[LVM_ID + 1])
{
	const char *text = lvm_string(in, "id");
	unsigned n = 0;

	for (; text && *text; text++) {
		bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');

		if (*text == '-')
			continue;
		if (n == LVM_ID ||
		    (!letter && !(*text >= '0' && *text <= '9') && *text != '!' && *text != '#'))
			return false;
		id[n++] = *text;
	}
	id[n] = 0;
	return n == LVM_ID;
}

/* A text from a disk as far as a terminal can show it. */
static const char *plain(const char *text)
{
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return "?";
	return text;
}

__attribute__((format(printf, 2, 3))) static void refuse(char why[LVM_WHY], const char *format, ...)
{
	va_list args;

	if (*why)
		return;
	va_start(args, format);
	vsnprintf(why, LVM_WHY, format, args);
	va_end(args);
}

/* Calls for each text of a list, which may be a single text. Returns false if it is no list. */
static bool each_text(const struct lvm_node *list, void (*call)(void *context, const char *text),
		      void *context)
{
	if (!list)
		return true;
	if (list->kind == LVM_STRING) {
		call(context, list->text);
		return true;
	}
	if (list->kind != LVM_ARRAY)
		return false;
	for (const struct lvm_node *node = list->child; node; node = node->next) {
		if (node->kind != LVM_STRING)
			return false;
		call(context, node->text);
	}
	return true;
}

/* A list of flags, of which nobody may ignore an unknown one. */
struct flags {
	const char *const *known; /* NULL ends it */
	unsigned found;           /* a bit for each */
	const char *unknown;
};

static void take_flag(void *context, const char *text)
{
	struct flags *flags = context;

	for (unsigned i = 0; flags->known[i]; i++) {
		if (strcmp(text, flags->known[i]) != 0)
			continue;
		flags->found |= 1u << i;
		return;
	}
	flags->unknown = text;
}

static unsigned read_flags(const struct lvm_node *in, const char *const *known, char why[LVM_WHY])
{
	struct flags flags = {.known = known};

	if (!each_text(lvm_find(in, "status"), take_flag, &flags))
		refuse(why, "its status is no list of flags");
	if (flags.unknown)
		refuse(why, "it has the flag %.40s", plain(flags.unknown));
	return flags.found;
}

static void note_tag(void *context, const char *text)
{
	if (!strcmp(text, LVM_TAG))
		*(bool *)context = true;
}

static void note_missing(void *context, const char *text)
{
	if (!strcmp(text, "MISSING"))
		*(bool *)context = true;
}

/* --- the group ---------------------------------------------------------------------------------
 */

static struct lvm_node *group_node(const struct lvm_tree *tree)
{
	struct lvm_node *found = NULL;

	for (struct lvm_node *node = tree->root->child; node; node = node->next) {
		if (node->kind != LVM_SECTION)
			continue;
		if (found)
			return NULL;
		found = node;
	}
	return found;
}

const char *lvm_group_identify(const struct lvm_tree *tree, const char **name, char id[LVM_ID + 1],
			       uint64_t *seqno)
{
	const char *contents = lvm_string(tree->root, "contents");
	const struct lvm_node *node = group_node(tree);
	uint64_t version;

	if (!contents || strcmp(contents, "Text Format Volume Group") != 0)
		return "metadata that describe no volume group";
	if (!lvm_number(tree->root, "version", UINT32_MAX, &version) || version != 1)
		return "metadata of an unknown version";
	if (!node || !lvm_name_is_right(node->name))
		return "metadata without one group of a right name";
	*name = node->name;
	if (!read_id(node, id) || !lvm_number(node, "seqno", UINT32_MAX, seqno))
		return "a group without identity or number";
	return NULL;
}

static void read_group_facts(struct lvm_group *group)
{
	static const char *const known[] = {"RESIZEABLE", "READ", "WRITE", "EXPORTED", NULL};
	const char *format = lvm_string(group->node, "format");
	const char *system = lvm_string(group->node, "system_id");
	const char *lock = lvm_string(group->node, "lock_type");
	unsigned flags = read_flags(group->node, known, group->why);

	group->writable = flags & 4;
	if (format && strcmp(format, "lvm2") != 0)
		refuse(group->why, "its format is %.40s", plain(format));
	if (flags & 8)
		refuse(group->why, "it is exported");
	if (system && *system)
		refuse(group->why, "it belongs to the system %.60s", plain(system));
	if (lock && *lock && strcmp(lock, "none") != 0)
		refuse(group->why, "several machines share it (%.40s)", plain(lock));
	if (!(flags & 2))
		refuse(group->why, "nobody may read it");
	if (!(flags & 1))
		refuse(group->fixed, "it is not resizeable");
	if (!group->writable)
		refuse(group->fixed, "it is read-only");
	if (!each_text(lvm_find(group->node, "tags"), note_tag, &group->tagged))
		refuse(group->why, "its tags are no list");
	if (!lvm_number(group->node, "extent_size", UINT32_MAX, &group->extent_sectors) ||
	    !group->extent_sectors)
		refuse(group->why, "its extents have no size");
}

static unsigned count_sections(const struct lvm_node *in)
{
	unsigned n = 0;

	for (const struct lvm_node *node = in ? in->child : NULL; node; node = node->next)
		n += node->kind == LVM_SECTION;
	return n;
}

static void read_pv(struct lvm_group *group, struct lvm_node *node)
{
	static const char *const known[] = {"ALLOCATABLE", "EXPORTED", NULL};
	struct lvm_pv *pv = &group->pv[group->pvs];
	uint64_t extents = 0;

	*pv = (struct lvm_pv){.name = node->name, .node = node};
	pv->allocatable = read_flags(node, known, group->why) & 1;
	if (!each_text(lvm_find(node, "flags"), note_missing, &pv->missing))
		refuse(group->why, "a device's flags are no list");
	if (!read_id(node, pv->id) ||
	    !lvm_number(node, "pe_start", UINT64_MAX / 4, &pv->first_sector) ||
	    !lvm_number(node, "pe_count", UINT32_MAX - 1, &extents))
		refuse(group->why, "the facts of its device %.40s are wrong", plain(node->name));
	pv->extents = (uint32_t)extents;
	for (uint32_t i = 0; i < group->pvs; i++)
		if (!strcmp(group->pv[i].name, pv->name) || !strcmp(group->pv[i].id, pv->id))
			refuse(group->why, "it names a device twice");
	group->pvs++;
}

static int find_pv(const struct lvm_group *group, const char *name)
{
	for (uint32_t i = 0; i < group->pvs; i++)
		if (!strcmp(group->pv[i].name, name))
			return (int)i;
	return -1;
}

/* --- volumes -----------------------------------------------------------------------------------
 */

/* The array of a striped segment: pairs of a device and its extent. */
static bool read_stripes(struct lvm_group *group, const struct lvm_node *stripes, uint64_t count,
			 const struct lvm_segment *part)
{
	const struct lvm_node *at = stripes && stripes->kind == LVM_ARRAY ? stripes->child : NULL;

	for (uint64_t i = 0; i < count; i++) {
		struct lvm_segment segment = *part;
		uint64_t pe;
		int pv;

		if (!at || at->kind != LVM_STRING || !at->next)
			return false;
		pv = find_pv(group, at->text);
		if (pv < 0 || !lvm_value(at->next, UINT32_MAX, &pe) ||
		    segment.extents > group->pv[pv].extents ||
		    pe > group->pv[pv].extents - segment.extents || group->segments == LVM_SEGMENTS)
			return false;
		segment.pv = (uint32_t)pv;
		segment.pe = (uint32_t)pe;
		group->segment[group->segments++] = segment;
		at = at->next->next;
	}
	return !at;
}

static bool names_pv(const struct lvm_group *group, const struct lvm_node *segment)
{
	for (const struct lvm_node *node = segment->child; node; node = node->next) {
		if (node->kind != LVM_ARRAY)
			continue;
		for (const struct lvm_node *at = node->child; at; at = at->next)
			if (at->kind == LVM_STRING && find_pv(group, at->text) >= 0)
				return true;
	}
	return false;
}

static void read_segment(struct lvm_group *group, struct lvm_lv *lv, const struct lvm_node *node)
{
	uint64_t start, extents, stripes = 0;
	const char *type = lvm_string(node, "type");
	struct lvm_segment part = {.lv = (uint32_t)(lv - group->lv)};

	if (!lvm_number(node, "start_extent", UINT32_MAX, &start) ||
	    !lvm_number(node, "extent_count", UINT32_MAX, &extents) || !type || !extents) {
		refuse(lv->why, "a segment has no place, size or type");
		refuse(group->fixed, "the segments of %.60s are wrong", lv->name);
		return;
	}
	if (start != lv->extents || extents > UINT32_MAX - lv->extents) {
		refuse(lv->why, "its segments do not follow one another");
		refuse(group->fixed, "the segments of %.60s are wrong", lv->name);
	} else {
		lv->extents += (uint32_t)extents;
	}
	if (strcmp(type, "striped") != 0 && strcmp(type, "linear") != 0) {
		refuse(lv->why, "its type is %.40s", plain(type));
		if (names_pv(group, node))
			refuse(group->fixed, "%.60s is of the type %.40s", lv->name, plain(type));
		return;
	}
	lvm_number(node, "stripe_count", LVM_PVS, &stripes);
	part.start = (uint32_t)start;
	part.extents = stripes ? (uint32_t)(extents / stripes) : 0;
	if (!stripes || extents % stripes ||
	    !read_stripes(group, lvm_find(node, "stripes"), stripes, &part)) {
		refuse(lv->why, "a segment does not lie on a device of the group");
		if (stripes == 1 || names_pv(group, node))
			refuse(group->fixed, "the segments of %.60s are wrong", lv->name);
	}
	if (stripes > 1)
		refuse(lv->why, "it is striped over %u devices", (unsigned)stripes);
}

static void read_lv(struct lvm_group *group, struct lvm_node *node)
{
	static const char *const known[] = {"READ", "WRITE", "VISIBLE", "FIXED_MINOR", NULL};
	struct lvm_lv *lv = &group->lv[group->lvs++];
	unsigned flags, segments = 0;
	uint64_t count;

	memset(lv, 0, sizeof(*lv));
	lv->name = node->name;
	lv->node = node;
	lv->first = group->segments;
	if (!lvm_name_is_right(lv->name))
		refuse(group->why, "a volume's name is wrong");
	if (!read_id(node, lv->id))
		refuse(group->why, "a volume has no identity");
	flags = read_flags(node, known, lv->why);
	lv->visible = flags & 4;
	lv->writable = flags & 2;
	if (!(flags & 1))
		refuse(lv->why, "nobody may read it");
	for (const struct lvm_node *at = node->child; at; at = at->next) {
		if (at->kind != LVM_SECTION)
			continue;
		segments++;
		read_segment(group, lv, at);
	}
	lv->segments = group->segments - lv->first;
	if (!lvm_number(node, "segment_count", UINT32_MAX, &count) || count != segments ||
	    !lv->extents)
		refuse(lv->why, "its segments are not all there");
}

/* --- checks of the whole group -----------------------------------------------------------------
 */

static const struct lvm_group *sorted; /* for qsort's comparisons */

static int by_name(const void *a, const void *b)
{
	return strcmp(sorted->lv[*(const uint32_t *)a].name, sorted->lv[*(const uint32_t *)b].name);
}

static int name_to_index(const void *name, const void *index)
{
	return strcmp(name, sorted->lv[*(const uint32_t *)index].name);
}

static int by_place(const void *a, const void *b)
{
	const struct lvm_segment *x = &sorted->segment[*(const uint32_t *)a];
	const struct lvm_segment *y = &sorted->segment[*(const uint32_t *)b];

	if (x->pv != y->pv)
		return x->pv < y->pv ? -1 : 1;
	return x->pe < y->pe ? -1 : x->pe > y->pe;
}

static void refuse_part(const struct lvm_group *group, const uint32_t *index,
			const struct lvm_node *value, bool stripes, const struct lvm_lv *of)
{
	const uint32_t *found;
	struct lvm_lv *lv;

	if (value->kind != LVM_STRING || (stripes && find_pv(group, value->text) >= 0))
		return;
	found = bsearch(value->text, index, group->lvs, sizeof(*index), name_to_index);
	if (!found)
		return;
	lv = &group->lv[*found];
	refuse(lv->why, "it is a part of %.60s", of->name);
}

/* A volume that another one's segment names (the origin of a snapshot, a part of a mirror) holds
 * data that only the whole makes sense of. */
static void refuse_parts(const struct lvm_group *group, const uint32_t *index,
			 const struct lvm_lv *lv)
{
	for (const struct lvm_node *segment = lv->node->child; segment; segment = segment->next) {
		if (segment->kind != LVM_SECTION)
			continue;
		for (const struct lvm_node *at = segment->child; at; at = at->next) {
			bool stripes = !strcmp(at->name, "stripes");

			if (at->kind == LVM_STRING && strcmp(at->name, "type") != 0)
				refuse_part(group, index, at, false, lv);
			if (at->kind != LVM_ARRAY || !strcmp(at->name, "tags"))
				continue;
			for (const struct lvm_node *v = at->child; v; v = v->next)
				refuse_part(group, index, v, stripes, lv);
		}
	}
}

static void check_volumes(struct lvm_group *group, uint32_t *index)
{
	for (uint32_t i = 0; i < group->lvs; i++)
		index[i] = i;
	qsort(index, group->lvs, sizeof(*index), by_name);
	for (uint32_t i = 1; i < group->lvs; i++)
		if (!strcmp(group->lv[index[i - 1]].name, group->lv[index[i]].name))
			refuse(group->why, "two volumes have one name");
	for (uint32_t i = 0; i < group->lvs; i++)
		refuse_parts(group, index, &group->lv[i]);
}

static void check_overlaps(struct lvm_group *group, uint32_t *index)
{
	for (uint32_t i = 0; i < group->segments; i++)
		index[i] = i;
	qsort(index, group->segments, sizeof(*index), by_place);
	for (uint32_t i = 1; i < group->segments; i++) {
		const struct lvm_segment *a = &group->segment[index[i - 1]];
		const struct lvm_segment *b = &group->segment[index[i]];

		if (a->pv == b->pv && a->pe + a->extents > b->pe)
			refuse(group->why, "%.40s and %.40s share extents", group->lv[a->lv].name,
			       group->lv[b->lv].name);
	}
}

static bool has_twice(const struct lvm_node *in, const char *name)
{
	const struct lvm_node *first = lvm_find(in, name);

	for (const struct lvm_node *node = first ? first->next : NULL; node; node = node->next)
		if (node->name && !strcmp(node->name, name))
			return true;
	return false;
}

static const char *read_all(struct lvm_group *group)
{
	const struct lvm_node *pvs = lvm_section(group->node, "physical_volumes");
	const struct lvm_node *lvs = lvm_section(group->node, "logical_volumes");
	unsigned pv_count = count_sections(pvs), lv_count = count_sections(lvs), segments = 0;
	uint32_t *index;

	for (const struct lvm_node *lv = lvs ? lvs->child : NULL; lv; lv = lv->next)
		segments += count_sections(lv) * (lv->kind == LVM_SECTION);
	if (has_twice(group->node, "physical_volumes") || has_twice(group->node, "logical_volumes"))
		return "a group with two lists of its devices or volumes";
	if (!lvs && lvm_find(group->node, "logical_volumes"))
		return "a group whose list of volumes is a value";
	if (!pv_count)
		return "a group without devices";
	if (pv_count > LVM_PVS || lv_count > LVM_LVS || segments > LVM_SEGMENTS)
		return "a group of too many devices, volumes or segments";
	group->pv = calloc(pv_count, sizeof(*group->pv));
	group->lv = calloc(lv_count + 1, sizeof(*group->lv));
	/* A segment of several stripes has several places. */
	for (const struct lvm_node *lv = lvs ? lvs->child : NULL; lv; lv = lv->next)
		for (const struct lvm_node *s = lv->kind == LVM_SECTION ? lv->child : NULL; s;
		     s = s->next) {
			uint64_t stripes;

			if (s->kind == LVM_SECTION &&
			    lvm_number(s, "stripe_count", LVM_PVS, &stripes) && stripes > 1)
				segments += (unsigned)stripes - 1;
		}
	if (segments > LVM_SEGMENTS)
		segments = LVM_SEGMENTS;
	group->segment = calloc(segments + 1, sizeof(*group->segment));
	index = calloc((segments > lv_count ? segments : lv_count) + 1, sizeof(*index));
	if (!group->pv || !group->lv || !group->segment || !index) {
		free(index);
		return "more metadata than there is room for";
	}
	for (struct lvm_node *node = pvs->child; node; node = node->next)
		if (node->kind == LVM_SECTION)
			read_pv(group, node);
	for (struct lvm_node *node = lvs ? lvs->child : NULL; node; node = node->next)
		if (node->kind == LVM_SECTION)
			read_lv(group, node);
	sorted = group;
	check_volumes(group, index);
	check_overlaps(group, index);
	free(index);
	return NULL;
}

const char *lvm_group_read(struct lvm_group *group, struct lvm_tree *tree)
{
	const char *wrong;

	memset(group, 0, sizeof(*group));
	group->tree = *tree;
	memset(tree, 0, sizeof(*tree));
	wrong = lvm_group_identify(&group->tree, &group->name, group->id, &group->seqno);
	if (wrong)
		return wrong;
	group->node = group_node(&group->tree);
	read_group_facts(group);
	return read_all(group);
}

void lvm_group_free(struct lvm_group *group)
{
	lvm_tree_free(&group->tree);
	free(group->pv);
	free(group->lv);
	free(group->segment);
	memset(group, 0, sizeof(*group));
}

int lvm_group_find(const struct lvm_group *group, const char *name)
{
	for (uint32_t i = 0; i < group->lvs; i++)
		if (!strcmp(group->lv[i].name, name))
			return (int)i;
	return -1;
}

uint64_t lvm_group_free_extents(const struct lvm_group *group)
{
	uint64_t extents = 0, used = 0;

	for (uint32_t i = 0; i < group->pvs; i++)
		extents += group->pv[i].extents;
	for (uint32_t i = 0; i < group->segments; i++)
		used += group->segment[i].extents;
	return used < extents ? extents - used : 0;
}
