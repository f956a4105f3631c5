/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of virtio but the PCI transport, for tests: a guest, its configuration,
 * a disk whose commands end when the test says so, and a driver in place.
 */
#pragma once

#include "drivers/block.h"
#include "drivers/env.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/storage/image.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/transient.h"
#include "guests/dom0/virtio/device.h"
#include "guests/dom0/virtio/life.h"
#include "guests/dom0/virtio/pci.h"
#include "guests/dom0/vm/console.h"
#include "tests/unit/guest_mock.h"

#ifndef VIRTIO_MOCK_PCI /* whoever defines it links the real one */
/* --- the transport -------------------------------------------------------- */

static unsigned mock_interrupts[MACHINE_VIRTIO_DEVICES][VIRTIO_QUEUES];
static unsigned mock_config_interrupts;
static bool mock_no_room;

static bool mock_transport_attach(struct virtio_device *dev, bool fresh)
{
	(void)dev;
	(void)fresh;
	return !mock_no_room;
}

static void mock_transport_nothing(struct virtio_device *dev)
{
	(void)dev;
}

/* Places on the bus, one for each index; what the guest was told of them. */
static unsigned mock_added, mock_removed, mock_asked;

static void mock_transport_remove(struct virtio_device *dev)
{
	mock_asked &= ~(1u << dev->state->slot);
	mock_removed++;
}

static void mock_transport_added(struct virtio_device *dev)
{
	(void)dev;
	mock_added++;
}

static void mock_transport_ask(struct virtio_device *dev)
{
	mock_asked |= 1u << dev->state->slot;
}

static bool mock_transport_is_asked(const struct virtio_device *dev)
{
	return mock_asked >> dev->state->slot & 1;
}

static unsigned mock_free_slot(struct vm *vm)
{
	unsigned slot = 1;

	for (unsigned i = 0; i < MACHINE_VIRTIO_DEVICES; i++)
		if (vm->state->virtio[i].type && vm->state->virtio[i].slot == slot) {
			slot++;
			i = ~0u;
		}
	return slot < 32 ? slot : 0;
}

static void mock_config_interrupt(struct virtio_device *dev)
{
	(void)dev;
	mock_config_interrupts++;
}

static void mock_interrupt(struct virtio_device *dev, uint16_t msix)
{
	if (msix < VIRTIO_QUEUES)
		mock_interrupts[dev->instance][msix]++;
}

static const struct virtio_transport mock_transport = {
	.attach = mock_transport_attach,
	.detach = mock_transport_nothing,
	.remove = mock_transport_remove,
	.added = mock_transport_added,
	.ask = mock_transport_ask,
	.is_asked = mock_transport_is_asked,
	.free_slot = mock_free_slot,
	.quiet = mock_transport_nothing,
	.interrupt = mock_interrupt,
	.config_interrupt = mock_config_interrupt,
};

static const char *mock_attach_all(struct vm *vm)
{
	return virtio_attach_all(vm, &mock_transport);
}

const char *virtio_resume(struct vm *vm)
{
	return virtio_resume_all(vm, &mock_transport);
}

const struct vm_part virtio_part = {
	.attach = mock_attach_all,
	.reset = virtio_reset_all,
	.resume = virtio_go_on_all,
	.detach = virtio_detach_all,
	.quiet = virtio_quiet,
};

#endif

/* --- the console ---------------------------------------------------------- */

static char mock_console[65536];
static size_t mock_console_bytes;

void vm_console_output(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n)
{
	(void)vm;
	(void)device;
	for (size_t i = 0; i < n && mock_console_bytes < sizeof(mock_console); i++)
		mock_console[mock_console_bytes++] = (char)bytes[i];
}

/* --- the disk ------------------------------------------------------------- */

#define MOCK_SECTORS 65536u
static uint8_t *mock_media;
static struct blk_request *mock_queue, **mock_queue_end = &mock_queue;
static unsigned mock_submitted;
static enum blk_status mock_disk_status;
static uint8_t *mock_dma;
#define MOCK_DMA_BUS 0x7000000ull
#define MOCK_DMA_MAX 65536u
static bool mock_no_dma;
static bool mock_at_once; /* commands end within blk_submit */
static void (*mock_executed)(void);

static inline void mock_execute(struct blk_request *request);

