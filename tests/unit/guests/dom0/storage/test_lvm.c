/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/lvm_disk.c guests/dom0/storage/lvm_text.c guests/dom0/storage/lvm_group.c */
/* LVM2's format: labels, headers of metadata areas, texts and groups, right and wrong. */
#include "guests/dom0/storage/lvm_group.h"
#include "tests/unit/unit.h"

#define DEVICE (64ull << 20)

static uint8_t sectors[LVM_LABEL_BYTES];
static struct lvm_label label;
static const struct lvm_place area = {LVM_AREA_AT, LVM_AREA_BYTES};

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void seal_label(void)
{
	put(sectors + 512 + 16, lvm_crc(LVM_CRC_START, sectors + 512 + 20, 512 - 20), 4);
}

static void good_label(void)
{
	struct lvm_label made = {
		.id = "YSCyfXvH712YAAP9Dj5gAe8OklLedtSR",
		.device_bytes = DEVICE,
		.data_at = LVM_DATA_AT,
		.area = {area},
		.areas = 1,
	};

	memset(sectors, 0, sizeof(sectors));
	lvm_label_build(sectors + 512, &made);
}

static const char *parse_label(void)
{
	return lvm_label_parse(sectors, DEVICE, &label);
}

/* The sum of a label that pvcreate of lvm2 2.03.16 has made. */
static void test_label(void **state)
{
	(void)state;
	good_label();
	assert_int_equal(sectors[512 + 16] | sectors[512 + 17] << 8, 0x351f);
	assert_int_equal(sectors[512 + 18] | sectors[512 + 19] << 8, 0xbdc7);
	assert_null(parse_label());
	assert_string_equal(label.id, "YSCyfXvH712YAAP9Dj5gAe8OklLedtSR");
	assert_int_equal(label.data_at, LVM_DATA_AT);
	assert_int_equal(label.areas, 1);
	assert_int_equal(label.area[0].offset, 4096);
	memset(sectors, 0, sizeof(sectors));
	assert_string_equal(parse_label(), "");
}

