/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDE controllers with bus-master DMA (Programming Interface for Bus Master
 * IDE Controller 1.0; ATA/ATAPI-6). A channel does one command at a time, for
 * one of its two disks. Nothing waits: a channel's timer looks for disks at
 * the start, and later sees to commands whose interrupt does not come.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/block/ata.h"
#include "drivers/block/request.h"
#include "drivers/pci.h"

#define MS             1000000ull
#define SEARCH_NS      MS
#define TICK_NS        (100 * MS)
#define LIMIT_IDENTIFY (10000 * MS)
#define LIMIT_RESET    (31000 * MS) /* ATA/ATAPI-6 9.2 */
#define LIMIT_DATA     (15000 * MS)
#define LIMIT_FLUSH    (60000 * MS)
#define SELECT_TRIES   1000u

/* Registers of a channel, in BAR 0 or 2, and the one of BAR 1 or 3. */
enum { DATA, ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DRIVE, STATUS };
#define CONTROL       0u
#define CONTROL_QUIET 0x02u
#define CONTROL_RESET 0x04u
#define DRIVE_FIXED   0xa0u
#define DRIVE_SECOND  0x10u

/* Bus-master registers of a channel, in BAR 4, the second's 8 further. */
#define BM_BAR        4u
#define BM_COMMAND    0u
#define BM_STATUS     2u
#define BM_TABLE      4u
#define BM_START      0x01u
#define BM_TO_MEMORY  0x08u
#define BM_ACTIVE     0x01u
#define BM_ERROR      0x02u
#define BM_INTERRUPT  0x04u
#define BM_DRIVES_CAN 0x60u /* firmware's notes */

#define PRD_ENTRIES    256u
#define PRD_LAST       0x80000000u
#define PRD_REACH      0x10000u /* an entry stays within 64 KiB */
#define BUS_LIMIT      (1ull << 32)
#define MAX_SECTORS    512u
#define BOUNCE_SECTORS 128u
#define IDENTIFY_WORDS 256u

struct prd {
	uint32_t bus, bytes; /* 64 KiB is 0 */
};

struct ide_disk {
	struct blkdev disk;
	struct ide_channel *channel;
	struct blk_queue queue;
	bool there;
};

struct ide_channel {
	struct pci_device *pci;
	unsigned number;
	enum { SEARCH, IDLE, COMMAND, RESET } state;
	unsigned searched; /* the disk that is looked for */
	uint64_t limit;
	struct timer timer;
	struct prd *table;
	void *bounce;
	uint64_t table_bus, bounce_bus;
	struct ide_disk disk[2];
	unsigned turn;
	/* the command in progress */
	struct blk_request *request;
	uint32_t first, sectors;
	bool bounced;
};

static uint32_t task_read(struct ide_channel *c, unsigned reg)
{
	return pci_port_read(c->pci, 2 * c->number, reg, 1);
}

static void task_write(struct ide_channel *c, unsigned reg, uint32_t value)
{
	pci_port_write(c->pci, 2 * c->number, reg, 1, value);
}

static void control_write(struct ide_channel *c, uint32_t value)
{
	/* A BAR of one byte is the old port; a native one has it at 2. */
	unsigned bar = 2 * c->number + 1;

	pci_port_write(c->pci, bar, c->pci->bar[bar].size > 2 ? 2 : CONTROL, 1, value);
}

static uint32_t bm_read(struct ide_channel *c, unsigned reg)
{
	return pci_port_read(c->pci, BM_BAR, 8 * c->number + reg, 1);
}

static void bm_write(struct ide_channel *c, unsigned reg, unsigned bytes, uint32_t value)
{
	pci_port_write(c->pci, BM_BAR, 8 * c->number + reg, bytes, value);
}

/* Selects a disk; reading the status gives it the 400 ns that it may take. */
static bool select_disk(struct ide_channel *c, unsigned number)
{
	task_write(c, DRIVE, DRIVE_FIXED | ATA_DEVICE_LBA | (number ? DRIVE_SECOND : 0));
	for (unsigned i = 0; i < SELECT_TRIES; i++)
		if (!(task_read(c, STATUS) & (ATA_STATUS_BSY | ATA_STATUS_DRQ)))
			return true;
	return false;
}

static void tick(struct ide_channel *c, uint64_t ns)
{
	timer_set(&c->timer, clock_ns() + ns);
}