static struct blkdev mock_disk = {
	.name = "sda1",
	.sectors = MOCK_SECTORS,
	.logical_block = 512,
	.physical_block = 4096,
	.can_flush = true,
	.can_discard = true,
	.max_sectors = 1024,
};
static struct blkdev *mock_disks = &mock_disk;

void *dma_alloc(size_t bytes, uint64_t *bus)
{
	if (mock_no_dma || mock_dma || bytes > MOCK_DMA_MAX)
		return NULL;
	mock_dma = calloc(1, bytes);
	*bus = MOCK_DMA_BUS;
	return mock_dma;
}

void dma_free(void *memory, size_t bytes)
{
	(void)bytes;
	if (memory != mock_dma)
		abort();
	free(mock_dma);
	mock_dma = NULL;
}

/* An image that becomes open when the test says so; test_image has real ones. */
static struct image mock_image;
static bool mock_images;

const char *image_format_disagrees(const struct blkdev *dev, const char *format)
{
	(void)dev;
	(void)format;
	return NULL;
}

const char *image_is_base(const struct blkdev *dev)
{
	(void)dev;
	return NULL;
}

struct image *image_open(struct blkdev *below, const char *user, bool writable,
			 void (*opened)(struct image *image), void *context, const char **wrong)
{
	(void)user;
	*wrong = mock_images ? NULL : "no images";
	if (*wrong)
		return NULL;
	mock_image = (struct image){.below = below,
				    .opened = opened,
				    .context = context,
				    .writable = writable,
				    .users = 1};
	return &mock_image;
}

void image_close(struct image *image, void (*closed)(void *context), void *context)
{
	image->opened = NULL;
	image->closed = closed;
	image->context = context;
	image->users = 0;
}

/* The image is open, or has failed; the image has written out what it had. */
__attribute__((unused)) static void mock_image_opened(const char *why)
{
	mock_image.state = why ? IMAGE_FAILED : IMAGE_OPEN;
	mock_image.dev = why ? NULL : mock_image.below;
	snprintf(mock_image.why, sizeof(mock_image.why), "%s", why ? why : "");
	mock_image.opened(&mock_image);
}

__attribute__((unused)) static void mock_image_closed(void)
{
	if (mock_image.users)
		abort();
	if (mock_image.closed)
		mock_image.closed(mock_image.context);
}

/* The volume of a transient disk, which is there when the test says so. */
static struct transient_order mock_transient;
static unsigned mock_transients; /* that have not ended */

struct transient *transient_make(const struct transient_order *order, const char **wrong)
{
	*wrong = NULL;
	mock_transient = *order;
	mock_transient.user = NULL;
	mock_transients++;
	return (struct transient *)&mock_transient;
}

void transient_end(struct transient *transient)
{
	if (transient != (struct transient *)&mock_transient || !mock_transients)
		abort();
	mock_transients--;
}

void qcow2_retry(struct qcow2 *image)
{
	(void)image;
}

void qcow2_give_up(struct qcow2 *image)
{
	(void)image;
}

void vm_became_ready(struct vm *vm)
{
	(void)vm;
}

struct blkdev *blk_first(void)
{
	return mock_disks;
}

struct blkdev *blk_find(const char *path)
{
	for (struct blkdev *dev = mock_disks; dev; dev = dev->next)
		if (!strcmp(dev->name, path))
			return dev;
	return NULL;
}

const char *path_source(const char *source, bool file, struct blkdev **dev)
{
	static char text[64];

	(void)file;
	*dev = blk_find(source);
	snprintf(text, sizeof(text), "there is no %.32s", source);
	return *dev ? NULL : text;
}

/* What drivers/block.h demands of a request is checked here. */
void blk_submit(struct blkdev *dev, struct blk_request *request)
{
	uint64_t bytes = 0;

	if (request->op == BLK_READ || request->op == BLK_WRITE) {
		if (!request->segments || request->segments > BLK_MAX_SEGMENTS ||
		    request->sectors > dev->max_sectors)
			abort();
		for (unsigned i = 0; i < request->segments; i++) {
			if (!request->segment[i].bytes ||
			    (request->segment[i].bytes | request->segment[i].bus) % 4)
				abort();
			bytes += request->segment[i].bytes;
		}
		if (bytes != (uint64_t)request->sectors * BLK_SECTOR)
			abort();
	}
	if (request->op != BLK_FLUSH && (!request->sectors || request->sectors > dev->sectors ||
					 request->sector > dev->sectors - request->sectors))
		abort();
	mock_submitted++;
	if (mock_at_once) {
		mock_execute(request);
		return;
	}
	request->next = NULL;
	*mock_queue_end = request;
	mock_queue_end = &request->next;
}