static void test_bad_labels(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint64_t value;
	} changes[] = {
		{8, 8, 0},        {8, 8, 2},       {20, 4, 31},       {20, 4, 473}, {20, 4, ~0u},
		{32, 1, '-'},     {63, 1, 0},      {88, 8, 4096},     {104, 8, 0},  {104, 8, 513},
		{104, 8, DEVICE}, {112, 8, 512},   {112, 8, 1000},    {112, 8, 0},  {112, 8, ~0ull},
		{112, 8, DEVICE}, {104, 8, ~511u}, {112, 8, ~511ull},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		good_label();
		put(sectors + 512 + changes[i].at, changes[i].value, changes[i].bytes);
		seal_label();
		/* An area list that ends at once is a device without metadata. */
		if (changes[i].at == 104 && !changes[i].value)
			assert_null(parse_label());
		else if (parse_label() == NULL)
			fail_msg("change %u is not seen", i);
	}
	good_label();
	for (unsigned bit = 20 * 8; bit < 512 * 8; bit++) {
		sectors[512 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_non_null(parse_label());
		sectors[512 + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* Lists without an end. */
	good_label();
	memset(sectors + 512 + 72, 0x11, 512 - 72);
	seal_label();
	assert_non_null(parse_label());
}

static void test_header(void **state)
{
	uint8_t bytes[LVM_HEADER_BYTES];
	struct lvm_named text = {{512, 918}, 0xd93389a4}, next = {{2048, 100}, 1};
	struct lvm_header header;

	(void)state;
	lvm_header_build(bytes, &area, &text, NULL);
	/* The sum of one that vgcreate has made. */
	assert_int_equal(bytes[0] | bytes[1] << 8, 0x61d0);
	assert_null(lvm_header_parse(bytes, &area, &header));
	assert_int_equal(header.text.offset, 512);
	assert_int_equal(header.text.bytes, 918);
	assert_int_equal(header.text_crc, 0xd93389a4);
	lvm_header_build(bytes, &area, &text, &next);
	assert_null(lvm_header_parse(bytes, &area, &header));
	assert_int_equal(header.text.bytes, 918);
	lvm_header_build(bytes, &area, NULL, &next);
	assert_null(lvm_header_parse(bytes, &area, &header));
	assert_int_equal(header.text.bytes, 0);
	text.place.offset = 511;
	lvm_header_build(bytes, &area, &text, NULL);
	assert_non_null(lvm_header_parse(bytes, &area, &header));
	text.place = (struct lvm_place){LVM_AREA_BYTES, 10};
	lvm_header_build(bytes, &area, &text, NULL);
	assert_non_null(lvm_header_parse(bytes, &area, &header));
	text.place = (struct lvm_place){512, (1ull << 32) + 918};
	lvm_header_build(bytes, &area, &text, NULL);
	assert_non_null(lvm_header_parse(bytes, &area, &header));
}

/* Texts of random sizes go round the ring, behind each other and without an overlap. */
static void test_ring(void **state)
{
	const struct lvm_place small = {4096, 512 + 16 * 512};
	struct lvm_place old = {0, 0}, text, piece[2];
	unsigned wrapped = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t bytes = 1 + random_below(4096);
		uint8_t used[16] = {0};

		assert_true(lvm_text_room(&small, &old, bytes, &text));
		assert_int_equal(text.offset % 512, 0);
		for (unsigned t = 0; t < 2; t++) {
			const struct lvm_place *of = t ? &text : &old;
			unsigned n = of->bytes ? lvm_text_pieces(&small, of, piece) : 0;

			wrapped += n == 2;
			for (unsigned p = 0; p < n; p++)
				for (uint64_t s = piece[p].offset / 512;
				     s <= (piece[p].offset + piece[p].bytes - 1) / 512; s++) {
					assert_in_range(s, 9, 24);
					assert_int_equal(used[s - 9]++, 0);
				}
		}
		old = text;
	}
	assert_true(wrapped > 100);
	assert_false(lvm_text_room(&small, &old, 16 * 512, &text));
}

/* --- texts and groups ----------------------------------------------------------------------------
 */

#define PVS                                                                                    \
	"physical_volumes {\npv0 {\nid = \"YSCyfX-vH71-2YAA-P9Dj-5gAe-8Okl-LedtSR\"\n"         \
	"status = [\"ALLOCATABLE\"]\npe_start = 2048\npe_count = 15\n}\n"                      \
	"pv1 {\nid = \"c5w9Kb-h2GB-lqYG-ya8b-PnVi-NRe1-PBCk3W\"\nstatus = [\"ALLOCATABLE\"]\n" \
	"flags = [\"NEW\"]\npe_start = 2048\npe_count = 15\n}\n}\n"
#define HEAD                                                                                    \
	"data {\nid = \"599Xg0-6fHW-yrgJ-kEFO-e0tb-2iuH-4Nspei\"\nseqno = 3\nformat = \"lvm2\"" \
	"# informational\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\nextent_size = 8192\n" \
	"new_key { a = [1, \"x\"] }\n"
#define LV(name, id, segments)                                            \
	name " {\nid = \"U1fXyx-7GoK-O2f0-2Fq6-mCDe-y3o0-YDvQg" id "\"\n" \
	     "status = [\"READ\", \"WRITE\", \"VISIBLE\"]\nsegment_count = " segments "}\n"
#define LINEAR(n, start, count, stripes)                                  \
	"segment" n " {\nstart_extent = " start "\nextent_count = " count \
	"\ntype = \"striped\"\nstripe_count = 1\nstripes = [" stripes "]\n}\n"
#define TAIL "}\ncontents = \"Text Format Volume Group\"\nversion = 1\n"

static struct lvm_group group;

static const char *read_group(const char *text)
{
	struct lvm_tree tree;
	const char *wrong;

	lvm_group_free(&group);
	/* The sanitizer sees a byte too many. */
	size_t bytes = strlen(text);
	char *exact = malloc(bytes);

	memcpy(exact, text, bytes);
	wrong = lvm_text_parse(&tree, exact, bytes);
	free(exact);
	if (!wrong)
		wrong = lvm_group_read(&group, &tree);
	lvm_tree_free(&tree);
	return wrong;
}

static void test_group(void **state)
{
	(void)state;
	assert_null(read_group(
		HEAD "tags = [\"sampo\", \"b\"]\n" PVS "logical_volumes {\n" LV(
			"web", "z",
			"2\n" LINEAR("1", "0", "4", "\"pv0\", 3")
				LINEAR("2", "4", "15", "\"pv1\", 0"))
			LV("m", "y",
			   "1\nsegment1 {\nstart_extent = 0\nextent_count = 2\n"
			   "type = \"raid1\"\nraids = [\"m_meta\", \"web\"]\n}\n") "}\n" TAIL));
	assert_string_equal(group.name, "data");
	assert_string_equal(group.why, "");
	assert_string_equal(group.fixed, "");
	assert_true(group.tagged);
	assert_int_equal(group.seqno, 3);
	assert_int_equal(group.lvs, 2);
	assert_int_equal(group.lv[0].segments, 2);
	assert_int_equal(group.lv[0].extents, 19);
	assert_int_equal(group.segment[1].pv, 1);
	assert_string_equal(group.lv[0].why, "it is a part of m");
	assert_string_equal(group.lv[1].why, "its type is raid1");
	assert_int_equal(lvm_group_free_extents(&group), 11);
}

/* Each of these is refused, the group or the volume, and the reason has the word. */
static void test_bad_groups(void **state)
{
#define ONE(segments) HEAD PVS "logical_volumes {\n" LV("web", "z", segments) "}\n" TAIL
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"", "describe no"},
		{"a {", "without its end"},
		{"a = [1", "without its end"},
		{"a = \"x", "without its end"},
		{"a", "without a value"},
		{"= 3", "begins no name"},
		{"a = b", "neither"},
		{"a{a{a{a{a{a{a{a{a{}}}}}}}}}", "nested"},
		{HEAD PVS "}\ncontents = \"Text Format Volume Group\"\nversion = 2\n", "version"},
		{HEAD TAIL, "without devices"},
		{HEAD PVS PVS TAIL, "two lists"},
		{HEAD PVS "logical_volumes = 0\n" TAIL, "is a value"},
		{HEAD "system_id = \"other\"\n" PVS TAIL, "system other"},
		{HEAD "lock_type = \"sanlock\"\n" PVS TAIL, "share"},
		{ONE("1\n" LINEAR("1", "0", "16", "\"pv0\", 0")), "does not lie"},
		{ONE("1\n" LINEAR("1", "0", "4", "\"pv0\", 12")), "does not lie"},
		{ONE("1\n" LINEAR("1", "0", "4", "\"pv0\", 4294967295")), "does not lie"},
		{ONE("1\n" LINEAR("1", "0", "4", "\"pv2\", 0")), "does not lie"},
		{ONE("1\n" LINEAR("1", "0", "4", "\"web\", 0")), "does not lie"},
		{ONE("1\n" LINEAR("1", "0", "4", "\"pv0\"")), "does not lie"},
		{ONE("1\n" LINEAR("1", "0", "4", "")), "does not lie"},
		{ONE("1\n" LINEAR("1", "1", "4", "\"pv0\", 0")), "follow"},
		{ONE("2\n" LINEAR("1", "0", "4", "\"pv0\", 0")), "not all there"},
		{ONE("1\n" LINEAR("1", "0", "4294967296", "\"pv0\", 0")), "no place"},
		{ONE("2\n" LINEAR("1", "0", "4", "\"pv0\", 0") LINEAR("2", "4", "4", "\"pv0\", 3")),
		 "share extents"},
		{HEAD PVS "logical_volumes {\n../x {\n}\n}\n" TAIL, "name is wrong"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *wrong = read_group(bad[i].text);

		if (!wrong)
			wrong = *group.why ? group.why : group.lvs ? group.lv[0].why : "";
		if (!strstr(wrong, bad[i].word))
			fail_msg("%u: \"%s\" without \"%s\"", i, wrong, bad[i].word);
	}
	lvm_group_free(&group);
}