/* LBA and count are written twice: the high bytes first (ATA/ATAPI-6 6.20). */
static void issue(struct ide_channel *c, unsigned command, uint64_t lba, uint32_t count)
{
	for (unsigned shift = 8; shift <= 8; shift -= 8) {
		task_write(c, COUNT, count >> shift & 0xff);
		task_write(c, LBA_LOW, (uint32_t)(lba >> (shift ? 24 : 0)) & 0xff);
		task_write(c, LBA_MID, (uint32_t)(lba >> (shift ? 32 : 8)) & 0xff);
		task_write(c, LBA_HIGH, (uint32_t)(lba >> (shift ? 40 : 16)) & 0xff);
	}
	task_write(c, STATUS, command);
}

static void add_prd(struct ide_channel *c, unsigned *count, uint64_t bus, uint32_t bytes)
{
	while (bytes && *count < PRD_ENTRIES) {
		uint32_t piece = PRD_REACH - (uint32_t)(bus % PRD_REACH);

		if (piece > bytes)
			piece = bytes;
		c->table[(*count)++] = (struct prd){(uint32_t)bus, piece & 0xffff};
		bus += piece;
		bytes -= piece;
	}
}

static void fill_table(struct ide_channel *c)
{
	const struct blk_request *request = c->request;
	struct blk_place place = blk_place(request, c->first);
	uint32_t left = c->sectors * BLK_SECTOR;
	unsigned count = 0;

	if (c->bounced)
		add_prd(c, &count, c->bounce_bus, left);
	for (; !c->bounced && left; place = (struct blk_place){place.segment + 1, 0}) {
		const struct blk_segment *segment = &request->segment[place.segment];
		uint32_t bytes = segment->bytes - place.offset;

		if (bytes > left)
			bytes = left;
		add_prd(c, &count, segment->bus + place.offset, bytes);
		left -= bytes;
	}
	c->table[count - 1].bytes |= PRD_LAST;
}

static void start_data(struct ide_channel *c)
{
	bool read = c->request->op == BLK_READ;

	fill_table(c);
	dma_barrier();
	bm_write(c, BM_COMMAND, 1, read ? BM_TO_MEMORY : 0);
	bm_write(c, BM_STATUS, 1,
		 (bm_read(c, BM_STATUS) & BM_DRIVES_CAN) | BM_INTERRUPT | BM_ERROR);
	bm_write(c, BM_TABLE, 4, (uint32_t)c->table_bus);
	issue(c, read ? ATA_READ_DMA_EXT : ATA_WRITE_DMA_EXT, c->request->disk_sector + c->first,
	      c->sectors);
	bm_write(c, BM_COMMAND, 1, (read ? BM_TO_MEMORY : 0) | BM_START);
}

/* Takes the next piece of a request. False: it cannot be done. */
static bool take(struct ide_channel *c, struct ide_disk *disk, struct blk_request *request)
{
	c->request = request;
	c->first = request->issued;
	c->sectors = request->sectors - request->issued;
	c->bounced = !blk_below(request, BUS_LIMIT);
	if (c->bounced && c->sectors > BOUNCE_SECTORS)
		c->sectors = BOUNCE_SECTORS;
	blk_queue_issued(&disk->queue, c->sectors);
	return !c->bounced || request->op != BLK_WRITE ||
	       blk_copy(request, c->first, c->bounce, c->sectors * BLK_SECTOR, true);
}

static void done(struct ide_channel *c, enum blk_status status)
{
	struct blk_request *request = c->request;

	if (status == BLK_OK && c->bounced && request->op == BLK_READ &&
	    !blk_copy(request, c->first, c->bounce, c->sectors * BLK_SECTOR, false))
		status = BLK_IOERR;
	c->request = NULL;
	c->state = IDLE;
	blk_command_done(request, status);
}

static void reset(struct ide_channel *c)
{
	bm_write(c, BM_COMMAND, 1, 0);
	control_write(c, CONTROL_RESET | CONTROL_QUIET);
	clock_delay_ns(5000); /* ATA/ATAPI-6 9.2 */
	control_write(c, CONTROL_QUIET);
	c->state = RESET;
	c->limit = clock_ns() + LIMIT_RESET;
	tick(c, 2 * MS);
}

