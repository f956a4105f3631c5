/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of an AHCI port. Reads and writes are native queued commands where
 * disk and controller have them, up to 32 at once; everything else, and all
 * commands of other disks, run alone.
 *
 * When a command fails while others are in flight, all those not reported as
 * done are suspect: after the port was reset each of them is tried again
 * alone, and the one that fails then is the one that fails its request.
 */
#include "drivers/block/ahci.h"
#include "drivers/block/ata.h"

#define TICK_NS     (1000ull * 1000 * 1000)
#define POLL_NS     (1000ull * 1000)
#define TICKS_DATA  15 /* patience, in ticks */
#define TICKS_FLUSH 60
#define MAX_STRIKES 3

#define TABLES_BYTES (AHCI_SLOTS * sizeof(struct ahci_table))
#define BOUNCE_BYTES (BOUNCE_SECTORS * BLK_SECTOR)

static bool reached(const struct ahci_port *port, const void *memory, uint64_t bus, size_t bytes)
{
	return memory && (port->hba->address64 || !((bus + bytes) >> 32));
}

bool ahci_port_alloc(struct ahci_port *port)
{
	uint64_t tables_bus, bounce_bus = 0;
	void *bounce = NULL;
	struct ahci_table *tables;

	if (port->tables)
		return true;
	tables = dma_alloc(TABLES_BYTES, &tables_bus);
	if (!port->hba->address64)
		bounce = dma_alloc(BOUNCE_BYTES, &bounce_bus);
	if (!reached(port, tables, tables_bus, TABLES_BYTES) ||
	    (!port->hba->address64 && !reached(port, bounce, bounce_bus, BOUNCE_BYTES))) {
		dma_free(tables, TABLES_BYTES);
		dma_free(bounce, BOUNCE_BYTES);
		return false;
	}
	port->tables = tables;
	port->bounce = bounce;
	port->bounce_bus = bounce_bus;
	for (unsigned i = 0; i < AHCI_SLOTS; i++)
		port->area->header[i].table = tables_bus + i * sizeof(struct ahci_table);
	return true;
}

static void watch(struct ahci_port *port)
{
	if (port->ticking)
		return;
	port->ticking = true;
	timer_set(&port->timer, clock_ns() + (port->hba->polled ? POLL_NS : TICK_NS));
}

static void fill_fis(struct ahci_table *table, unsigned command, unsigned features, uint64_t lba,
		     unsigned count)
{
	/* Serial ATA 10.5.5: register host to device, bit 15 = a command */
	table->fis[0] = 0x8027u | command << 16 | (features & 0xff) << 24;
	table->fis[1] = (uint32_t)(lba & 0xffffff) | ATA_DEVICE_LBA << 24;
	table->fis[2] = (uint32_t)(lba >> 24 & 0xffffff) | (features >> 8) << 24;
	table->fis[3] = count;
	table->fis[4] = 0;
}

static void fill_prd(struct ahci_prd *prd, uint64_t bus, uint32_t bytes)
{
	prd->bus = bus;
	prd->reserved = 0;
	prd->bytes_less_one = bytes - 1;
}

/* The scatter list of part of a request; returns the number of entries. */
static unsigned fill_prds(struct ahci_table *table, const struct blk_request *request,
			  uint32_t first, uint32_t sectors)
{
	struct blk_place place = first ? blk_place(request, first) : (struct blk_place){0, 0};
	uint32_t left = sectors * BLK_SECTOR;
	unsigned count = 0;

	while (left && count < PRD_ENTRIES) {
		const struct blk_segment *segment = &request->segment[place.segment];
		uint32_t bytes = segment->bytes - place.offset;

		if (bytes > left)
			bytes = left;
		if (bytes > PRD_MAX_BYTES)
			bytes = PRD_MAX_BYTES;
		fill_prd(&table->prd[count++], segment->bus + place.offset, bytes);
		left -= bytes;
		place.offset += bytes;
		if (place.offset == segment->bytes)
			place = (struct blk_place){place.segment + 1, 0};
	}
	return count;
}

