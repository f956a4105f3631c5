/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/intake.c guests/dom0/storage/foreign.c guests/dom0/storage/foreign_vmdk.c */
/* sources: guests/dom0/storage/foreign_vhd.c guests/dom0/storage/foreign_vdi.c guests/dom0/storage/transfer.c */
/* sources: drivers/block/block.c drivers/block/claim.c drivers/block/request.c drivers/block/scan.c */
/* sources: drivers/block/gpt.c drivers/block/mbr.c */
/* libs: zlib */
/* fuzz: -max_len=1500 */
/*
 * Images of other formats of any bytes: a small one that is right, of which the input changes what
 * it likes. Reading one ends, once; no byte beyond either device is reached, and the disk is
 * written in its order.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/storage/intake.h"
#include "tests/fuzz/input.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"

#define SOURCE (160u << 10)
#define STEPS  20000u /* of a disk that is larger than what a test has time for */

static uint8_t media[SOURCE];
static struct work *works;
static unsigned ends, steps;
static uint64_t written;
static struct intake intake;
static bool right;

static void check(bool holds)
{
	if (!holds)
		abort();
}

void work_queue(struct work *work)
{
	if (work->queued)
		return;
	work->queued = 1;
	work->next = works;
	works = work;
}

static void source_submit(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	check(request->op == BLK_READ);
	check(request->disk_sector + request->sectors <= SOURCE / BLK_SECTOR);
	check(blk_copy(request, 0, media + request->disk_sector * BLK_SECTOR,
		       (size_t)request->sectors * BLK_SECTOR, false));
	request->done(request, BLK_OK);
}

static void target_submit(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	check(request->op != BLK_READ);
	if (request->op != BLK_FLUSH) {
		check(request->sector * BLK_SECTOR >= written);
		written = (request->sector + request->sectors) * BLK_SECTOR;
		check(written <= intake.foreign.size);
	}
	request->done(request, BLK_OK);
}

static struct blkdev source = {.name = "source",
			       .sectors = SOURCE / BLK_SECTOR,
			       .logical_block = 512,
			       .max_sectors = 64,
			       .submit = source_submit};
static struct blkdev target = {.name = "target",
			       .logical_block = 512,
			       .max_sectors = 64,
			       .can_flush = true,
			       .can_zero = true,
			       .submit = target_submit};

static void put(uint8_t *at, unsigned bytes, uint64_t value, bool big)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * (big ? bytes - 1 - i : i));
}

static void make_vmdk(uint8_t choice)
{
	bool packed = choice & 8;

	put(media, 4, 0x564d444b, false);
	put(media + 4, 4, 1, false);
	put(media + 8, 4, packed ? 0x30004 : 4, false);
	put(media + 12, 8, 1000, false);
	put(media + 20, 8, 8, false);
	put(media + 28, 8, 1, false);
	put(media + 36, 8, 1, false);
	put(media + 44, 4, 512, false);
	put(media + 56, 8, choice & 16 ? UINT64_MAX : 8, false);
	put(media + 64, 8, 16, false);
	put(media + 77, 2, packed, false);
	strcpy((char *)media + 512, "createType=\"monolithicSparse\"\n");
	put(media + 8 * 512, 4, 12, false);
	put(media + 12 * 512, 4, 16, false);
	put(media + 12 * 512 + 8, 4, 24, false);
	/* A grain of zeros, as zlib's format has 4 KiB of them. */
	put(media + 16 * 512 + 8, 4, 40, false);
	memcpy(media + 16 * 512 + 12,
	       "\x78\x9c\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7\x4f\x6d\x0e\x37\xa0\x00\x00\x00"
	       "\x00"
	       "\x00\x00\x00\x00\x80\x77\x03\x10\x00\x00\x01",
	       32);
}

static void sum(uint8_t *at, unsigned n, unsigned checksum)
{
	uint32_t total = 0;

	put(at + checksum, 4, 0, true);
	for (unsigned i = 0; i < n; i++)
		total += at[i];
	put(at + checksum, 4, ~total, true);
}

static void make_vhd(void)
{
	memcpy(media, "conectix", 8);
	put(media + 12, 4, 0x10000, true);
	put(media + 16, 8, 512, true);
	put(media + 48, 8, 100000 * 512, true);
	put(media + 60, 4, 3, true);
	memcpy(media + 512, "cxsparse", 8);
	put(media + 512 + 16, 8, 1536, true);
	put(media + 512 + 28, 4, 600, true);
	put(media + 512 + 32, 4, 1 << 17, true);
	memset(media + 1536, 0xff, 2400);
	put(media + 1536, 4, 16, true);
	put(media + 16 * 512, 8, 0xff00ff0055ffffff, true);
}

static void make_vdi(void)
{
	put(media + 0x40, 4, 0xbeda107f, false);
	put(media + 0x44, 4, 0x10001, false);
	put(media + 0x4c, 4, 1, false);
	put(media + 0x154, 4, 512, false);
	put(media + 0x158, 4, 4096, false);
	put(media + 0x168, 4, 512, false);
	put(media + 0x170, 8, 900 * 512, false);
	put(media + 0x178, 4, 65536, false);
	put(media + 0x180, 4, 8, false);
	put(media + 512, 8, 0xffffffff, false);
}

static void ended(struct intake *in, const char *wrong)
{
	check(in == &intake);
	ends++;
	right = !wrong;
}

static void run(void)
{
	while (works) {
		struct work *work = works;

		works = work->next;
		work->queued = 0;
		if (++steps == STEPS)
			intake.stop = true;
		check(steps < STEPS + 2);
		work->run(work);
	}
	check(ends == 1);
	ends = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"vmdk", "vpc", "vdi", "vmdk"};
	struct input in = {data, size};
	uint8_t choice = next(&in);
	unsigned changes = next(&in) % 24;

	memset(media, 0, sizeof(media));
	memset(&intake, 0, sizeof(intake));
	written = steps = 0;
	if (choice % 4 == 1)
		make_vhd();
	else if (choice % 4 == 2)
		make_vdi();
	else
		make_vmdk(choice);
	for (unsigned i = 0; i < changes; i++) {
		unsigned at = next(&in) % 20 * 512 + next(&in) * 2, n = next(&in) % 12;

		while (n--)
			media[at++] = next(&in);
	}
	/* Checksums are no hurdle. */
	if (choice & 64) {
		sum(media, 512, 64);
		sum(media + 512, 1024, 36);
	}
	intake.source = &source;
	intake.format = foreign_named(names[choice % 4]);
	intake.bytes = choice & 32 ? SOURCE : SOURCE - 511;
	intake.done = ended;
	intake_open(&intake);
	run();
	if (right) {
		target.sectors = intake.foreign.size / BLK_SECTOR;
		intake.to = &target;
		intake.sparse = choice & 128;
		intake_run(&intake);
		run();
	}
	intake_free(&intake);
	return 0;
}
