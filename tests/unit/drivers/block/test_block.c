/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/* sources: drivers/block/block.c drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* clang-format on */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/block/gpt.h"
#include "drivers/block/request.h"
#include "drivers/env.h"
#include "tests/unit/dma_mock.h"

/* --- the world around ------------------------------------------------------------------------ */

#define SECTORS 4096u
static uint8_t image[SECTORS * BLK_SECTOR];
static uint64_t failing_sector; /* reads of it fail; ~0: none */
static unsigned submitted;
static struct blk_queue queue; /* requests wait here until run() */

static char log_text[4096];

void driver_log(const char *format, ...)
{
	size_t used = strlen(log_text);
	va_list args;

	va_start(args, format);
	vsnprintf(log_text + used, sizeof(log_text) - used, format, args);
	va_end(args);
}

static void disk_submit(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	submitted++;
	blk_queue_add(&queue, request);
}

/* The disk does all that waits, two sectors with each command. */
static void run(void)
{
	struct blk_request *request;

	while ((request = blk_queue_head(&queue))) {
		uint32_t first = request->issued, left = request->sectors - first;
		uint32_t count = left < 2 ? left : 2;
		uint64_t sector = request->disk_sector + first;
		bool good = true;

		if (count && failing_sector >= sector && failing_sector < sector + count)
			good = false;
		else if (request->op == BLK_READ || request->op == BLK_WRITE)
			good = blk_copy(request, first, image + sector * BLK_SECTOR,
					count * BLK_SECTOR, request->op == BLK_WRITE);
		blk_queue_issued(&queue, count);
		blk_command_done(request, good ? BLK_OK : BLK_IOERR);
	}
}

static struct blkdev *new_disk(const char *name)
{
	struct blkdev *disk = calloc(1, sizeof(*disk));

	snprintf(disk->name, sizeof(disk->name), "%s", name);
	snprintf(disk->serial, sizeof(disk->serial), "serial-%s", name);
	disk->sectors = SECTORS;
	disk->logical_block = 512;
	disk->can_flush = true;
	disk->can_discard = true;
	disk->max_sectors = 1024;
	disk->submit = disk_submit;
	return disk;
}

/* --- a partition table ----------------------------------------------------------------------- */

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void write_header(uint64_t lba, uint64_t other, uint64_t entries)
{
	uint8_t *header = image + lba * BLK_SECTOR;

	memcpy(header, "EFI PART", 8);
	put(header + 8, 0x10000, 4);
	put(header + 12, 92, 4);
	put(header + 24, lba, 8);
	put(header + 32, other, 8);
	put(header + 40, 34, 8);
	put(header + 48, SECTORS - 34, 8);
	put(header + 72, entries, 8);
	put(header + 80, 128, 4);
	put(header + 84, 128, 4);
	put(header + 88, gpt_crc32(image + entries * BLK_SECTOR, 128 * 128), 4);
	put(header + 16, gpt_crc32(header, 92), 4);
}

static int write_gpt(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	log_text[0] = 0;
	failing_sector = ~0ull;
	submitted = 0;
	put(image + 510, 0xaa55, 2);
	image[446 + 4] = 0xee;
	for (unsigned copy = 0; copy < 2; copy++) {
		uint8_t *entry = image + (copy ? SECTORS - 33 : 2) * BLK_SECTOR;

		memset(entry, 1, 16);
		memset(entry + 16, 0xab, 16);
		put(entry + 32, 100, 8);
		put(entry + 40, 199, 8);
		memcpy(entry + 56, "d\0a\0t\0a\0", 8);
	}
	write_header(1, SECTORS - 1, 2);
	write_header(SECTORS - 1, 1, SECTORS - 33);
	return 0;
}

static unsigned ready_calls;

static void on_ready(struct blkdev *dev)
{
	assert_non_null(dev);
	ready_calls++;
}

static unsigned settled_calls;

static void on_settled(void)
{
	settled_calls++;
}

static struct blkdev *scanned(const char *name)
{
	struct blkdev *disk = new_disk(name);

