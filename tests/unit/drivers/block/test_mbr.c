/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/block/mbr.c */
/* The MBR's entries, chains of logical partitions as tools make them and as nobody should. */
#include "drivers/block/mbr.h"
#include "tests/unit/unit.h"

#define BLOCKS 2048u

static struct partition parts[PARTITIONS_MAX];
static struct mbr mbr;
static unsigned count;
static uint8_t disk[BLOCKS][512];

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void entry(unsigned block, unsigned n, uint8_t type, uint32_t first, uint32_t size)
{
	uint8_t *at = disk[block] + 446 + 16 * n;

	disk[block][510] = 0x55;
	disk[block][511] = 0xaa;
	at[4] = type;
	put(at + 8, first, 4);
	put(at + 12, size, 4);
}

/* As the scan of a disk does it; returns how many blocks it read. */
static unsigned scan(void)
{
	unsigned reads = 1;

	assert_int_equal(mbr_parse(disk[0], BLOCKS, parts, &count, &mbr), MBR_PLAIN);
	for (; mbr.next; reads++) {
		assert_true(mbr.next < BLOCKS);
		mbr_extended(disk[mbr.next], parts, &count, &mbr);
	}
	for (unsigned i = 0; i < count; i++) {
		assert_true(parts[i].first && parts[i].count && parts[i].first < BLOCKS);
		assert_true(parts[i].count <= BLOCKS - parts[i].first);
		assert_false(partition_overlaps(&parts[i], parts, i));
	}
	return reads;
}

static int empty(void **state)
{
	(void)state;
	memset(disk, 0, sizeof(disk));
	put(disk[0] + 440, 0x12345678, 4);
	return 0;
}

static void test_entries(void **state)
{
	uint8_t sector[512] = {0};

	(void)state;
	assert_int_equal(mbr_parse(sector, BLOCKS, parts, &count, &mbr), MBR_NONE);
	sector[510] = 0x55;
	sector[511] = 0xaa;
	assert_int_equal(mbr_parse(sector, BLOCKS, parts, &count, &mbr), MBR_PLAIN);
	assert_int_equal(count, 0);

	put(sector + 440, 0x12345678, 4);
	sector[446 + 4] = 0x83;
	put(sector + 446 + 8, 10, 4);
	put(sector + 446 + 12, 20, 4);
	sector[462 + 4] = 0x05; /* extended */
	put(sector + 462 + 8, 100, 4);
	put(sector + 462 + 12, 20, 4);
	sector[478 + 4] = 0x83; /* overlaps the first */
	put(sector + 478 + 8, 29, 4);
	put(sector + 478 + 12, 2, 4);
	sector[494] = 0x80;
	sector[494 + 4] = 0x83; /* up to the last block */
	put(sector + 494 + 8, BLOCKS - 1, 4);
	put(sector + 494 + 12, 1, 4);
	assert_int_equal(mbr_parse(sector, BLOCKS, parts, &count, &mbr), MBR_PLAIN);
	assert_int_equal(count, 2);
	assert_int_equal(parts[0].first, 10);
	assert_string_equal(parts[0].uuid, "12345678-01");
	assert_int_equal(parts[1].number, 4);

	put(sector + 494 + 12, 2, 4);
	assert_int_equal(mbr_parse(sector, BLOCKS, parts, &count, &mbr), MBR_PLAIN);
	assert_int_equal(count, 1);
	assert_int_equal(mbr.bad, 2); /* the third and the fourth */

	sector[462 + 4] = 0xee;
	assert_int_equal(mbr_parse(sector, BLOCKS, parts, &count, &mbr), MBR_PROTECTIVE);
	sector[462 + 4] = 0;
	sector[446] = 0x33; /* code of a boot sector */
	assert_int_equal(mbr_parse(sector, BLOCKS, parts, &count, &mbr), MBR_NONE);
}

static void expect(unsigned n, unsigned number, uint64_t first, uint64_t size, const char *uuid)
{
	assert_true(n < count);
	assert_int_equal(parts[n].number, number);
	assert_int_equal(parts[n].first, first);
	assert_int_equal(parts[n].count, size);
	assert_string_equal(parts[n].uuid, uuid);
}

