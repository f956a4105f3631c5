/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a disk's partition table when it is registered and makes a device of
 * every partition. One read after the other, each from the completion of the
 * one before; a disk that returns errors ends the scan with what is known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/gpt.h"
#include "drivers/block/mbr.h"
#include "drivers/block/request.h"
#include "drivers/env.h"

struct scan {
	struct blkdev *dev;
	void (*ready)(struct blkdev *dev);
	struct blk_request request;
	struct blk_segment segment;
	uint8_t *buffer;
	struct partition *parts;
	unsigned count;
	struct mbr mbr;
	struct gpt_header header;
	bool backup; /* the primary GPT was no good */
	void (*next)(struct scan *scan);
};

static uint64_t blocks_of(const struct blkdev *dev)
{
	return dev->sectors / (dev->logical_block / BLK_SECTOR);
}

static void finish(struct scan *scan)
{
	if (scan->ready)
		scan->ready(scan->dev);
	if (scan->buffer)
		dma_free(scan->buffer, GPT_MAX_BYTES);
	free(scan->parts);
	free(scan);
	blk_release();
}

static void add_partitions(struct scan *scan);

static void read_done(struct blk_request *request, enum blk_status status)
{
	struct scan *scan = request->context;

	if (status != BLK_OK) {
		driver_log("%s: cannot read the partition table: I/O error\n", scan->dev->name);
		add_partitions(scan);
		return;
	}
	scan->next(scan);
}

static void read_blocks(struct scan *scan, uint64_t lba, uint32_t bytes,
			void (*next)(struct scan *scan))
{
	uint32_t unit = scan->dev->logical_block;

	bytes = (bytes + unit - 1) / unit * unit;
	scan->next = next;
	scan->segment.bytes = bytes;
	scan->request.op = BLK_READ;
	scan->request.sector = lba * (unit / BLK_SECTOR);
	scan->request.sectors = bytes / BLK_SECTOR;
	scan->request.segments = 1;
	blk_submit(scan->dev, &scan->request);
}

static void add_partition(struct blkdev *disk, const struct partition *part)
{
	size_t length = strlen(disk->name);
	struct blkdev *dev = calloc(1, sizeof(*dev));

	if (!dev) {
		driver_log("%s: no memory for partition %u\n", disk->name, part->number);
		return;
	}
	dev->parent = disk;
	dev->first_sector = part->first * (disk->logical_block / BLK_SECTOR);
	dev->sectors = part->count * (disk->logical_block / BLK_SECTOR);
	dev->logical_block = disk->logical_block;
	dev->physical_block = disk->physical_block;
	dev->read_only = disk->read_only;
	dev->can_flush = disk->can_flush;
	dev->can_discard = disk->can_discard;
	dev->max_sectors = disk->max_sectors;
	/* "sda" and "sda1", but "nvme0n1" and "nvme0n1p1". */
	snprintf(dev->name, sizeof(dev->name), "%.20s%s%u", disk->name,
		 disk->name[length - 1] <= '9' ? "p" : "", part->number);
	memcpy(dev->serial, disk->serial, sizeof(dev->serial));
	memcpy(dev->model, disk->model, sizeof(dev->model));
	memcpy(dev->part_label, part->label, sizeof(dev->part_label));
	memcpy(dev->part_uuid, part->uuid, sizeof(dev->part_uuid));
	blk_list(dev);
	driver_log("%s: %llu MiB%s%s\n", dev->name, (unsigned long long)(dev->sectors / 2048),
		   *dev->part_label ? ", label " : "", dev->part_label);
}

static void add_partitions(struct scan *scan)
{
	for (unsigned i = 0; i < scan->count; i++)
		add_partition(scan->dev, &scan->parts[i]);
	finish(scan);
}

static void header_read(struct scan *scan);

