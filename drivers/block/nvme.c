/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe controllers: starting, finding namespaces, and resetting a controller
 * that does not answer (NVMe 1.4, 7.6). Nothing waits: the timer looks again
 * every millisecond until the controller runs.
 */
#include "drivers/block/nvme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS          1000000ull
#define STEP_NS     MS
#define LIMIT_ADMIN (5000 * MS)
#define MAX_STRIKES 3
#define MAX_SECTORS 16384u

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static uint32_t reg_read(const struct nvme *nvme, unsigned offset)
{
	return *(volatile uint32_t *)(nvme->regs + offset);
}

static void reg_write(struct nvme *nvme, unsigned offset, uint32_t value)
{
	dma_barrier();
	*(volatile uint32_t *)(nvme->regs + offset) = value;
}

static void enter(struct nvme *nvme, enum nvme_state state, uint64_t limit)
{
	uint64_t now = clock_ns();

	nvme->state = state;
	nvme->limit = now + limit;
	timer_set(&nvme->timer, now + STEP_NS);
}

/* The controller is given up. Its disks stay on the list and return errors. */
static void give_up(struct nvme *nvme, const char *why)
{
	driver_log("nvme %s: %s, not used\n", nvme->pci->name, why);
	nvme->state = NVME_DEAD;
	for (unsigned i = 0; i < nvme->namespaces; i++) {
		struct nvme_namespace *one = nvme->namespace[i];

		one->disk.lost = true;
	}
	timer_cancel(&nvme->timer);
	nvme_virtual_lost(nvme, "its controller has been given up");
	if (reg_read(nvme, NVME_CSTS) != ~0u)
		reg_write(nvme, NVME_CC, 0);
	nvme_fail_all(nvme);
	if (nvme->searching) {
		nvme->searching = false;
		blk_release();
	}
}

bool nvme_is_there(const struct nvme *nvme)
{
	uint32_t version = reg_read(nvme, NVME_VS);

	return version && version != ~0u;
}

void nvme_reset(struct nvme *nvme, const char *why)
{
	if (++nvme->strikes >= MAX_STRIKES || !nvme_is_there(nvme)) {
		give_up(nvme, why);
		return;
	}
	driver_log("nvme %s: %s, resetting it\n", nvme->pci->name, why);
	nvme_virtual_lost(nvme, NULL);
	nvme->ticking = false;
	reg_write(nvme, NVME_CC, 0);
	enter(nvme, NVME_DISABLE, nvme->patience);
}

void nvme_admin(struct nvme *nvme, unsigned opcode, uint32_t nsid, uint64_t prp1, uint32_t dword10,
		uint32_t dword11, void (*next)(struct nvme *nvme, bool good))
{
	struct nvme_command *command = nvme_next(&nvme->admin);

	memset(command, 0, sizeof(*command));
	command->opcode = opcode;
	command->nsid = nsid;
	command->prp1 = prp1;
	command->dword[0] = dword10;
	command->dword[1] = dword11;
	nvme->admin_next = next;
	nvme_ring(&nvme->admin);
}

static void admin(struct nvme *nvme, unsigned opcode, uint32_t nsid, uint64_t prp1,
		  uint32_t dword10, uint32_t dword11, void (*next)(struct nvme *nvme, bool good))
{
	nvme_admin(nvme, opcode, nsid, prp1, dword10, dword11, next);
	enter(nvme, NVME_SETUP, LIMIT_ADMIN);
}

/* Commands of administration come one at a time. */
void nvme_admin_complete(struct nvme *nvme)
{
	volatile struct nvme_completion *entry = nvme_completed(&nvme->admin);
	void (*next)(struct nvme * nvme, bool good) = nvme->admin_next;
	bool good;

	if (!entry || !next)
		return;
	good = !(entry->status >> 1);
	dma_barrier();
	nvme_consumed(&nvme->admin);
	*nvme->admin.cq_doorbell = nvme->admin.head;
	nvme->admin_next = NULL;
	next(nvme, good);
}

