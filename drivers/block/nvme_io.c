/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of an NVMe controller. Memory is described by PRPs (NVMe 4.3):
 * every piece but the first begins on a page and every piece but the last
 * ends on one. Where a scatter list does not fit that, a request is made of
 * several commands; where the pieces would be tiny, the data goes through a
 * buffer.
 */
#include <string.h>

#include "drivers/block/nvme.h"

#define TICK_NS        (1000ull * 1000 * 1000)
#define POLL_NS        (1000ull * 1000)
#define TICKS_PATIENCE 20
#define MAX_TRIES      3

struct nvme_command *nvme_next(struct nvme_queue *queue)
{
	struct nvme_command *command = &queue->sq[queue->tail];

	if (++queue->tail == queue->entries)
		queue->tail = 0;
	return command;
}

void nvme_ring(struct nvme_queue *queue)
{
	dma_barrier();
	*queue->sq_doorbell = queue->tail;
}

volatile struct nvme_completion *nvme_completed(struct nvme_queue *queue)
{
	volatile struct nvme_completion *entry = &queue->cq[queue->head];

	return (entry->status & 1) == queue->phase ? entry : NULL;
}

void nvme_consumed(struct nvme_queue *queue)
{
	if (++queue->head < queue->entries)
		return;
	queue->head = 0;
	queue->phase ^= 1;
}

static void watch(struct nvme *nvme)
{
	if (nvme->ticking)
		return;
	nvme->ticking = true;
	timer_set(&nvme->timer, clock_ns() + (nvme->polled ? POLL_NS : TICK_NS));
}

/* Returns the second PRP of a command, with the list filled in. */
static uint64_t second_prp(const struct nvme *nvme, unsigned tag, uint32_t pages)
{
	if (pages <= 1)
		return 0;
	if (pages == 2)
		return nvme->list[tag * NVME_LIST];
	return nvme->list_bus + tag * NVME_LIST * sizeof(uint64_t);
}

/*
 * Describes at most `most` bytes of the slot's request, from its first sector
 * on; returns how many the rules allow, in whole logical blocks.
 */
static uint32_t fill_prps(struct nvme *nvme, unsigned tag, uint32_t most, uint64_t prp[2])
{
	const struct nvme_slot *slot = &nvme->slot[tag];
	const struct blk_request *request = slot->request;
	struct blk_place place =
		slot->first ? blk_place(request, slot->first) : (struct blk_place){0, 0};
	uint64_t *list = nvme->list + tag * NVME_LIST;
	uint32_t lead = (uint32_t)(request->segment[place.segment].bus + place.offset) % NVME_PAGE;
	uint32_t done = 0, pages = 0;

	while (done < most && place.segment < request->segments) {
		const struct blk_segment *segment = &request->segment[place.segment];
		uint64_t bus = segment->bus + place.offset, end = segment->bus + segment->bytes;

		if (done && bus % NVME_PAGE)
			break;
		while (bus < end && done < most && pages <= NVME_LIST) {
			uint64_t next = (bus | (NVME_PAGE - 1)) + 1;

			if (next > end)
				next = end;
			if (pages)
				list[pages - 1] = bus;
			else
				prp[0] = bus;
			pages++;
			done += (uint32_t)(next - bus);
			bus = next;
		}
		if (bus < end || bus % NVME_PAGE)
			break;
		place = (struct blk_place){place.segment + 1, 0};
	}
	if (done > most)
		done = most;
	done &= ~((BLK_SECTOR << slot->namespace->shift) - 1);
	prp[1] = second_prp(nvme, tag, (lead + done + NVME_PAGE - 1) / NVME_PAGE);
	return done;
}

static void fill_bounce(struct nvme *nvme, unsigned tag, uint32_t bytes, uint64_t prp[2])
{
	uint32_t pages = (bytes + NVME_PAGE - 1) / NVME_PAGE;

	prp[0] = nvme->bounce_bus;
	for (uint32_t i = 1; i < pages; i++)
		nvme->list[tag * NVME_LIST + i - 1] = nvme->bounce_bus + i * NVME_PAGE;
	prp[1] = second_prp(nvme, tag, pages);
}

static void push(struct nvme *nvme, unsigned tag, unsigned opcode, const uint64_t prp[2],
		 uint64_t dwords10_11, uint32_t dword12)
{
	struct nvme_command *command = nvme_next(&nvme->io);

	command->opcode = opcode | tag << 16;
	command->nsid = nvme->slot[tag].namespace->id;
	command->reserved = 0;
	command->metadata = 0;
	command->prp1 = prp[0];
	command->prp2 = prp[1];
	command->dword[0] = (uint32_t)dwords10_11;
	command->dword[1] = (uint32_t)(dwords10_11 >> 32);
	command->dword[2] = dword12;
	command->dword[3] = 0;
	command->dword[4] = 0;
	command->dword[5] = 0;
	nvme->slot[tag].age = 0;
	nvme_ring(&nvme->io);
	watch(nvme);
}