/* The GPT at hand is no good, for a reason: try the other one, or give up. */
static void refuse(struct scan *scan, const char *why)
{
	driver_log("%s: %s %s\n", scan->dev->name, scan->backup ? "backup" : "primary", why);
	if (scan->backup) {
		driver_log("%s: no partitions are used\n", scan->dev->name);
		finish(scan);
		return;
	}
	scan->backup = true;
	read_blocks(scan, blocks_of(scan->dev) - 1, BLK_SECTOR, header_read);
}

static void log_bad(const struct blkdev *dev, unsigned bad)
{
	if (bad)
		driver_log("%s: %u partitions overlap others or lie outside the disk: left out\n",
			   dev->name, bad);
}

static void entries_read(struct scan *scan)
{
	unsigned bad;
	const char *why =
		gpt_entries_parse(&scan->header, scan->buffer, scan->parts, &scan->count, &bad);

	if (why) {
		scan->count = 0;
		refuse(scan, why);
		return;
	}
	if (scan->backup)
		driver_log("%s: the backup GPT is used\n", scan->dev->name);
	log_bad(scan->dev, bad);
	add_partitions(scan);
}

static void header_read(struct scan *scan)
{
	uint64_t blocks = blocks_of(scan->dev);
	const char *why = gpt_header_parse(scan->buffer, scan->dev->logical_block,
					   scan->backup ? blocks - 1 : 1, blocks, &scan->header);

	if (why) {
		refuse(scan, why);
		return;
	}
	read_blocks(scan, scan->header.entries, scan->header.entry_count * scan->header.entry_bytes,
		    entries_read);
}

static void mbr_done(struct scan *scan)
{
	const char *disk = scan->dev->name;

	if (scan->mbr.broken)
		driver_log("%s: the chain of logical partitions %s: the rest is left out\n", disk,
			   scan->mbr.broken);
	log_bad(scan->dev, scan->mbr.bad);
	for (unsigned i = 0; i < scan->count; i++) {
		const char *nested = mbr_nested(scan->mbr.type[i]);

		if (nested)
			driver_log("%s: partition %u has a table inside that is not read: %s\n",
				   disk, scan->parts[i].number, nested);
	}
	add_partitions(scan);
}

static void ebr_read(struct scan *scan);

static void next_ebr(struct scan *scan)
{
	if (scan->mbr.next)
		read_blocks(scan, scan->mbr.next, BLK_SECTOR, ebr_read);
	else
		mbr_done(scan);
}

static void ebr_read(struct scan *scan)
{
	mbr_extended(scan->buffer, scan->parts, &scan->count, &scan->mbr);
	next_ebr(scan);
}

static void mbr_read(struct scan *scan)
{
	const char *foreign = mbr_foreign(scan->buffer);

	switch (mbr_parse(scan->buffer, blocks_of(scan->dev), scan->parts, &scan->count,
			  &scan->mbr)) {
	case MBR_PROTECTIVE:
		read_blocks(scan, 1, BLK_SECTOR, header_read);
		break;
	case MBR_PLAIN:
		next_ebr(scan);
		break;
	case MBR_NONE:
		if (foreign)
			driver_log("%s: its partition table is not read: %s\n", scan->dev->name,
				   foreign);
		finish(scan);
		break;
	}
}

void blk_scan(struct blkdev *dev, void (*ready)(struct blkdev *dev))
{
	struct scan *scan = calloc(1, sizeof(*scan));

	if (!scan) {
		driver_log("%s: no memory to read its partition table\n", dev->name);
		if (ready)
			ready(dev);
		blk_release();
		return;
	}
	scan->dev = dev;
	scan->ready = ready;
	scan->request.done = read_done;
	scan->request.context = scan;
	scan->request.segment = &scan->segment;
	scan->parts = calloc(PARTITIONS_MAX, sizeof(*scan->parts));
	scan->buffer = dma_alloc(GPT_MAX_BYTES, &scan->segment.bus);
	scan->segment.data = scan->buffer;
	if (!scan->parts || !scan->buffer) {
		driver_log("%s: no memory to read its partition table\n", dev->name);
		finish(scan);
		return;
	}
	read_blocks(scan, 0, BLK_SECTOR, mbr_read);
}