static void ready(struct nvme *nvme)
{
	timer_cancel(&nvme->timer);
	nvme->state = NVME_READY;
	if (!nvme->searching) {
		driver_log("nvme %s: runs again\n", nvme->pci->name);
		nvme_virtual_runs(nvme);
		nvme_io_restart(nvme);
		return;
	}
	nvme->searching = false;
	for (unsigned i = 0; i < nvme->namespaces; i++)
		blk_register(&nvme->namespace[i] -> disk, NULL);
	nvme_virtual_runs(nvme);
	blk_release();
}

static void add_namespace(struct nvme *nvme, uint32_t id)
{
	static unsigned controllers;
	const uint8_t *data = nvme->data;
	unsigned format = (data[26] & 0xf) | (data[26] >> 1 & 0x30); /* FLBAS */
	uint32_t lbaf = get32(data + 128 + 4 * format);
	unsigned shift = lbaf >> 16 & 0xff;
	uint64_t blocks = get64(data);
	struct nvme_namespace *namespace;
	struct blkdev *disk;

	/* Identify Namespace, figure 245: a format without metadata. */
	if (!blocks || blocks >> 51 || shift < 9 || shift > 12 || lbaf & 0xffff || data[29] & 7) {
		driver_log("nvme %s: namespace %u has a format that is not used\n", nvme->pci->name,
			   id);
		return;
	}
	namespace = calloc(1, sizeof(*namespace));
	if (!namespace)
		return;
	if (!nvme->namespaces)
		nvme->number = controllers++;
	namespace->nvme = nvme;
	namespace->id = id;
	namespace->shift = shift - 9;
	disk = &namespace->disk;
	snprintf(disk->name, sizeof(disk->name), "nvme%un%u", nvme->number, id);
	memcpy(disk->serial, nvme->serial, sizeof(disk->serial));
	memcpy(disk->model, nvme->model, sizeof(disk->model));
	disk->sectors = blocks << namespace->shift;
	disk->logical_block = 1u << shift;
	disk->physical_block = 1u << shift;
	disk->read_only = data[99] & 1;
	disk->can_flush = nvme->flush;
	disk->can_discard = nvme->deallocate;
	disk->max_sectors = MAX_SECTORS;
	disk->submit = nvme_submit;
	disk->driver = namespace;
	nvme->namespace[nvme->namespaces++] = namespace;
}

static void next_namespace(struct nvme *nvme);

static void got_namespace(struct nvme *nvme, bool good)
{
	uint32_t id = get32(nvme->data + NVME_PAGE + 4 * nvme->listed);

	if (good)
		add_namespace(nvme, id);
	nvme->listed++;
	next_namespace(nvme);
}

static void next_namespace(struct nvme *nvme)
{
	uint32_t id = get32(nvme->data + NVME_PAGE + 4 * nvme->listed);

	if (!id || nvme->listed >= NVME_NAMESPACES) {
		ready(nvme);
		return;
	}
	admin(nvme, ADMIN_IDENTIFY, id, nvme->data_bus, IDENTIFY_NAMESPACE, 0, got_namespace);
}

static void got_list(struct nvme *nvme, bool good)
{
	nvme->listed = 0;
	/* Controllers of version 1.0 have no list: the first one is tried. */
	if (!good) {
		memset(nvme->data + NVME_PAGE, 0, NVME_PAGE);
		nvme->data[NVME_PAGE] = 1;
	}
	next_namespace(nvme);
}

static void created_sq(struct nvme *nvme, bool good)
{
	if (!good)
		give_up(nvme, "makes no submission queue");
	else if (nvme->searching)
		admin(nvme, ADMIN_IDENTIFY, 0, nvme->data_bus + NVME_PAGE, IDENTIFY_LIST, 0,
		      got_list);
	else
		ready(nvme);
}

static void created_cq(struct nvme *nvme, bool good)
{
	if (!good)
		give_up(nvme, "makes no completion queue");
	else
		admin(nvme, ADMIN_CREATE_SQ, 0, nvme->io.sq_bus, 1 | (nvme->io.entries - 1) << 16,
		      1 | 1 << 16, created_sq);
}

static void got_queues(struct nvme *nvme, bool good)
{
	if (!good)
		give_up(nvme, "gives no queues");
	else
		admin(nvme, ADMIN_CREATE_CQ, 0, nvme->io.cq_bus, 1 | (nvme->io.entries - 1) << 16,
		      nvme->polled ? 1 : 3, created_cq);
}