static void push_data(struct nvme *nvme, unsigned tag, const uint64_t prp[2])
{
	const struct nvme_slot *slot = &nvme->slot[tag];
	unsigned shift = slot->namespace->shift;

	push(nvme, tag, slot->request->op == BLK_WRITE ? IO_WRITE : IO_READ, prp,
	     (slot->request->disk_sector + slot->first) >> shift, (slot->sectors >> shift) - 1);
}

/* Flush or deallocate; the latter has one range (NVMe 6.7). */
static void push_other(struct nvme *nvme, unsigned tag)
{
	const struct nvme_slot *slot = &nvme->slot[tag];
	unsigned shift = slot->namespace->shift;
	uint64_t *range = nvme->list + tag * NVME_LIST;
	uint64_t prp[2] = {0, 0};

	if (slot->request->op == BLK_FLUSH) {
		push(nvme, tag, IO_FLUSH, prp, 0, 0);
		return;
	}
	range[0] = (uint64_t)(slot->sectors >> shift) << 32;
	range[1] = (slot->request->disk_sector + slot->first) >> shift;
	prp[0] = nvme->list_bus + tag * NVME_LIST * sizeof(uint64_t);
	push(nvme, tag, IO_DATA_SET, prp, (uint64_t)DATA_SET_DEALLOCATE << 32, 0);
}

/* Gives a command that is described by its slot to the controller again. */
static void push_again(struct nvme *nvme, unsigned tag)
{
	struct nvme_slot *slot = &nvme->slot[tag];
	uint64_t prp[2];

	if (slot->request->op != BLK_READ && slot->request->op != BLK_WRITE) {
		push_other(nvme, tag);
		return;
	}
	if (slot->bounce)
		fill_bounce(nvme, tag, slot->sectors * BLK_SECTOR, prp);
	else
		fill_prps(nvme, tag, slot->sectors * BLK_SECTOR, prp);
	push_data(nvme, tag, prp);
}

static bool cpu_reaches(const struct blk_request *request)
{
	for (uint32_t i = 0; i < request->segments; i++)
		if (!request->segment[i].data)
			return false;
	return true;
}

/* Data through the buffer, as much as fits. Returns the bytes, 0: not now. */
static uint32_t bounce_begin(struct nvme *nvme, unsigned tag, uint32_t most, uint64_t prp[2])
{
	struct nvme_slot *slot = &nvme->slot[tag];

	if (nvme->bounce_busy)
		return 0;
	if (most > NVME_BOUNCE)
		most = NVME_BOUNCE;
	if (slot->request->op == BLK_WRITE)
		blk_copy(slot->request, slot->first, nvme->bounce, most, true);
	nvme->bounce_busy = true;
	slot->bounce = true;
	fill_bounce(nvme, tag, most, prp);
	return most;
}

/* Makes a command of the rest of a read or write. false: not now. */
static bool issue_data(struct nvme *nvme, unsigned tag)
{
	struct nvme_slot *slot = &nvme->slot[tag];
	struct blk_request *request = slot->request;
	uint64_t left = (uint64_t)slot->sectors * BLK_SECTOR;
	uint32_t most = left < nvme->max_bytes ? (uint32_t)left : nvme->max_bytes;
	uint64_t prp[2];
	uint32_t bytes = fill_prps(nvme, tag, most, prp);

	if (bytes < most && bytes < NVME_PAGE && cpu_reaches(request)) {
		bytes = bounce_begin(nvme, tag, most, prp);
		if (!bytes)
			return false;
	}
	if (!bytes) {
		request->result = BLK_IOERR;
		return false;
	}
	slot->sectors = bytes / BLK_SECTOR;
	blk_queue_issued(&nvme->queue, slot->sectors);
	push_data(nvme, tag, prp);
	return true;
}

static void slot_free(struct nvme *nvme, unsigned tag)
{
	nvme->slot[tag].request = NULL;
	nvme->free[nvme->free_count++] = (uint8_t)tag;
}

void nvme_kick(struct nvme *nvme)
{
	while (nvme->state == NVME_READY) {
		struct blk_request *request = blk_queue_head(&nvme->queue);
		unsigned tag;
		struct nvme_slot *slot;

		if (!request || !nvme->free_count)
			return;
		tag = nvme->free[--nvme->free_count];
		slot = &nvme->slot[tag];
		*slot = (struct nvme_slot){
			.request = request,
			.namespace = request->driver,
			.first = request->issued,
			.sectors = request->sectors - request->issued,
		};
		if (request->op != BLK_READ && request->op != BLK_WRITE) {
			blk_queue_issued(&nvme->queue, slot->sectors);
			push_other(nvme, tag);
			continue;
		}
		if (issue_data(nvme, tag))
			continue;
		slot_free(nvme, tag);
		if (request->result == BLK_OK)
			return;
	}
}

