/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of images: disks in memory, which lose what no flush covers when their power is cut, a
 * loop for what waits, and QEMU's tools as the other side.
 */
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/storage/image.h"
#include "guests/dom0/storage/image_volume.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#define DISKS   20u
#define PATH    160u
#define WAITING 256u

struct disk {
	struct blkdev dev;
	uint8_t *media;
	char path[32]; /* as for image_backing_dev */
	unsigned reads, writes, flushes;
};

/* A sector that was written, or a flush. */
struct journal_entry {
	bool flush;
	uint64_t sector;
	uint8_t before[BLK_SECTOR], after[BLK_SECTOR];
};

static struct disk disks[DISKS];
static char folder[64];
static bool at_once = true;
static int failing = -1; /* writes until the disk fails; -1: never */
static struct blk_request *waiting[WAITING];
static struct blkdev *waiting_for[WAITING];
static unsigned waitings;
static struct work *works;
static struct journal_entry *journal;
static unsigned entries, journal_room;
static struct disk *recorded; /* the disk whose writes the journal has */

/* --- what dom0 has -------------------------------------------------------- */

void work_queue(struct work *work)
{
	if (work->queued)
		return;
	work->queued = 1;
	work->next = works;
	works = work;
}

struct blkdev *image_backing_dev(const struct blkdev *dev, const char *name)
{
	(void)dev;
	for (unsigned i = 0; i < DISKS; i++)
		if (disks[i].media && !strcmp(disks[i].path, name))
			return &disks[i].dev;
	return NULL;
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

/* --- disks ---------------------------------------------------------------- */

static void record(struct disk *d, const struct blk_request *request, uint32_t sector)
{
	struct journal_entry *e;

	if (entries == journal_room) {
		journal_room = journal_room ? 2 * journal_room : 1024;
		journal = realloc(journal, journal_room * sizeof(*journal));
	}
	e = &journal[entries++];
	memset(e, 0, sizeof(*e));
	e->flush = request->op == BLK_FLUSH;
	if (e->flush)
		return;
	e->sector = request->disk_sector + sector;
	memcpy(e->before, d->media + e->sector * BLK_SECTOR, BLK_SECTOR);
	assert_true(blk_copy(request, sector, e->after, BLK_SECTOR, true));
}

static void execute(struct disk *d, struct blk_request *request)
{
	uint8_t *at = d->media + request->disk_sector * BLK_SECTOR;
	size_t bytes = (size_t)request->sectors * BLK_SECTOR;
	enum blk_status status = BLK_OK;

	if (request->op != BLK_READ && failing == 0)
		status = BLK_IOERR;
	else if (request->op != BLK_READ && failing > 0)
		failing--;
	if (d == recorded && status == BLK_OK && request->op == BLK_FLUSH)
		record(d, request, 0);
	for (uint32_t s = 0;
	     d == recorded && status == BLK_OK && request->op == BLK_WRITE && s < request->sectors;
	     s++)
		record(d, request, s);
	d->reads += request->op == BLK_READ;
	d->writes += request->op == BLK_WRITE;
	d->flushes += request->op == BLK_FLUSH;
	if (request->op == BLK_READ)
		assert_true(blk_copy(request, 0, at, bytes, false));
	else if (request->op == BLK_WRITE && status == BLK_OK)
		assert_true(blk_copy(request, 0, at, bytes, true));
	request->done(request, status);
}

static void disk_submit(struct blkdev *dev, struct blk_request *request)
{
	if (at_once) {
		execute(dev->driver, request);
		return;
	}
	assert_true(waitings < WAITING);
	waiting[waitings] = request;
	waiting_for[waitings++] = dev;
}

/* One thing of those that wait, chosen at random. */
static bool turn(void)
{
	struct work *work = works;
	unsigned chosen;

	if (work && (!waitings || random_below(2))) {
		works = work->next;
		work->queued = 0;
		work->run(work);
		return true;
	}
	if (!waitings)
		return false;
	chosen = (unsigned)random_below(waitings);
	struct blk_request *request = waiting[chosen];
	struct blkdev *dev = waiting_for[chosen];

	waitings--;
	waiting[chosen] = waiting[waitings];
	waiting_for[chosen] = waiting_for[waitings];
	execute(dev->driver, request);
	return true;
}

static void run_loop(void)
{
	while (turn())
		;
}

static struct blkdev *add_disk(unsigned n, const char *path, uint64_t bytes)
{
	struct disk *d = &disks[n];