static void copy_string(char *to, const uint8_t *from, size_t bytes)
{
	while (bytes && from[bytes - 1] == ' ')
		bytes--;
	for (size_t i = 0; i < bytes; i++)
		to[i] = from[i] > 0x20 && from[i] < 0x7f ? (char)from[i] : ' ';
	to[bytes] = 0;
}

static void got_controller(struct nvme *nvme, bool good)
{
	const uint8_t *data = nvme->data;

	if (!good) {
		give_up(nvme, "cannot be identified");
		return;
	}
	copy_string(nvme->serial, data + 4, 20);
	copy_string(nvme->model, data + 24, 40);
	nvme->max_bytes = NVME_LIST_BYTES;
	if (data[77] && NVME_PAGE << (data[77] & 7) < NVME_LIST_BYTES && data[77] < 8)
		nvme->max_bytes = NVME_PAGE << data[77]; /* MDTS */
	nvme->deallocate = data[520] & 4;                /* ONCS */
	nvme->flush = data[525] & 1;                     /* VWC */
	nvme_virtual_identified(nvme);
	admin(nvme, ADMIN_SET_FEATURES, 0, 0, FEATURE_QUEUES, 0, got_queues);
}

static void queue_start(struct nvme_queue *queue)
{
	memset((void *)queue->cq, 0, queue->entries * sizeof(struct nvme_completion));
	queue->tail = 0;
	queue->head = 0;
	queue->phase = 1;
}

static void step_disable(struct nvme *nvme)
{
	queue_start(&nvme->admin);
	queue_start(&nvme->io);
	nvme->admin_next = NULL;
	reg_write(nvme, NVME_AQA, (NVME_ADMIN_ENTRIES - 1) << 16 | (NVME_ADMIN_ENTRIES - 1));
	reg_write(nvme, NVME_ASQ, (uint32_t)nvme->admin.sq_bus);
	reg_write(nvme, NVME_ASQ + 4, (uint32_t)(nvme->admin.sq_bus >> 32));
	reg_write(nvme, NVME_ACQ, (uint32_t)nvme->admin.cq_bus);
	reg_write(nvme, NVME_ACQ + 4, (uint32_t)(nvme->admin.cq_bus >> 32));
	reg_write(nvme, NVME_CC, CC_ENABLE);
	enter(nvme, NVME_ENABLE, nvme->patience);
}

static void nvme_timer(struct timer *timer)
{
	struct nvme *nvme = timer->context;
	uint32_t status = reg_read(nvme, NVME_CSTS);

	if (nvme->state == NVME_READY) {
		nvme_tick(nvme);
		return;
	}
	if (nvme->state == NVME_SETUP)
		nvme_admin_complete(nvme);
	else if (nvme->state == NVME_DISABLE && !(status & CSTS_RDY))
		step_disable(nvme);
	else if (nvme->state == NVME_ENABLE && status != ~0u && status & CSTS_RDY)
		admin(nvme, ADMIN_IDENTIFY, 0, nvme->data_bus, IDENTIFY_CONTROLLER, 0,
		      got_controller);
	if (nvme->state == NVME_READY || nvme->state == NVME_DEAD)
		return;
	if (clock_ns() >= nvme->limit)
		nvme_reset(nvme, "does not start");
	else
		timer_set(timer, clock_ns() + STEP_NS);
}

static void nvme_interrupt(void *context, unsigned vector)
{
	struct nvme *nvme = context;

	(void)vector;
	if (nvme->state == NVME_READY)
		nvme_io_complete(nvme);
	if (nvme->state == NVME_READY || nvme->state == NVME_SETUP)
		nvme_admin_complete(nvme);
}

/* At least a page: queues begin on page boundaries. */
static size_t sq_bytes(uint32_t entries)
{
	size_t bytes = entries * sizeof(struct nvme_command);

	return bytes < NVME_PAGE ? NVME_PAGE : bytes;
}