void nvme_submit(struct blkdev *dev, struct blk_request *request)
{
	struct nvme_namespace *namespace = dev->driver;

	if (namespace->nvme->state == NVME_DEAD) {
		request->done(request, BLK_IOERR);
		return;
	}
	request->driver = namespace;
	blk_queue_add(&namespace->nvme->queue, request);
	nvme_kick(namespace->nvme);
}

static void log_error(struct nvme *nvme, const struct nvme_slot *slot, unsigned status)
{
	static const char *const names[] = {"read", "write", "flush", "discard"};

	/* A disk that fails a lot must not fill the log. */
	nvme->errors++;
	if (nvme->errors & (nvme->errors - 1))
		return;
	driver_log("%s: status %x: %s at sector %llu (%u errors so far)\n",
		   slot->namespace->disk.name, status, names[slot->request->op],
		   (unsigned long long)(slot->request->disk_sector + slot->first), nvme->errors);
}

static void command_done(struct nvme *nvme, unsigned tag, bool good)
{
	struct nvme_slot *slot = &nvme->slot[tag];
	struct blk_request *request = slot->request;

	if (slot->bounce) {
		nvme->bounce_busy = false;
		if (good && request->op == BLK_READ)
			blk_copy(request, slot->first, nvme->bounce, slot->sectors * BLK_SECTOR,
				 false);
	}
	slot_free(nvme, tag);
	blk_command_done(request, good ? BLK_OK : BLK_IOERR);
}

static void completed(struct nvme *nvme, unsigned tag, unsigned status)
{
	struct nvme_slot *slot = &nvme->slot[tag];

	if (tag >= nvme->slots || !slot->request) {
		driver_log("nvme %s: completion of a command that is not there\n", nvme->pci->name);
		return;
	}
	nvme->strikes = 0;
	if (!status) {
		command_done(nvme, tag, true);
		return;
	}
	if (!(status & STATUS_DNR) && STATUS_TYPE(status) != STATUS_TYPE_MEDIA &&
	    ++slot->tries < MAX_TRIES) {
		push_again(nvme, tag);
		return;
	}
	log_error(nvme, slot, status);
	command_done(nvme, tag, false);
}

void nvme_io_complete(struct nvme *nvme)
{
	volatile struct nvme_completion *entry = nvme_completed(&nvme->io);

	if (!entry)
		return;
	for (; entry; entry = nvme_completed(&nvme->io)) {
		unsigned tag = entry->id, status = entry->status >> 1;

		dma_barrier();
		nvme_consumed(&nvme->io);
		completed(nvme, tag, status);
	}
	*nvme->io.cq_doorbell = nvme->io.head;
	nvme_kick(nvme);
}

/* After a reset: commands that were in flight are tried again, but one without an answer for the
 * second time fails. */
void nvme_io_restart(struct nvme *nvme)
{
	for (unsigned tag = 0; tag < nvme->slots; tag++) {
		struct nvme_slot *slot = &nvme->slot[tag];

		if (!slot->request)
			continue;
		if (slot->late && ++slot->tries >= 2) {
			log_error(nvme, slot, 0);
			command_done(nvme, tag, false);
			continue;
		}
		slot->late = false;
		push_again(nvme, tag);
	}
	nvme_kick(nvme);
}

void nvme_fail_all(struct nvme *nvme)
{
	for (unsigned tag = 0; tag < nvme->slots; tag++)
		if (nvme->slot[tag].request)
			command_done(nvme, tag, false);
	blk_queue_fail(&nvme->queue);
}

static bool timed_out(struct nvme *nvme)
{
	bool late = false;

	for (unsigned tag = 0; tag < nvme->slots; tag++) {
		struct nvme_slot *slot = &nvme->slot[tag];

		if (!slot->request || ++slot->age <= TICKS_PATIENCE)
			continue;
		slot->late = true;
		late = true;
	}
	return late;
}

/* The watchdog: runs while commands are in flight. */
void nvme_tick(struct nvme *nvme)
{
	const unsigned polls = TICK_NS / POLL_NS;

	nvme->ticking = false;
	/* An interrupt may have been lost; without any this is the way. */
	nvme_io_complete(nvme);
	if (nvme->state != NVME_READY || nvme->free_count == nvme->slots)
		return;
	if (!nvme_is_there(nvme))
		nvme_reset(nvme, "has left the bus");
	else if ((!nvme->polled || ++nvme->polls % polls == 0) && timed_out(nvme))
		nvme_reset(nvme, "does not answer");
	else
		watch(nvme);
}