/* A command that is not a queued one: only issued when nothing is active. */
static void issue_alone(struct ahci_port *port, unsigned tag, unsigned flags, unsigned prds)
{
	port->area->header[tag].flags = HEADER_FIS_DWORDS | flags | prds << 16;
	port->area->header[tag].transferred = 0;
	port->slot[tag].age = 0;
	port->active = 1u << tag;
	port->alone = true;
	dma_barrier();
	port->regs->ci = 1u << tag;
	watch(port);
}

void ahci_issue_identify(struct ahci_port *port)
{
	struct ahci_table *table = &port->tables[0];

	/* The first slot's record may be that of a suspect command: it stays. */
	port->identifying = true;
	fill_fis(table, ATA_IDENTIFY, 0, 0, 0);
	fill_prd(&table->prd[0], port->area_bus + offsetof(struct ahci_area, identify),
		 sizeof(port->area->identify));
	issue_alone(port, 0, 0, 1);
}

static uint64_t lba_of(const struct ahci_port *port, uint64_t sector)
{
	return sector / (port->disk.logical_block / BLK_SECTOR);
}

/* Reads and writes: fill in everything but how they are queued. */
static unsigned prepare_data(struct ahci_port *port, unsigned tag)
{
	struct ahci_slot *slot = &port->slot[tag];
	struct ahci_table *table = &port->tables[tag];

	if (!slot->bounce)
		return fill_prds(table, slot->request, slot->first, slot->sectors);
	fill_prd(&table->prd[0], port->bounce_bus, slot->sectors * BLK_SECTOR);
	return 1;
}

static void issue_data_alone(struct ahci_port *port, unsigned tag, unsigned prds)
{
	struct ahci_slot *slot = &port->slot[tag];
	bool write = slot->request->op == BLK_WRITE;

	fill_fis(&port->tables[tag], write ? ATA_WRITE_DMA_EXT : ATA_READ_DMA_EXT, 0,
		 lba_of(port, slot->request->disk_sector + slot->first),
		 (unsigned)lba_of(port, slot->sectors));
	issue_alone(port, tag, write ? HEADER_WRITE : 0, prds);
}

static void issue_queued(struct ahci_port *port, unsigned tag, unsigned prds)
{
	struct ahci_slot *slot = &port->slot[tag];
	bool write = slot->request->op == BLK_WRITE;

	fill_fis(&port->tables[tag], write ? ATA_WRITE_FPDMA : ATA_READ_FPDMA,
		 (unsigned)lba_of(port, slot->sectors),
		 lba_of(port, slot->request->disk_sector + slot->first), tag << 3);
	port->area->header[tag].flags = HEADER_FIS_DWORDS | (write ? HEADER_WRITE : 0) | prds << 16;
	port->area->header[tag].transferred = 0;
	port->active |= 1u << tag;
	port->alone = false;
	dma_barrier();
	port->regs->sact = 1u << tag; /* AHCI 5.5.1: before CI */
	port->regs->ci = 1u << tag;
	watch(port);
}

/* Makes a command of the rest of a read or write. false: not now. */
static bool issue_data(struct ahci_port *port, struct blk_request *request)
{
	unsigned tag = (unsigned)__builtin_ctz(port->slots & ~port->active);
	struct ahci_slot *slot = &port->slot[tag];
	unsigned prds;

	slot->request = request;
	slot->first = request->issued;
	slot->sectors = request->sectors - request->issued;
	slot->age = 0;
	slot->bounce = port->bounce && !blk_below(request, 1ull << 32);
	if (slot->sectors > COMMAND_MAX_SECTORS)
		slot->sectors = COMMAND_MAX_SECTORS;
	if (slot->bounce) {
		if (port->bounce_busy)
			return false;
		if (slot->sectors > BOUNCE_SECTORS)
			slot->sectors = BOUNCE_SECTORS;
		if (request->op == BLK_WRITE && !blk_copy(request, slot->first, port->bounce,
							  slot->sectors * BLK_SECTOR, true)) {
			request->result = BLK_IOERR;
			return true;
		}
		port->bounce_busy = true;
	}
	blk_queue_issued(&port->queue, slot->sectors);
	prds = prepare_data(port, tag);
	if (port->ncq)
		issue_queued(port, tag, prds);
	else
		issue_data_alone(port, tag, prds);
	return true;
}

