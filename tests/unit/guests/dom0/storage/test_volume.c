/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/volume.c drivers/block/request.c drivers/block/claim.c */
/* Volumes over two disks: requests of all places and shapes go where the runs say. */
#include "drivers/block/request.h"
#include "guests/dom0/storage/volume.h"
#include "tests/unit/unit.h"

#define SECTORS 256u

static uint8_t media[2][SECTORS * BLK_SECTOR];
static struct blkdev disk[2], part; /* the partition is of disk 1, from sector 8 on */
static struct blk_queue queue[2];
static bool at_once;
static unsigned flushes[2], failing = 2;
static struct volume_split split;
static struct {
	struct volume volume;
	struct volume_run run[4];
} v;

static void complete(unsigned n, struct blk_request *request)
{
	uint64_t at = request->disk_sector * BLK_SECTOR;

	if (request->op == BLK_FLUSH) {
		flushes[n]++;
	} else {
		assert_true(request->disk_sector + request->sectors <= SECTORS);
		assert_true(blk_copy(request, 0, media[n] + at,
				     (size_t)request->sectors * BLK_SECTOR,
				     request->op == BLK_WRITE));
	}
	request->done(request, n == failing ? BLK_IOERR : BLK_OK);
}

static void disk_submit(struct blkdev *dev, struct blk_request *request)
{
	unsigned n = dev == &disk[1];

	if (at_once)
		complete(n, request);
	else
		blk_queue_add(&queue[n], request);
}

struct blkdev *blk_first(void)
{
	return NULL;
}

void blk_submit(struct blkdev *dev, struct blk_request *request)
{
	struct blkdev *whole = dev->parent ? dev->parent : dev;

	request->disk_sector = dev->first_sector + request->sector;
	assert_true(request->op == BLK_FLUSH || request->sector + request->sectors <= dev->sectors);
	whole->submit(whole, request);
}

static void run_disks(void)
{
	while (queue[0].first || queue[1].first)
		for (unsigned n = 0; n < 2; n++) {
			struct blk_request *request = queue[n].first;

			if (!request)
				continue;
			queue[n].first = request->next;
			complete(n, request);
		}
}

static void set_up(void)
{
	for (unsigned n = 0; n < 2; n++)
		disk[n] = (struct blkdev){
			.sectors = SECTORS,
			.logical_block = 512,
			.max_sectors = 64 + n,
			.can_flush = true,
			.submit = disk_submit,
		};
	part = disk[1];
	part.parent = &disk[1];
	part.first_sector = 8;
	part.sectors = SECTORS - 8;
	memset(&v, 0, sizeof(v));
	v.volume.runs = 4;
	v.volume.run = v.run;
	v.volume.run[0] =
		(struct volume_run){.start = 0, .sectors = 10, .at = 100, .dev = &disk[0]};
	v.volume.run[1] = (struct volume_run){.start = 10, .sectors = 1, .at = 4, .dev = &part};
	v.volume.run[2] =
		(struct volume_run){.start = 11, .sectors = 40, .at = 10, .dev = &disk[0]};
	v.volume.run[3] = (struct volume_run){.start = 51, .sectors = 49, .at = 20, .dev = &part};
	volume_init(&v.volume, &split, false);
	memset(media, 0, sizeof(media));
	memset(flushes, 0, sizeof(flushes));
	failing = 2;
}

/* Where a sector of the volume is. */
static uint8_t *place(uint64_t sector)
{
	if (sector < 10)
		return media[0] + (100 + sector) * BLK_SECTOR;
	if (sector < 11)
		return media[1] + 12 * BLK_SECTOR;
	if (sector < 51)
		return media[0] + (sector - 1) * BLK_SECTOR;
	return media[1] + (28 + sector - 51) * BLK_SECTOR;
}

static unsigned ended;
static enum blk_status ended_with;

static void done(struct blk_request *request, enum blk_status status)
{
	(void)request;
	ended++;
	ended_with = status;
}

static void test_limits(void **state)
{
	(void)state;
	set_up();
	assert_int_equal(v.volume.dev.sectors, 100);
	assert_int_equal(v.volume.dev.max_sectors, 64);
	assert_false(v.volume.dev.can_discard);
}

/* Random requests, several at once, in scatter lists whose parts end anywhere. */
static void test_requests(void **state)
{
	static uint8_t data[4][64 * BLK_SECTOR];
	static struct blk_segment segment[4][BLK_MAX_SEGMENTS];
	static uint8_t model[100 * BLK_SECTOR];
	struct blk_request request[4];

	(void)state;
	set_up();
	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 3000; round++) {
		unsigned count = 1 + (unsigned)random_below(4);
		uint64_t next = 0;

		at_once = round & 1;
		ended = 0;
		for (unsigned i = 0; i < count; i++) {
			uint32_t sectors = 1 + (uint32_t)random_below(25);
			uint32_t left = sectors * BLK_SECTOR, n = 0;
			uint8_t *at = data[i];

			for (unsigned b = 0; b < left; b++)
				data[i][b] = (uint8_t)random64();
			while (left) {
				uint32_t bytes = 4 + 4 * (uint32_t)random_below(700);

				if (bytes > left || n == BLK_MAX_SEGMENTS - 1)
					bytes = left;
				segment[i][n++] = (struct blk_segment){
					.bus = (uintptr_t)at, .bytes = bytes, .data = at};
				at += bytes;
				left -= bytes;
			}
			request[i] = (struct blk_request){
				.op = BLK_WRITE,
				.sector = next,
				.sectors = sectors,
				.segments = n,
				.segment = segment[i],
				.done = done,
			};
			memcpy(model + next * BLK_SECTOR, data[i], sectors * BLK_SECTOR);
			next += sectors;
		}
		for (unsigned i = 0; i < count; i++)
			v.volume.dev.submit(&v.volume.dev, &request[i]);
		run_disks();
		assert_int_equal(ended, count);
		for (uint64_t s = 0; s < 100; s++)
			assert_memory_equal(place(s), model + s * BLK_SECTOR, BLK_SECTOR);
	}
}

static void test_flush_and_errors(void **state)
{
	static uint8_t data[30 * BLK_SECTOR];
	struct blk_segment segment = {.bytes = sizeof(data), .data = data};
	struct blk_request request = {.op = BLK_FLUSH, .done = done};

	(void)state;
	set_up();
	for (unsigned i = 0; i < 2; i++) {
		at_once = i;
		ended = 0;
		v.volume.dev.submit(&v.volume.dev, &request);
		run_disks();
		assert_int_equal(ended, 1);
		assert_int_equal(flushes[0], i + 1);
		assert_int_equal(flushes[1], i + 1);
	}
	for (failing = 0; failing < 2; failing++) {
		ended = 0;
		request = (struct blk_request){.op = BLK_FLUSH, .done = done};
		v.volume.dev.submit(&v.volume.dev, &request);
		run_disks();
		assert_int_equal(ended, 1);
		assert_int_equal(ended_with, BLK_IOERR);
		request = (struct blk_request){.op = BLK_READ,
					       .sector = 5,
					       .sectors = 30,
					       .segments = 1,
					       .segment = &segment,
					       .done = done};
		v.volume.dev.submit(&v.volume.dev, &request);
		run_disks();
		assert_int_equal(ended, 2);
		assert_int_equal(ended_with, BLK_IOERR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_flush_and_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
