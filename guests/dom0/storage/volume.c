/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/volume.h"

#include <stdlib.h>
#include <string.h>

#include "drivers/block/request.h"

static struct blkdev *disk_of(const struct volume_run *run)
{
	return run->dev->parent ? run->dev->parent : run->dev;
}

/* The run that has the sector, which is one of the volume's. */
static const struct volume_run *run_of(const struct volume *volume, uint64_t sector)
{
	uint32_t low = 0, high = volume->runs - 1;

	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (volume->run[middle].start <= sector)
			low = middle;
		else
			high = middle - 1;
	}
	return &volume->run[low];
}

static struct volume *volume_of(const struct blk_request *whole)
{
	return whole->driver;
}

static void next_piece(struct volume_split *split);

/* Pieces that end at once do not nest: the loop in next_piece goes on with the next. */
static void piece_done(struct blk_request *request, enum blk_status status)
{
	struct volume_split *split = request->context;
	struct blk_request *whole = split->first;

	split->done += whole->op == BLK_FLUSH ? 1 : request->sectors;
	if (status != BLK_OK)
		whole->result = status;
	split->again = true;
	if (!split->working)
		next_piece(split);
}

static bool is_done(const struct volume_split *split)
{
	const struct blk_request *whole = split->first;

	if (whole->op == BLK_FLUSH)
		return split->done == volume_of(whole)->runs;
	return whole->result != BLK_OK || split->done == whole->sectors;
}

static void submit_flush(struct volume_split *split)
{
	const struct volume *volume = volume_of(split->first);
	struct blk_request *request = &split->request;

	request->op = BLK_FLUSH;
	request->sector = request->sectors = request->segments = 0;
	if (volume->run[split->done].flushes)
		blk_submit(volume->run[split->done].dev, request);
	else
		request->done(request, BLK_OK);
}

/* The scatter list of `sectors` from split->done on. */
static uint32_t cut_segments(struct volume_split *split, uint32_t sectors)
{
	const struct blk_request *whole = split->first;
	struct blk_place place = blk_place(whole, split->done);
	uint64_t bytes = (uint64_t)sectors * BLK_SECTOR;
	uint32_t n = 0;

	for (; bytes && place.segment < whole->segments; place.segment++, place.offset = 0) {
		struct blk_segment *to = &split->segment[n++];

		*to = whole->segment[place.segment];
		to->bus += place.offset;
		to->bytes -= place.offset;
		if (to->data)
			to->data = (uint8_t *)to->data + place.offset;
		if (to->bytes > bytes)
			to->bytes = (uint32_t)bytes;
		bytes -= to->bytes;
	}
	return n;
}

static void submit_piece(struct volume_split *split)
{
	const struct blk_request *whole = split->first;
	const struct volume_run *run = run_of(volume_of(whole), whole->sector + split->done);
	uint64_t in_run = whole->sector + split->done - run->start;
	uint32_t sectors = whole->sectors - split->done;
	struct blk_request *request = &split->request;

	if (sectors > run->sectors - in_run)
		sectors = (uint32_t)(run->sectors - in_run);
	request->op = whole->op;
	request->sector = run->at + in_run;
	request->sectors = sectors;
	request->segments = whole->op == BLK_DISCARD ? 0 : cut_segments(split, sectors);
	request->segment = split->segment;
	blk_submit(run->dev, request);
}

static void next_piece(struct volume_split *split)
{
	split->working = true;
	do {
		struct blk_request *whole = split->first;

		split->again = false;
		if (is_done(split)) {
			split->first = whole->next;
			split->done = 0;
			whole->done(whole, whole->result);
			/* A request that came in meanwhile stands in the list. */
			split->again = split->first;
			continue;
		}
		split->request.context = split;
		split->request.done = piece_done;
		if (whole->op == BLK_FLUSH)
			submit_flush(split);
		else
			submit_piece(split);
	} while (split->again);
	split->working = false;
}

static void submit_crossing(struct volume *volume, struct blk_request *request)
{
	struct volume_split *split = volume->split;
	bool idle = !split->first && !split->working;

	request->driver = volume;
	request->result = BLK_OK;
	request->next = NULL;
	if (split->first)
		split->last->next = request;
	else
		split->first = request;
	split->last = request;
	if (idle) {
		split->done = 0;
		next_piece(split);
	}
}

static void volume_submit(struct blkdev *dev, struct blk_request *request)
{
	struct volume *volume = dev->driver;
	const struct volume_run *run = run_of(volume, request->sector);
	struct blkdev *disk = disk_of(run);
	uint64_t in_run = request->sector - run->start;

	if (volume->runs > 1 &&
	    (request->op == BLK_FLUSH || request->sectors > run->sectors - in_run)) {
		submit_crossing(volume, request);
		return;
	}
	/* The checks of blk_submit hold: they held for the volume, whose limits are the narrowest.
	 */
	if (request->op == BLK_FLUSH && !disk->can_flush) {
		request->done(request, BLK_OK);
		return;
	}
	request->disk_sector = run->dev->first_sector + run->at + in_run;
	disk->submit(disk, request);
}

/* Several runs may lie on one disk, whose cache is written out once. */
static bool is_first_on_disk(const struct volume *volume, uint32_t run)
{
	for (uint32_t i = 0; i < run; i++)
		if (volume->run[i].flushes &&
		    disk_of(&volume->run[i]) == disk_of(&volume->run[run]))
			return false;
	return true;
}

static void take_limits(struct volume *volume)
{
	struct blkdev *dev = &volume->dev;

	dev->sectors = 0;
	dev->can_discard = true;
	dev->max_sectors = UINT32_MAX;
	for (uint32_t i = 0; i < volume->runs; i++) {
		const struct blkdev *disk = disk_of(&volume->run[i]);

		volume->run[i].flushes = is_first_on_disk(volume, i);
		dev->sectors += volume->run[i].sectors;
		dev->read_only |= volume->run[i].dev->read_only;
		dev->can_flush |= disk->can_flush;
		dev->can_discard &= disk->can_discard;
		if (dev->logical_block < disk->logical_block)
			dev->logical_block = disk->logical_block;
		if (dev->physical_block < disk->physical_block)
			dev->physical_block = disk->physical_block;
		if (dev->max_sectors > disk->max_sectors)
			dev->max_sectors = disk->max_sectors;
	}
}

void volume_init(struct volume *volume, struct volume_split *split, bool read_only)
{
	volume->split = split;
	volume->dev.submit = volume_submit;
	volume->dev.driver = volume;
	volume->dev.read_only = read_only;
	take_limits(volume);
}

void volume_grow(struct volume *volume, struct volume_run *run, uint32_t runs)
{
	free(volume->run);
	volume->run = run;
	volume->runs = runs;
	take_limits(volume);
	blk_resized(&volume->dev);
}