static void test_print(void **state)
{
	static const char text[] =
		"a = \"x\\\"y\\\\\"\nb {\nc = [1, \"z\", -2.5]\nd {\n}\n}\ne = []\n";
	char printed[200];
	struct lvm_tree tree, copy;

	(void)state;
	assert_null(lvm_text_parse(&tree, text, sizeof(text)));
	assert_string_equal(lvm_string(tree.root, "a"), "x\"y\\");
	assert_true(lvm_tree_copy(&copy, &tree));
	lvm_tree_free(&tree);
	assert_int_equal(lvm_text_print(&copy, printed, sizeof(printed)), sizeof(text));
	assert_string_equal(printed, text);
	assert_int_equal(lvm_text_print(&copy, printed, 5), sizeof(text));
	lvm_tree_free(&copy);
}

static void test_numbers(void **state)
{
	struct lvm_node node = {.kind = LVM_NUMBER, .text = "18446744073709551615"};
	uint64_t value;

	(void)state;
	assert_true(lvm_value(&node, UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	node.text = "18446744073709551616";
	assert_false(lvm_value(&node, UINT64_MAX, &value));
	node.text = "10";
	assert_true(lvm_value(&node, 10, &value));
	assert_false(lvm_value(&node, 9, &value));
	assert_false(lvm_value(&node, 0, &value));
	node.text = "-1";
	assert_false(lvm_value(&node, 9, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_label),  cmocka_unit_test(test_bad_labels),
		cmocka_unit_test(test_header), cmocka_unit_test(test_ring),
		cmocka_unit_test(test_group),  cmocka_unit_test(test_bad_groups),
		cmocka_unit_test(test_print),  cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