	memset(d, 0, sizeof(*d));
	snprintf(d->path, sizeof(d->path), "%s", path);
	d->media = calloc(1, bytes);
	d->dev = (struct blkdev){
		.sectors = bytes / BLK_SECTOR,
		.logical_block = 512,
		.physical_block = 512,
		.max_sectors = 256,
		.can_flush = true,
		.submit = disk_submit,
		.driver = d,
	};
	snprintf(d->dev.name, sizeof(d->dev.name), "disk%u", n);
	return &d->dev;
}

static void remove_disks(void)
{
	for (unsigned i = 0; i < DISKS; i++)
		free(disks[i].media);
	memset(disks, 0, sizeof(disks));
}

/* --- files and QEMU's tools ------------------------------------------------ */

static const char *file(const char *name)
{
	static char path[4][PATH];
	static unsigned next;
	char *at = path[next++ % 4];

	snprintf(at, PATH, "%s/%s", folder, name);
	return at;
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sampo-image-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[PATH];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* Runs a command in the folder. Returns its status. */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
	char words[1000], command[1200];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "cd %s && %s >log 2>&1", folder, words);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

__attribute__((format(printf, 1, 2))) static void must(const char *format, ...)
{
	char words[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	if (run("%s", words)) {
		snprintf(words + strlen(words), sizeof(words) - strlen(words), "; cat log");
		(void)!system(words);
		snprintf(words, sizeof(words), "cat %s/log", folder);
		(void)!system(words);
		fail_msg("a command has failed");
	}
}

static void load_disk(const struct disk *d, const char *name)
{
	FILE *f = fopen(file(name), "rb");

	assert_non_null(f);
	(void)!fread(d->media, 1, d->dev.sectors * BLK_SECTOR, f);
	fclose(f);
}

static void save_disk(const struct disk *d, const char *name)
{
	FILE *f = fopen(file(name), "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(d->media, 1, d->dev.sectors * BLK_SECTOR, f),
			 d->dev.sectors * BLK_SECTOR);
	fclose(f);
}

/* --- requests --------------------------------------------------------------- */

struct request {
	struct blk_request request;
	struct blk_segment segment[4];
	uint8_t *data;
	bool done;
	enum blk_status status;
};

static void request_done(struct blk_request *request, enum blk_status status)
{
	struct request *r = request->context;

	r->done = true;
	r->status = status;
}

/* Starts a request; its memory is in up to four pieces. */
static void start(struct request *r, struct blkdev *dev, enum blk_op op, uint64_t sector,
		  uint32_t sectors, uint8_t *data)
{
	bool has_data = op == BLK_READ || op == BLK_WRITE;
	uint32_t left = sectors * BLK_SECTOR, n = 0;

	*r = (struct request){.data = data};
	for (uint8_t *at = data; has_data && left; n++) {
		uint32_t bytes = n == 3 ? left : (uint32_t)random_below(left / 4 + 1) * 4;

		if (!bytes)
			bytes = left;
		r->segment[n] = (struct blk_segment){
			.bus = (uint64_t)(uintptr_t)at, .bytes = bytes, .data = at};
		at += bytes;
		left -= bytes;
	}
	r->request = (struct blk_request){
		.op = op,
		.sector = sector,
		.sectors = sectors,
		.segments = n,
		.segment = r->segment,
		.done = request_done,
		.context = r,
	};
	blk_submit(dev, &r->request);
}

__attribute__((unused)) static enum blk_status
request(struct blkdev *dev, enum blk_op op, uint64_t sector, uint32_t sectors, uint8_t *data)
{
	struct request r;

	start(&r, dev, op, sector, sectors, data);
	run_loop();
	assert_true(r.done);
	return r.status;
}

static void opened(struct image *image)
{
	*(bool *)image->context = true;
}

__attribute__((unused)) static struct image *open_on(struct blkdev *below, bool writable)
{
	bool is_open = false;
	const char *wrong;
	struct image *image = image_open(below, "guest", writable, opened, &is_open, &wrong);

	if (!image)
		fail_msg("%s", wrong);
	run_loop();
	assert_true(is_open);
	if (image->state == IMAGE_FAILED)
		print_message("%s\n", image->why);
	return image;
}

__attribute__((unused)) static void close_image(struct image *image)
{
	image_close(image, NULL, NULL);
	run_loop();
}