static void issue_trim(struct ahci_port *port, unsigned tag)
{
	struct ahci_slot *slot = &port->slot[tag];

	ata_trim_ranges(port->area->trim, lba_of(port, slot->request->disk_sector + slot->first),
			(uint32_t)lba_of(port, slot->sectors));
	fill_fis(&port->tables[tag], ATA_DATA_SET, ATA_DATA_SET_TRIM, 0, 1);
	fill_prd(&port->tables[tag].prd[0], port->area_bus + offsetof(struct ahci_area, trim),
		 sizeof(port->area->trim));
	issue_alone(port, tag, HEADER_WRITE, 1);
}

static void issue_slot_alone(struct ahci_port *port, unsigned tag)
{
	switch (port->slot[tag].request->op) {
	case BLK_READ:
	case BLK_WRITE:
		issue_data_alone(port, tag, prepare_data(port, tag));
		break;
	case BLK_DISCARD:
		issue_trim(port, tag);
		break;
	case BLK_FLUSH:
		fill_fis(&port->tables[tag], ATA_FLUSH_EXT, 0, 0, 0);
		issue_alone(port, tag, 0, 0);
		break;
	case BLK_WRITE_ZEROES: /* never comes: can_zero is false */
		break;
	}
}

/* A flush or (a part of) a discard. */
static void issue_other(struct ahci_port *port, struct blk_request *request)
{
	struct ahci_slot *slot = &port->slot[0];
	uint32_t most = ATA_TRIM_RANGES * ATA_TRIM_RANGE * (port->disk.logical_block / BLK_SECTOR);

	*slot = (struct ahci_slot){.request = request, .first = request->issued};
	slot->sectors = request->sectors - request->issued;
	if (slot->sectors > most)
		slot->sectors = most;
	blk_queue_issued(&port->queue, slot->sectors);
	issue_slot_alone(port, 0);
}

/* Trying again the commands that were in flight when one of them failed. */
static void retry_suspect(struct ahci_port *port)
{
	unsigned tag;

	if (port->active)
		return;
	tag = (unsigned)__builtin_ctz(port->suspect);
	port->suspect &= ~(1u << tag);
	issue_slot_alone(port, tag);
}

void ahci_kick(struct ahci_port *port)
{
	struct blk_request *request;

	while (port->state == PORT_READY) {
		if (port->suspect) {
			retry_suspect(port);
			return;
		}
		request = blk_queue_head(&port->queue);
		if (!request || (port->active && port->alone))
			return;
		if (request->op == BLK_READ || request->op == BLK_WRITE) {
			if (port->active == port->slots || (port->active && !port->ncq))
				return;
			if (!issue_data(port, request))
				return;
			continue;
		}
		if (port->active)
			return;
		issue_other(port, request);
	}
}

void ahci_submit(struct blkdev *dev, struct blk_request *request)
{
	struct ahci_port *port = dev->driver;

	if (port->state == PORT_EMPTY) {
		request->done(request, BLK_IOERR);
		return;
	}
	blk_queue_add(&port->queue, request);
	ahci_kick(port);
}

static void command_done(struct ahci_port *port, unsigned tag, bool good)
{
	struct ahci_slot *slot = &port->slot[tag];
	struct blk_request *request = slot->request;

	port->active &= ~(1u << tag);
	if (port->identifying) {
		port->identifying = false;
		ahci_identified(port, good);
		return;
	}
	if (slot->bounce) {
		port->bounce_busy = false;
		if (good && request->op == BLK_READ)
			good = blk_copy(request, slot->first, port->bounce,
					slot->sectors * BLK_SECTOR, false);
	}
	blk_command_done(request, good ? BLK_OK : BLK_IOERR);
}