static void start(struct ide_channel *c, struct ide_disk *disk, struct blk_request *request)
{
	bool flush = request->op == BLK_FLUSH;

	c->state = COMMAND;
	c->limit = clock_ns() + (flush ? LIMIT_FLUSH : LIMIT_DATA);
	if (!take(c, disk, request)) {
		done(c, BLK_IOERR);
		return;
	}
	if (!select_disk(c, (unsigned)(disk - c->disk))) {
		done(c, BLK_IOERR);
		reset(c);
		return;
	}
	tick(c, TICK_NS);
	if (flush)
		issue(c, ATA_FLUSH_EXT, 0, 0);
	else
		start_data(c);
}

/* Disks take turns. */
static void kick(struct ide_channel *c)
{
	for (unsigned idle = 0; c->state == IDLE && idle < 2; idle++) {
		struct ide_disk *disk = &c->disk[c->turn++ % 2];
		struct blk_request *request = blk_queue_head(&disk->queue);

		if (!request)
			continue;
		start(c, disk, request);
		idle = 0;
	}
}

static void ide_submit(struct blkdev *dev, struct blk_request *request)
{
	struct ide_disk *disk = dev->driver;

	if (!disk->there) {
		request->done(request, BLK_IOERR);
		return;
	}
	blk_queue_add(&disk->queue, request);
	kick(disk->channel);
}

/* The command in progress, if the disk is through with it. */
static void complete(struct ide_channel *c, bool interrupted)
{
	bool data = c->request->op != BLK_FLUSH;
	uint32_t bm = bm_read(c, BM_STATUS), status;

	if (interrupted && data && !(bm & BM_INTERRUPT))
		return;
	status = task_read(c, STATUS); /* takes the interrupt back */
	if (status & ATA_STATUS_BSY ||
	    (data && !(bm & (BM_INTERRUPT | BM_ERROR)) && bm & BM_ACTIVE))
		return;
	bm_write(c, BM_COMMAND, 1, 0);
	bm_write(c, BM_STATUS, 1, (bm & BM_DRIVES_CAN) | BM_INTERRUPT | BM_ERROR);
	dma_barrier();
	timer_cancel(&c->timer);
	if (status & (ATA_STATUS_ERR | ATA_STATUS_DF | ATA_STATUS_DRQ) || (data && bm & BM_ERROR)) {
		driver_log("ide %s: %s: status %02x, error %02x, bus master %02x\n", c->pci->name,
			   c->disk[task_read(c, DRIVE) >> 4 & 1].disk.name, status,
			   task_read(c, ERROR), bm);
		done(c, BLK_IOERR);
		if (status & ATA_STATUS_DRQ)
			reset(c);
	} else {
		done(c, BLK_OK);
	}
	kick(c);
}

static void ide_interrupt(void *context, unsigned vector)
{
	struct ide_channel *channel = context;

	for (unsigned i = 0; i < 2; i++) {
		struct ide_channel *c = &channel[i];

		if (c->state == COMMAND)
			complete(c, true);
		else if (c->pci && i == vector)
			task_read(c, STATUS);
	}
}

static void gone(struct ide_channel *c)
{
	driver_log("ide %s: channel %u does not come out of reset, not used\n", c->pci->name,
		   c->number);
	c->state = IDLE;
	for (unsigned i = 0; i < 2; i++) {
		c->disk[i].there = false;
		c->disk[i].disk.lost = true;
		blk_queue_fail(&c->disk[i].queue);
	}
}

static void describe_disk(struct ide_channel *c, unsigned number, const struct ata_info *info)
{
	struct ide_disk *disk = &c->disk[number];
	struct blkdev *dev = &disk->disk;

	memcpy(dev->name, "hda", 4);
	dev->name[2] = (char)(dev->name[2] + 2 * (int)c->number + (int)number);
	memcpy(dev->serial, info->serial, sizeof(info->serial));
	memcpy(dev->model, info->model, sizeof(info->model));
	dev->sectors = info->blocks;
	dev->logical_block = info->logical_block;
	dev->physical_block = info->physical_block;
	dev->can_flush = info->write_cache;
	dev->max_sectors = MAX_SECTORS;
	dev->driver = disk;
	dev->submit = ide_submit;
	disk->channel = c;
	disk->there = true;
}