static inline uint8_t *mock_dma_memory(uint64_t bus, uint32_t bytes)
{
	if (mock_dma && bus >= MOCK_DMA_BUS && bus + bytes <= MOCK_DMA_BUS + MOCK_DMA_MAX)
		return mock_dma + (bus - MOCK_DMA_BUS);
	return mock_by_bus(bus, bytes);
}

static inline void mock_execute(struct blk_request *request)
{
	uint8_t *at = mock_media + request->sector * BLK_SECTOR;

	if (mock_executed)
		mock_executed();
	if (mock_disk_status == BLK_OK && request->op == BLK_DISCARD)
		memset(at, 0, (size_t)request->sectors * BLK_SECTOR);
	for (unsigned i = 0; mock_disk_status == BLK_OK && i < request->segments; i++) {
		uint32_t bytes = request->segment[i].bytes;
		uint8_t *memory = mock_dma_memory(request->segment[i].bus, bytes);

		if (!memory || memory != request->segment[i].data)
			abort();
		if (request->op == BLK_READ)
			memcpy(memory, at, bytes);
		else
			memcpy(at, memory, bytes);
		at += bytes;
	}
	request->done(request, mock_disk_status);
}

/* The disk does its oldest command. false: it has none. */
static inline bool mock_disk_step(void)
{
	struct blk_request *request = mock_queue;

	if (!request)
		return false;
	mock_queue = request->next;
	if (!mock_queue)
		mock_queue_end = &mock_queue;
	mock_execute(request);
	return true;
}

/* Until nothing is to do. */
static inline void mock_settle(void)
{
	while (mock_disk_step() || mock_run_work())
		;
}

/* --- the guest's driver --------------------------------------------------- */

static struct vm_config mock_config;
static unsigned mock_quiets;

void vm_became_quiet(struct vm *vm)
{
	(void)vm;
	mock_quiets++;
}

static unsigned mock_stops;

void vm_stop(struct vm *vm, const char *why)
{
	(void)vm;
	(void)why;
	mock_stops++;
}

static bool mock_no_config; /* there is no memory for one */

struct vm_config *vm_live_config(struct vm *vm)
{
	(void)vm;
	return mock_no_config ? NULL : &mock_config;
}

const struct vm *vm_find_mac(const uint8_t mac[6], const struct vm *except)
{
	for (uint32_t i = 0; except != &mock_vm && i < mock_config.nics; i++)
		if (!memcmp(mock_config.nic[i].mac, mac, 6))
			return &mock_vm;
	return NULL;
}

static inline struct virtio_device *mock_device(unsigned index)
{
	return virtio_by_instance(&mock_vm, index);
}

static inline bool mock_attach(void)
{
	if (!mock_media)
		mock_media = malloc(MOCK_SECTORS * BLK_SECTOR);
	mock_disk_status = BLK_OK;
	mock_submitted = 0;
	mock_console_bytes = 0;
#ifndef VIRTIO_MOCK_PCI
	memset(mock_interrupts, 0, sizeof(mock_interrupts));
	mock_config_interrupts = 0;
#endif
	mock_vm.config = &mock_config;
	mock_quiets = 0;
	return !virtio_part.attach(&mock_vm);
}

/* What a driver writes to the registers to have a queue, and to go. */
static inline void mock_queue_up(struct virtio_device *dev, unsigned index, struct driver_queue *q,
				 uint64_t gpa, uint16_t size)
{
	struct virtqueue_state *state = &dev->state->queue[index];

	driver_init(q, gpa, size);
	state->desc = q->desc_gpa;
	state->avail = q->avail_gpa;
	state->used = q->used_gpa;
	state->size = size;
	state->msix = (uint16_t)index;
	state->enabled = 1;
	if (queue_start(&dev->queue[index], dev->state->negotiated))
		abort();
}

static inline void mock_driver_ok(struct virtio_device *dev)
{
	dev->state->status =
		VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK;
	virtio_device_start(dev);
}

/* dom0 ends here and starts anew: of its memory nothing is left, of the guest
 * and its state all. (The old one's memory is freed by the caller's help.) */
static inline bool mock_restart(void)
{
	return !virtio_resume(&mock_vm);
}