static void log_error(struct ahci_port *port, unsigned tag, const char *what)
{
	const struct ahci_slot *slot = &port->slot[tag];
	static const char *const names[] = {"read", "write", "flush", "discard"};

	/* A disk that fails a lot must not fill the log. */
	port->errors++;
	if (port->errors & (port->errors - 1))
		return;
	driver_log("%s: %s: %s at sector %llu (%u errors so far)\n", port->disk.name, what,
		   names[slot->request->op],
		   (unsigned long long)(slot->request->disk_sector + slot->first), port->errors);
}

/* The one command that was active has failed. */
static void failed_alone(struct ahci_port *port, const char *what, bool hard)
{
	unsigned tag = (unsigned)__builtin_ctz(port->active);

	if (!port->identifying)
		log_error(port, tag, what);
	/* First the port: completing the request may bring new ones. */
	port->active = 0;
	ahci_recover(port, hard);
	command_done(port, tag, false);
}

void ahci_complete(struct ahci_port *port, uint32_t status)
{
	volatile struct ahci_port_regs *regs = port->regs;
	uint32_t done;

	if (!port->active)
		return;
	if (port->alone) {
		bool over = !(port->active & regs->ci);

		dma_barrier();
		/* The task file is that of this command, as it was the only
		 * one. Some controllers keep CI on an error, some do not. */
		if (status & PIS_ERRORS || (over && regs->tfd & (ATA_STATUS_ERR | ATA_STATUS_DF)))
			failed_alone(port, "I/O error", false);
		else if (over)
			command_done(port, (unsigned)__builtin_ctz(port->active), true);
		if (over)
			port->strikes = 0;
		return;
	}
	/* A queued command that failed keeps its bit in SACT (AHCI 5.5.1). */
	done = port->active & ~regs->sact;
	dma_barrier();
	for (; done; done &= done - 1) {
		port->strikes = 0;
		command_done(port, (unsigned)__builtin_ctz(done), true);
	}
	if (status & PIS_ERRORS)
		ahci_recover(port, true);
}

/* Fails all requests in flight or waiting. The state is no longer READY. */
void ahci_fail_all(struct ahci_port *port)
{
	uint32_t lost = port->suspect | (port->identifying ? 0 : port->active);

	port->active = 0;
	port->suspect = 0;
	port->identifying = false;
	for (; lost; lost &= lost - 1)
		command_done(port, (unsigned)__builtin_ctz(lost), false);
	blk_queue_fail(&port->queue);
}

static bool timed_out(struct ahci_port *port)
{
	bool late = false;

	for (uint32_t bits = port->active; bits; bits &= bits - 1) {
		struct ahci_slot *slot = &port->slot[__builtin_ctz(bits)];
		bool data = port->identifying || slot->request->op == BLK_READ ||
			    slot->request->op == BLK_WRITE;

		slot->age++;
		late |= slot->age > (data ? TICKS_DATA : TICKS_FLUSH);
	}
	return late;
}

/* A controller that has left the bus reads as ones, or as zeros: then no bit of the port's
 * registers says that a command is still active, and each would count as done. */
static bool is_there(const struct ahci *hba)
{
	uint32_t ghc = hba->regs->ghc;

	return ghc & GHC_AE && ghc != ~0u;
}

/* The watchdog: runs while commands are active. */
void ahci_tick(struct ahci_port *port)
{
	const unsigned polls = TICK_NS / POLL_NS;

	port->ticking = false;
	if (!is_there(port->hba)) {
		ahci_gone(port, "answers no more: the controller has left the bus");
		return;
	}
	/* An interrupt may have been lost; without any this is the way. */
	ahci_complete(port, 0);
	if (port->state == PORT_READY)
		ahci_kick(port);
	if (!port->active)
		return;
	if ((!port->hba->polled || ++port->polls % polls == 0) && timed_out(port)) {
		port->strikes++;
		if (port->strikes >= MAX_STRIKES && port->state == PORT_READY) {
			port->dying = "does not answer";
			ahci_recover(port, true);
		} else if (port->alone) {
			failed_alone(port, "no answer", true);
		} else {
			log_error(port, (unsigned)__builtin_ctz(port->active), "no answer");
			ahci_recover(port, true);
		}
		return;
	}
	watch(port);
}