static void test_logical(void **state)
{
	(void)state;
	entry(0, 0, 0x83, 10, 90);
	entry(0, 1, 0x0f, 100, 1000);
	entry(100, 0, 0x83, 5, 50);
	entry(100, 1, 0x05, 200, 300); /* at 300 */
	entry(300, 0, 0x83, 1, 100);
	entry(300, 1, 0x05, 600, 100); /* at 700 */
	entry(700, 0, 0x82, 2, 98);
	assert_int_equal(scan(), 4);
	assert_int_equal(count, 4);
	expect(0, 1, 10, 90, "12345678-01");
	expect(1, 5, 105, 50, "12345678-05");
	expect(2, 6, 301, 100, "12345678-06");
	expect(3, 7, 702, 98, "12345678-07");
	assert_true(!mbr.bad && !mbr.broken);
}

/* The first sector of an extended partition may be empty but for the way to the next one. */
static void test_holes(void **state)
{
	(void)state;
	entry(0, 2, 0x85, 100, 1000);
	entry(100, 1, 0x05, 200, 300);
	entry(300, 0, 0x83, 1, 100);
	assert_int_equal(scan(), 3);
	assert_int_equal(count, 1);
	expect(0, 5, 301, 100, "12345678-05");
}

static void test_two_containers(void **state)
{
	(void)state;
	entry(0, 0, 0x05, 100, 100);
	entry(0, 3, 0x0f, 500, 100);
	entry(100, 0, 0x83, 1, 99);
	entry(500, 0, 0x83, 1, 99);
	assert_int_equal(scan(), 3);
	expect(0, 5, 101, 99, "12345678-05");
	expect(1, 6, 501, 99, "12345678-06");
}

static void test_loops(void **state)
{
	(void)state;
	entry(0, 0, 0x05, 100, 1000);
	entry(100, 1, 0x05, 100, 10); /* at 200, and from there to 200 */
	entry(200, 0, 0x83, 1, 10);
	entry(200, 1, 0x05, 100, 10);
	assert_true(scan() <= 102);
	assert_non_null(mbr.broken);
	assert_int_equal(count, 1); /* the others would lie over the first */
	empty(state);
	entry(0, 0, 0x05, 100, 1000);
	entry(100, 1, 0x05, 0, 10); /* to itself */
	entry(100, 0, 0x83, 1, 10);
	assert_int_equal(scan(), 2);
	assert_non_null(mbr.broken);
	assert_int_equal(count, 1);
}

static void test_outside(void **state)
{
	(void)state;
	entry(0, 0, 0x83, 2000, 49);        /* beyond the disk */
	entry(0, 1, 0x05, 100, 0xffffffff); /* cut to the disk */
	entry(100, 0, 0x83, 1900, 100);     /* up to 2100 */
	entry(100, 1, 0x05, 1948, 1);       /* no block of the disk */
	assert_int_equal(scan(), 2);
	assert_int_equal(count, 0);
	assert_int_equal(mbr.bad, 2);
	assert_non_null(mbr.broken);
	empty(state);
	entry(0, 1, 0x05, 100, 100);
	entry(100, 1, 0x05, 50, 1);
	entry(150, 0, 0x83, 1, 50); /* one block beyond the extended partition */
	assert_int_equal(scan(), 3);
	assert_int_equal(count, 0);
	assert_int_equal(mbr.bad, 1);
	empty(state);
	entry(0, 1, 0x05, 100, 100);
	entry(100, 0, 0x83, 1, 10);
	entry(100, 1, 0x05, 50, 1); /* where there is no EBR */
	assert_int_equal(scan(), 3);
	assert_int_equal(count, 1);
	assert_non_null(mbr.broken);
}

static void test_others(void **state)
{
	static uint8_t sector[512];

	(void)state;
	assert_null(mbr_foreign(sector));
	memcpy(sector, "RDSK", 4);
	assert_string_equal(mbr_foreign(sector), "Amiga");
	memset(sector, 0, sizeof(sector));
	memcpy(sector + 508, "\xda\xbe", 2);
	assert_string_equal(mbr_foreign(sector), "Sun");
	assert_string_equal(mbr_nested(0xa5), "FreeBSD");
	assert_null(mbr_nested(0x83));
	entry(0, 1, 0xa6, 100, 100);
	scan();
	assert_int_equal(mbr.type[0], 0xa6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test_setup(test_logical, empty),
		cmocka_unit_test_setup(test_holes, empty),
		cmocka_unit_test_setup(test_two_containers, empty),
		cmocka_unit_test_setup(test_loops, empty),
		cmocka_unit_test_setup(test_outside, empty),
		cmocka_unit_test_setup(test_others, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