static bool queue_alloc(struct nvme *nvme, struct nvme_queue *queue, unsigned number,
			uint32_t entries, unsigned stride)
{
	queue->sq = dma_alloc(sq_bytes(entries), &queue->sq_bus);
	queue->cq = dma_alloc(NVME_PAGE, &queue->cq_bus);
	queue->entries = entries;
	queue->sq_doorbell =
		(volatile uint32_t *)(nvme->regs + NVME_DOORBELLS + 2 * number * (4u << stride));
	queue->cq_doorbell = (volatile uint32_t *)(nvme->regs + NVME_DOORBELLS +
						   (2 * number + 1) * (4u << stride));
	return queue->sq && queue->cq;
}

static size_t list_bytes(const struct nvme *nvme)
{
	return nvme->slots * NVME_LIST * sizeof(uint64_t);
}

static bool nvme_alloc(struct nvme *nvme, uint64_t cap)
{
	uint32_t entries =
		CAP_MQES(cap) + 1 < NVME_IO_ENTRIES ? CAP_MQES(cap) + 1 : NVME_IO_ENTRIES;

	nvme->slots = entries - 1;
	for (unsigned i = nvme->slots; i-- > 0;)
		nvme->free[nvme->free_count++] = (uint8_t)i;
	nvme->data = dma_alloc(2 * NVME_PAGE, &nvme->data_bus);
	nvme->list = dma_alloc(list_bytes(nvme), &nvme->list_bus);
	nvme->bounce = dma_alloc(NVME_BOUNCE, &nvme->bounce_bus);
	return queue_alloc(nvme, &nvme->admin, 0, NVME_ADMIN_ENTRIES, CAP_DSTRD(cap)) &&
	       queue_alloc(nvme, &nvme->io, 1, entries, CAP_DSTRD(cap)) && nvme->data &&
	       nvme->list && nvme->bounce;
}

static void nvme_free(struct nvme *nvme)
{
	dma_free(nvme->data, 2 * NVME_PAGE);
	dma_free(nvme->list, list_bytes(nvme));
	dma_free(nvme->bounce, NVME_BOUNCE);
	dma_free(nvme->admin.sq, sq_bytes(nvme->admin.entries));
	dma_free((void *)nvme->admin.cq, NVME_PAGE);
	dma_free(nvme->io.sq, sq_bytes(nvme->io.entries));
	dma_free((void *)nvme->io.cq, NVME_PAGE);
	free(nvme);
}

static const char *nvme_check(struct nvme *nvme, uint64_t cap)
{
	if (cap == ~0ull)
		return "does not answer";
	if (!CAP_CSS_NVM(cap) || CAP_MPSMIN(cap) || !CAP_MQES(cap))
		return "has no NVM command set or no pages of 4 KiB";
	if (NVME_DOORBELLS + 4 * (4ull << CAP_DSTRD(cap)) > nvme->pci->bar[0].size)
		return "has its doorbells outside its registers";
	if (!nvme_alloc(nvme, cap))
		return "gets no memory";
	return NULL;
}

static bool nvme_probe(struct pci_device *pci)
{
	struct nvme *nvme;
	const char *why;
	uint64_t cap;

	if (pci->class_code != 0x010802)
		return false;
	nvme = calloc(1, sizeof(*nvme));
	if (!nvme)
		return false;
	nvme->pci = pci;
	pci_enable(pci, "nvme");
	if (pci->bar[0].size >= NVME_DOORBELLS + 16)
		nvme->regs = pci_map(pci, 0);
	if (!nvme->regs) {
		driver_log("nvme %s: no registers\n", pci->name);
		free(nvme);
		return false;
	}
	cap = reg_read(nvme, NVME_CAP) | (uint64_t)reg_read(nvme, NVME_CAP + 4) << 32;
	reg_write(nvme, NVME_CC, 0);
	why = nvme_check(nvme, cap);
	if (why) {
		driver_log("nvme %s: the controller %s, not used\n", pci->name, why);
		nvme_free(nvme);
		return true;
	}
	nvme->patience = (CAP_TO(cap) + 2) * 500 * MS;
	nvme->searching = true;
	blk_hold();
	timer_init(&nvme->timer, nvme_timer, nvme);
	pci->driver_data = nvme;
	pci->virtual_ops = &nvme_virtual_ops;
	nvme->polled = !pci_irq_setup(pci, 1, nvme_interrupt, nvme);
	enter(nvme, NVME_DISABLE, nvme->patience);
	return true;
}

const struct pci_driver nvme_driver = {"nvme", nvme_probe};
