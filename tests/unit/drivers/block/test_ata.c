/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/block/ata.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/block/ata.h"

static uint16_t words[256];
static struct ata_info info;

static void text(unsigned word, unsigned count, const char *string)
{
	size_t length = strlen(string);

	for (unsigned i = 0; i < 2 * count; i++) {
		uint16_t c = (uint8_t)(i < length ? string[i] : ' ');

		words[word + i / 2] |= (uint16_t)(i & 1 ? c : c << 8);
	}
}

static int good_disk(void **state)
{
	(void)state;
	memset(words, 0, sizeof(words));
	text(10, 10, "  QM00001");
	text(27, 20, "QEMU HARDDISK");
	words[49] = 0x0300;
	words[75] = 31;
	words[76] = 0x0100;
	words[83] = 0x7400;
	words[85] = 0x0020;
	words[87] = 0x4000;
	words[100] = 0x5678;
	words[101] = 0x1234;
	words[106] = 0x6003;
	words[169] = 1;
	return 0;
}

static void test_good(void **state)
{
	(void)state;
	assert_null(ata_identify(words, &info));
	assert_string_equal(info.serial, "QM00001");
	assert_string_equal(info.model, "QEMU HARDDISK");
	assert_int_equal(info.blocks, 0x12345678);
	assert_int_equal(info.logical_block, 512);
	assert_int_equal(info.physical_block, 4096);
	assert_int_equal(info.queue_depth, 32);
	assert_true(info.write_cache);
	assert_true(info.trim);
}

static void test_large_blocks(void **state)
{
	(void)state;
	words[106] = 0x5000;
	words[117] = 2048;
	assert_null(ata_identify(words, &info));
	assert_int_equal(info.logical_block, 4096);
	words[117] = 264; /* 528 bytes */
	assert_non_null(ata_identify(words, &info));
	words[117] = 0xffff;
	words[118] = 0xffff;
	assert_non_null(ata_identify(words, &info));
	words[117] = words[118] = 0;
	assert_non_null(ata_identify(words, &info));
}

static void test_refused(void **state)
{
	words[0] = 0x8000;
	assert_non_null(ata_identify(words, &info));
	good_disk(state);
	words[83] = 0x4000;
	assert_non_null(ata_identify(words, &info));
	good_disk(state);
	words[49] = 0x0200;
	assert_non_null(ata_identify(words, &info));
	good_disk(state);
	words[100] = words[101] = 0;
	assert_non_null(ata_identify(words, &info));
	memset(words, 0xff, sizeof(words));
	assert_non_null(ata_identify(words, &info));
	memset(words, 0, sizeof(words));
	assert_non_null(ata_identify(words, &info));
}

static void test_strings(void **state)
{
	(void)state;
	for (unsigned i = 10; i < 20; i++)
		words[i] = i == 12 ? 0x1b41 : 0x4142;
	for (unsigned i = 27; i < 47; i++)
		words[i] = 0x2020;
	assert_null(ata_identify(words, &info));
	assert_string_equal(info.serial, "ABAB AABABABABABABAB");
	assert_string_equal(info.model, "");
}

static void test_trim(void **state)
{
	uint64_t ranges[ATA_TRIM_RANGES];

	(void)state;
	assert_int_equal(ata_trim_ranges(ranges, 1000, 8), 8);
	assert_int_equal(ranges[0], 1000 | 8ull << 48);
	assert_int_equal(ranges[1], 0);
	assert_int_equal(ata_trim_ranges(ranges, 5, 0x10000), 0x10000);
	assert_int_equal(ranges[0], 5 | 0xffffull << 48);
	assert_int_equal(ranges[1], (5 + 0xffff) | 1ull << 48);
	assert_int_equal(ata_trim_ranges(ranges, 0, ~0u), 64 * 0xffff);
	assert_int_equal(ranges[63], 63ull * 0xffff | 0xffffull << 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_good, good_disk),
		cmocka_unit_test_setup(test_large_blocks, good_disk),
		cmocka_unit_test_setup(test_refused, good_disk),
		cmocka_unit_test_setup(test_strings, good_disk),
		cmocka_unit_test(test_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
