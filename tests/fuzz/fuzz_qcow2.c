/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/image.c guests/dom0/storage/qcow2_format.c guests/dom0/storage/qcow2_io.c */
/* sources: guests/dom0/storage/qcow2_cache.c guests/dom0/storage/qcow2_map.c guests/dom0/storage/qcow2_alloc.c */
/* sources: guests/dom0/storage/qcow2_commit.c guests/dom0/storage/qcow2_write.c guests/dom0/storage/qcow2_inflate.c */
/* sources: guests/dom0/storage/qcow2_rewrite.c guests/dom0/storage/qcow2_replace.c guests/dom0/storage/qcow2_snapshot.c */
/* sources: guests/dom0/storage/transfer.c drivers/block/block.c drivers/block/claim.c drivers/block/request.c */
/* sources: drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* sources: guests/dom0/storage/qcow2_unpack.c guests/dom0/storage/qcow2_zstd.c */
/* libs: zlib zstd */
/* fuzz: -max_len=3000 */
/*
 * Images of any bytes: tables that point into each other or beyond the device, chains that are
 * circles, sizes of 2^63. Whatever is opened is read and written; each request ends, once, and no
 * byte beyond the device is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/storage/image.h"
#include "guests/dom0/storage/image_volume.h"
#include "tests/fuzz/input.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"

#define DISKS  2u
#define DEVICE (192u << 10)
#define DATA   (64u * BLK_SECTOR)
#define STEPS  1000000u

static uint8_t media[DISKS][DEVICE];
static struct blkdev disk[DISKS];
static struct work *works;
static unsigned requests;
static bool readable;

static void check(bool right)
{
	if (!right)
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

static void run_works(void)
{
	while (works) {
		struct work *work = works;

		works = work->next;
		work->queued = 0;
		work->run(work);
	}
}

struct blkdev *image_backing_dev(const struct blkdev *dev, const char *name)
{
	(void)dev;
	return *name == 'a' ? &disk[0] : *name == 'b' ? &disk[1] : NULL;
}

const char *image_backing_wrong(const struct blkdev *dev, const struct blkdev *backing)
{
	(void)dev;
	(void)backing;
	return NULL;
}

const char *image_format_disagrees(const struct blkdev *dev, const char *format)
{
	(void)dev;
	(void)format;
	return NULL;
}

bool image_can_grow(const struct blkdev *dev)
{
	(void)dev;
	return false;
}

void image_grow(struct qcow2 *qcow2, uint64_t bytes)
{
	(void)qcow2;
	(void)bytes;
}

void image_grow_stop(struct image *image)
{
	(void)image;
}

/* Each step of an image has to come to an end. */
static void disk_submit(struct blkdev *dev, struct blk_request *request)
{
	uint8_t *at = media[dev - disk] + request->disk_sector * BLK_SECTOR;

	check(++requests < STEPS);
	if (request->op != BLK_FLUSH) {
		check(request->disk_sector + request->sectors <= DEVICE / BLK_SECTOR);
		check(blk_copy(request, 0, at, (size_t)request->sectors * BLK_SECTOR,
			       request->op == BLK_WRITE));
	}
	request->done(request, BLK_OK);
}

static void put(uint8_t *at, struct input *in, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = next(in);
}

/* The guest's first cluster is compressed, of zstd's kind: the input says the frame's blocks. */
static void pack_first(uint8_t *bytes, uint64_t cluster, struct input *in)
{
	/* RFC 8878, 3.1.1: the magic number, a content size of two bytes (less 256). */
	static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x60};
	uint64_t sectors = 1, from = 5 * cluster;
	unsigned shift = cluster == 512 ? 61 : 58;

	bytes[QCOW2_AT_INCOMPAT + 7] |= 8;
	bytes[104] = 1;
	qcow2_put(bytes + 4 * cluster, 8, QCOW2_COMPRESSED | sectors << shift | from);
	memcpy(bytes + from, head, sizeof(head));
	bytes[from + 6] = (uint8_t)((cluster - 256) >> 8);
	put(bytes + from + 7, in, next(in));
}