/* The data of IDENTIFY DEVICE are there. */
static void identified(struct ide_channel *c, unsigned number)
{
	static uint16_t words[IDENTIFY_WORDS];
	struct ata_info info;
	const char *why;

	for (unsigned i = 0; i < IDENTIFY_WORDS; i++)
		words[i] = (uint16_t)pci_port_read(c->pci, 2 * c->number, DATA, 2);
	why = ata_identify(words, &info);
	if (!why && info.logical_block != BLK_SECTOR)
		why = "sectors of more than 512 bytes";
	if (why)
		driver_log("ide %s: channel %u: disk %u: %s, not used\n", c->pci->name, c->number,
			   number, why);
	else
		describe_disk(c, number, &info);
}

static void search_next(struct ide_channel *c)
{
	while (c->searched < 2) {
		task_write(c, DRIVE, DRIVE_FIXED | (c->searched ? DRIVE_SECOND : 0));
		task_read(c, STATUS);
		/* Nothing on the cable reads as ones, no such disk as zeros. */
		if (task_read(c, STATUS) != 0xff && task_read(c, STATUS)) {
			task_write(c, STATUS, ATA_IDENTIFY);
			c->limit = clock_ns() + LIMIT_IDENTIFY;
			tick(c, SEARCH_NS);
			return;
		}
		c->searched++;
	}
	c->state = IDLE;
	control_write(c, 0);
	task_read(c, STATUS);
	for (unsigned i = 0; i < 2; i++)
		if (c->disk[i].there)
			blk_register(&c->disk[i].disk, NULL);
	blk_release();
}

static void search(struct ide_channel *c)
{
	uint32_t status = task_read(c, STATUS);

	if (status & ATA_STATUS_BSY && clock_ns() < c->limit) {
		tick(c, SEARCH_NS);
		return;
	}
	/* Others than disks refuse the command. */
	if (!(status & (ATA_STATUS_BSY | ATA_STATUS_ERR)) && status & ATA_STATUS_DRQ)
		identified(c, c->searched);
	c->searched++;
	search_next(c);
}

static void ide_timer(struct timer *timer)
{
	struct ide_channel *c = timer->context;
	bool late = clock_ns() >= c->limit;

	switch (c->state) {
	case SEARCH:
		search(c);
		return;
	case COMMAND:
		complete(c, false);
		if (c->state != COMMAND || timer->deadline)
			return;
		tick(c, TICK_NS);
		if (late) {
			driver_log("ide %s: channel %u: a command does not end\n", c->pci->name,
				   c->number);
			done(c, BLK_IOERR);
			reset(c);
		}
		return;
	case RESET:
		if (task_read(c, STATUS) & ATA_STATUS_BSY) {
			late ? gone(c) : tick(c, 2 * MS);
			return;
		}
		control_write(c, 0);
		c->state = IDLE;
		kick(c);
		return;
	case IDLE:
		return;
	}
}

static void channel_start(struct ide_channel *c, struct pci_device *pci, unsigned number)
{
	uint64_t last;

	if (!pci->bar[2 * number].io || !pci->bar[2 * number + 1].io)
		return;
	c->table = dma_alloc(PRD_ENTRIES * sizeof(*c->table), &c->table_bus);
	c->bounce = dma_alloc(BOUNCE_SECTORS * BLK_SECTOR, &c->bounce_bus);
	last = c->table_bus > c->bounce_bus ? c->table_bus : c->bounce_bus;
	if (!c->table || !c->bounce || last >= BUS_LIMIT - BOUNCE_SECTORS * BLK_SECTOR) {
		driver_log("ide %s: no memory that the controller reaches\n", pci->name);
		return;
	}
	c->pci = pci;
	c->number = number;
	timer_init(&c->timer, ide_timer, c);
	control_write(c, CONTROL_QUIET);
	blk_hold();
	search_next(c);
}

static bool ide_probe(struct pci_device *pci)
{
	struct ide_channel *channel;

	/* Class: an IDE controller that masters the bus. */
	if ((pci->class_code & 0xffff80) != 0x010180 || !pci->bar[BM_BAR].io ||
	    pci->bar[BM_BAR].size < 16)
		return false;
	channel = calloc(2, sizeof(*channel));
	if (!channel)
		return false;
	pci_enable(pci, "ide");
	pci_irq_setup(pci, 2, ide_interrupt, channel);
	for (unsigned i = 0; i < 2; i++)
		channel_start(&channel[i], pci, i);
	return true;
}

const struct pci_driver ide_driver = {"ide", ide_probe};
