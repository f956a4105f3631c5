/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/block/gpt.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/block/gpt.h"

#define BLOCKS 2048u

static uint8_t header[512], array[128 * 128];
static struct partition parts[PARTITIONS_MAX];
static struct gpt_header parsed;
static unsigned count, bad;

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void seal(void)
{
	put(header + 88, gpt_crc32(array, sizeof(array)), 4);
	put(header + 16, 0, 4);
	put(header + 16, gpt_crc32(header, 92), 4);
}

static void add(unsigned index, uint64_t first, uint64_t last, const char *label)
{
	uint8_t *entry = array + 128 * index;

	memset(entry, 0x11, 16);
	for (unsigned i = 0; i < 16; i++)
		entry[16 + i] = (uint8_t)(0xa0 + i);
	put(entry + 32, first, 8);
	put(entry + 40, last, 8);
	for (unsigned i = 0; label[i]; i++)
		put(entry + 56 + 2 * i, (uint8_t)label[i], 2);
}

static int good_table(void **state)
{
	(void)state;
	memset(header, 0, sizeof(header));
	memset(array, 0, sizeof(array));
	memcpy(header, "EFI PART", 8);
	put(header + 8, 0x10000, 4);
	put(header + 12, 92, 4);
	put(header + 24, 1, 8);
	put(header + 32, BLOCKS - 1, 8);
	put(header + 40, 34, 8);
	put(header + 48, BLOCKS - 34, 8);
	put(header + 72, 2, 8);
	put(header + 80, 128, 4);
	put(header + 84, 128, 4);
	add(0, 40, 99, "root");
	add(2, 100, 199, "data x");
	seal();
	return 0;
}

static const char *parse_header(void)
{
	return gpt_header_parse(header, 512, 1, BLOCKS, &parsed);
}

static const char *parse_all(void)
{
	const char *why = parse_header();

	return why ? why : gpt_entries_parse(&parsed, array, parts, &count, &bad);
}

static void test_crc(void **state)
{
	(void)state;
	assert_int_equal(gpt_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
}

static void test_good(void **state)
{
	(void)state;
	assert_null(parse_all());
	assert_int_equal(count, 2);
	assert_int_equal(bad, 0);
	assert_int_equal(parts[0].number, 1);
	assert_int_equal(parts[0].first, 40);
	assert_int_equal(parts[0].count, 60);
	assert_string_equal(parts[0].label, "root");
	assert_string_equal(parts[0].uuid, "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf");
	assert_int_equal(parts[1].number, 3);
	assert_string_equal(parts[1].label, "data x");
}

/* Every field of the header that can be wrong, wrong with a right checksum. */
static void test_bad_fields(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint64_t value;
	} changes[] = {
		{0, 1, 'X'}, {8, 4, 0x20000}, {12, 4, 91},         {12, 4, 513},    {12, 4, ~0u},
		{24, 8, 2},  {40, 8, 1},      {40, 8, 3000},       {48, 8, BLOCKS}, {48, 8, ~0ull},
		{72, 8, 0},  {72, 8, 1},      {72, 8, BLOCKS - 1}, {72, 8, ~0ull},  {72, 8, 50},
		{72, 8, 10}, {80, 4, 0},      {80, 4, ~0u},        {80, 4, 513},    {84, 4, 0},
		{84, 4, 64}, {84, 4, 129},    {84, 4, 8192},       {84, 4, ~0u},
	};

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		good_table(state);
		put(header + changes[i].at, changes[i].value, changes[i].bytes);
		if (changes[i].at == 12 && changes[i].value < 512) {
			put(header + 16, 0, 4);
			put(header + 16, gpt_crc32(header, 91), 4);
		} else {
			seal();
		}
		assert_non_null(parse_header());
	}
}

/* A single wrong bit anywhere is seen. */
static void test_bits(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 92 * 8; bit++) {
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_non_null(parse_header());
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_null(parse_all());
	for (unsigned bit = 0; bit < sizeof(array) * 8; bit += 7) {
		array[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_non_null(parse_all());
		array[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_bad_entries(void **state)
{
	(void)state;
	add(3, 199, 210, "overlaps data");
	add(4, 33, 50, "before the range");
	add(5, 2000, BLOCKS, "behind the range");
	add(6, 500, 499, "backwards");
	add(7, 0, ~0ull, "everything");
	add(8, 300, 300, "one block");
	seal();
	assert_null(parse_all());
	assert_int_equal(count, 3);
	assert_int_equal(bad, 5);
	assert_int_equal(parts[2].number, 9);
	assert_int_equal(parts[2].count, 1);
}

static void test_label(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 36; i++)
		put(array + 56 + 2 * i, i == 3 ? 0x1b : i == 4 ? 0x20ac : 'a', 2);
	seal();
	assert_null(parse_all());
	assert_string_equal(parts[0].label, "aaa??aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test_setup(test_good, good_table),
		cmocka_unit_test_setup(test_bad_fields, good_table),
		cmocka_unit_test_setup(test_bits, good_table),
		cmocka_unit_test_setup(test_bad_entries, good_table),
		cmocka_unit_test_setup(test_label, good_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