/* A right image, of which the input changes what it likes. */
static void make_image(uint8_t *bytes, struct input *in)
{
	static const uint64_t sizes[] = {100000, 1 << 20, 32 << 20, 1ull << 63, (1ull << 40) + 7};
	uint8_t choice = next(in);
	struct qcow2_header h = {
		.version = 3,
		.cluster_bits = choice & 1 ? 9 : 12,
		.size = sizes[next(in) % 5],
		.table_clusters = 1,
		.refcount_order = next(in) % 7,
	};
	uint64_t cluster = 1ull << h.cluster_bits;
	unsigned changes = next(in);

	h.table_offset = cluster;
	h.l1_offset = 3 * cluster;
	h.l1_entries = (uint32_t)(qcow2_l1_needed(&h) < 64 ? qcow2_l1_needed(&h) : 64);
	if (choice & 2) {
		strcpy(h.backing, choice & 4 ? "a" : "b");
		strcpy(h.backing_format, choice & 8 ? "raw" : "qcow2");
	}
	check(qcow2_build(&h, bytes, 512));
	qcow2_put(bytes + cluster, 8, 2 * cluster);
	qcow2_put(bytes + 3 * cluster, 8, 4 * cluster | (choice & 16 ? QCOW2_COPIED : 0));
	for (unsigned i = 0; i < 5; i++)
		qcow2_set_refcount(bytes + 2 * cluster, i, h.refcount_order, 1);
	if (choice & 32)
		pack_first(bytes, cluster, in);
	for (unsigned i = 0; i < changes % 24; i++) {
		unsigned where = next(in), index = next(in);

		/* A field of the header, or an entry of a table. */
		if (where % 6 == 0)
			put(bytes + index % 112, in, 1 + where % 8);
		else
			put(bytes + (where % 6) * cluster + index % 64 * 8, in, 8);
	}
}

static unsigned done_count;

static void done(struct blk_request *request, enum blk_status status)
{
	(void)request;
	(void)status;
	done_count++;
}

static void use(struct blkdev *dev, struct input *in)
{
	static const enum blk_op kind[] = {BLK_READ,    BLK_WRITE, BLK_WRITE_ZEROES,
					   BLK_DISCARD, BLK_FLUSH, BLK_WRITE};
	static uint8_t data[DATA];

	for (unsigned i = 0; i < 24 && in->size; i++) {
		struct blk_segment segment = {.bus = (uint64_t)(uintptr_t)data, .data = data};
		struct blk_request request = {
			.op = kind[next(in) % 6],
			.sector = next(in) * (uint64_t)(next(in) % 8 ? 1 : dev->sectors / 256),
			.sectors = 1 + next(in) % 64,
			.segment = &segment,
			.segments = 1,
			.done = done,
		};

		segment.bytes = request.sectors * BLK_SECTOR;
		if (request.op == BLK_FLUSH)
			request.sector = request.sectors = request.segments = 0;
		done_count = 0;
		blk_submit(dev, &request);
		run_works();
		check(done_count == 1);
	}
}

static void opened(struct image *image)
{
	readable = image->state == IMAGE_OPEN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct image *image;
	const char *wrong;

	requests = 0;
	readable = false;
	memset(media, 0, sizeof(media));
	for (unsigned n = 0; n < DISKS; n++) {
		disk[n] = (struct blkdev){
			.name = "disk",
			.sectors = DEVICE / BLK_SECTOR,
			.logical_block = 512,
			.max_sectors = 64,
			.can_flush = true,
			.submit = disk_submit,
		};
		make_image(media[n], &in);
	}
	image = image_open(&disk[0], "guest", next(&in) % 4, opened, NULL, &wrong);
	check(image);
	run_works();
	if (readable)
		use(image->dev, &in);
	image_close(image, NULL, NULL);
	run_works();
	check(!image_on(&disk[0]) && !image_on(&disk[1]) && !disk[0].user && !disk[1].user);
	return 0;
}