	blk_register(disk, on_ready);
	run();
	return disk;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_scan(void **state)
{
	struct blkdev *disk, *part;

	(void)state;
	ready_calls = settled_calls = 0;
	disk = new_disk("sda");
	blk_hold();
	blk_register(disk, on_ready);
	blk_when_settled(on_settled);
	blk_release();
	assert_int_equal(settled_calls, 0);
	run();
	assert_int_equal(settled_calls, 1);
	assert_int_equal(ready_calls, 1);
	part = blk_find("sda1");
	assert_non_null(part);
	assert_ptr_equal(part->parent, disk);
	assert_int_equal(part->first_sector, 100);
	assert_int_equal(part->sectors, 100);
	assert_ptr_equal(blk_find("/dev/sda1"), part);
	assert_ptr_equal(blk_find("/dev/disk/by-partlabel/data"), part);
	assert_ptr_equal(blk_find("/dev/disk/by-partuuid/ABABABAB-abab-abab-abab-abababababab"),
			 part);
	assert_ptr_equal(blk_find("/dev/disk/by-id/serial-sda"), disk);
	assert_ptr_equal(blk_find("sda"), disk);
	assert_null(blk_find("sda2"));
	assert_null(blk_find(""));
	assert_null(blk_find("/dev/disk/by-partlabel/"));
	assert_null(blk_find("/dev/disk/by-partuuid/"));
	assert_null(blk_find("/dev/disk/by-id/"));
}

static void test_backup(void **state)
{
	(void)state;
	image[512 + 60] ^= 1; /* the primary's disk GUID */
	scanned("sdb");
	assert_non_null(blk_find("sdb1"));
	assert_non_null(strstr(log_text, "backup GPT is used"));
	write_gpt(state);
	image[2 * 512 + 40] ^= 1; /* its entries */
	scanned("sdc");
	assert_non_null(blk_find("sdc1"));
	write_gpt(state);
	image[512] = 0;
	image[(SECTORS - 1) * 512] = 0;
	scanned("sdd");
	assert_non_null(blk_find("sdd"));
	assert_null(blk_find("sdd1"));
	assert_non_null(strstr(log_text, "no partitions are used"));
}

static void test_unreadable(void **state)
{
	(void)state;
	ready_calls = 0;
	failing_sector = 0;
	scanned("sde");
	failing_sector = 1;
	scanned("sdf");
	failing_sector = 5;
	scanned("sdg");
	assert_int_equal(ready_calls, 3);
	assert_non_null(blk_find("sde"));
	assert_null(blk_find("sde1"));
	assert_null(blk_find("sdg1"));
}

static void test_nvme_name(void **state)
{
	(void)state;
	scanned("nvme0n1");
	assert_non_null(blk_find("nvme0n1p1"));
}

static enum blk_status result;
static unsigned results;

static void done(struct blk_request *request, enum blk_status status)
{
	(void)request;
	result = status;
	results++;
}

static enum blk_status submit(struct blkdev *dev, enum blk_op op, uint64_t sector, uint32_t sectors,
			      const struct blk_segment *segment, uint32_t segments)
{
	struct blk_request request = {.op = op,
				      .sector = sector,
				      .sectors = sectors,
				      .segment = segment,
				      .segments = segments,
				      .done = done};

	results = 0;
	blk_submit(dev, &request);
	run();
	assert_int_equal(results, 1);
	return result;
}

static void test_transfer(void **state)
{
	static uint8_t data[10 * 512];
	struct blkdev *disk = scanned("sdh"), *part = blk_find("sdh1");
	struct blk_segment segments[3] = {
		{.bus = 0x1000, .bytes = 700, .data = data},
		{.bus = 0x2000, .bytes = 4, .data = data + 700},
		{.bus = 0x3000, .bytes = 5120 - 704, .data = data + 704},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 512);
	assert_int_equal(submit(part, BLK_WRITE, 5, 10, segments, 3), BLK_OK);
	assert_memory_equal(image + 105 * 512, data, sizeof(data));
	memset(data, 0, sizeof(data));
	assert_int_equal(submit(disk, BLK_READ, 105, 10, segments, 3), BLK_OK);
	assert_memory_equal(image + 105 * 512, data, sizeof(data));

	/* One bad sector fails the request, which is done once. */
	failing_sector = 107;
	assert_int_equal(submit(part, BLK_READ, 5, 10, segments, 3), BLK_IOERR);
	failing_sector = 114;
	assert_int_equal(submit(part, BLK_READ, 5, 10, segments, 3), BLK_IOERR);
	failing_sector = ~0ull;
	assert_int_equal(submit(disk, BLK_FLUSH, 0, 0, NULL, 0), BLK_OK);
	assert_int_equal(submit(part, BLK_DISCARD, 0, 100, NULL, 0), BLK_OK);
}

static void test_refused(void **state)
{
	static uint8_t data[512];
	struct blkdev *disk = scanned("sdi"), *part = blk_find("sdi1");
	struct blk_segment one = {.bus = 0x1000, .bytes = 512, .data = data};
	struct blk_segment odd = {.bus = 0x1002, .bytes = 512, .data = data};
	struct blk_segment two[2] = {{.bus = 0x1000, .bytes = 510, .data = data},
				     {.bus = 0x2000, .bytes = 2, .data = data}};
	struct blk_segment none[2] = {one, {.bus = 0x2000, .bytes = 0, .data = data}};
	struct blk_segment many[BLK_MAX_SEGMENTS + 1];

	(void)state;
	for (unsigned i = 0; i < BLK_MAX_SEGMENTS + 1; i++)
		many[i] = one;
	submitted = 0;
	assert_int_equal(submit(part, BLK_READ, 100, 1, &one, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, ~0ull, 1, &one, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 101, &one, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 0, &one, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 2, &one, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 1, &one, 0), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 1, &odd, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 1, two, 2), BLK_IOERR);
	assert_int_equal(submit(part, BLK_READ, 0, 1, none, 2), BLK_IOERR);
	assert_int_equal(
		submit(disk, BLK_READ, 0, BLK_MAX_SEGMENTS + 1, many, BLK_MAX_SEGMENTS + 1),
		BLK_IOERR);
	assert_int_equal(submit(disk, BLK_READ, 0, 1025, many, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_DISCARD, 1, 100, NULL, 0), BLK_IOERR);
	assert_int_equal(submit(part, BLK_DISCARD, 0, ~0u, NULL, 0), BLK_IOERR);
	assert_int_equal(submit(part, (enum blk_op)9, 0, 1, &one, 1), BLK_UNSUPPORTED);
	disk->can_discard = false;
	assert_int_equal(submit(part, BLK_DISCARD, 0, 1, NULL, 0), BLK_UNSUPPORTED);
	disk->can_flush = false;
	assert_int_equal(submit(part, BLK_FLUSH, 0, 0, NULL, 0), BLK_OK);
	part->read_only = true;
	assert_int_equal(submit(part, BLK_WRITE, 0, 1, &one, 1), BLK_IOERR);
	assert_int_equal(submit(part, BLK_DISCARD, 0, 1, NULL, 0), BLK_IOERR);
	disk->logical_block = 4096;
	assert_int_equal(submit(disk, BLK_READ, 1, 1, &one, 1), BLK_IOERR);
	assert_int_equal(submitted, 0);
}

static void test_below(void **state)
{
	struct blk_segment segment = {.bus = (1ull << 32) - 512, .bytes = 512};
	struct blk_request request = {.segment = &segment, .segments = 1};

	(void)state;
	assert_true(blk_below(&request, 1ull << 32));
	segment.bytes = 516;
	assert_false(blk_below(&request, 1ull << 32));
	segment.bus = ~0ull - 3;
	assert_false(blk_below(&request, 1ull << 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_scan, write_gpt),
		cmocka_unit_test_setup(test_backup, write_gpt),
		cmocka_unit_test_setup(test_unreadable, write_gpt),
		cmocka_unit_test_setup(test_nvme_name, write_gpt),
		cmocka_unit_test_setup(test_transfer, write_gpt),
		cmocka_unit_test_setup(test_refused, write_gpt),
		cmocka_unit_test(test_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
