/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/virtio_net.h"

#include <string.h>

#include "guests/lib/pci.h"

#define VENDOR 0x1af4u
#define DEVICE 0x1041u /* 0x1040 + network */
#define NO_VECTOR 0xffffu

/* virtio 1.2, 4.1.4: capabilities */
#define CAP_COMMON 1u
#define CAP_NOTIFY 2u
#define CAP_DEVICE 4u
#define CAP_TYPE 3u
#define CAP_BAR 4u
#define CAP_OFFSET 8u
#define CAP_MULTIPLIER 16u

/* 4.1.4.3: common configuration */
#define COMMON_FEATURE_SELECT 0x00u
#define COMMON_FEATURE 0x04u
#define COMMON_DRIVER_SELECT 0x08u
#define COMMON_DRIVER 0x0cu
#define COMMON_CONFIG_VECTOR 0x10u
#define COMMON_STATUS 0x14u
#define COMMON_QUEUE 0x16u
#define COMMON_QUEUE_SIZE 0x18u
#define COMMON_QUEUE_VECTOR 0x1au
#define COMMON_QUEUE_ENABLE 0x1cu
#define COMMON_QUEUE_NOTIFY 0x1eu
#define COMMON_QUEUE_DESC 0x20u
#define COMMON_QUEUE_AVAIL 0x28u
#define COMMON_QUEUE_USED 0x30u

/* 2.1: device status */
#define ACKNOWLEDGE 1u
#define DRIVER 2u
#define DRIVER_OK 4u
#define FEATURES_OK 8u

#define FEATURE_MAC (1u << 5)
#define FEATURE_STATUS (1u << 16)
#define FEATURE_VERSION_1 (1u << 0) /* bit 32 */
#define DEVICE_STATUS 6u
#define STATUS_LINK_UP 1u

#define DESC_WRITE 2u
#define AVAIL_NO_INTERRUPT 1u
#define QUEUE 64u
#define HEADER 12u /* struct virtio_net_hdr, 5.1.6 */
#define BUFFER 2048u

enum { RECEIVE, SEND, QUEUES };

/* 2.7: split virtqueues */
struct descriptor {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags, next;
};
struct used_element {
	uint32_t id, bytes;
};
struct queue {
	struct descriptor desc[QUEUE];
	struct {
		uint16_t flags, index, ring[QUEUE], event;
	} avail;
	struct {
		_Alignas(4) uint16_t flags;
		uint16_t index;
		struct used_element ring[QUEUE];
		uint16_t event;
	} used;
	_Alignas(16) uint8_t buffer[QUEUE][BUFFER];
	uint16_t size, seen;
	struct pci_window notify;
};

static _Alignas(4096) struct queue queue[QUEUES];
static struct pci_window common, device;
static uint16_t current; /* the buffer of virtio_net_receive */
static bool has_status;

static void barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static unsigned find_capability(unsigned slot, unsigned type,
				struct pci_window *window)
{
	unsigned cap = 0;

	while ((cap = pci_capability(slot, PCI_CAP_VENDOR, cap))) {
		uint32_t offset;
		unsigned bar;

		if (pci_config_read(slot, cap + CAP_TYPE, 1) != type)
			continue;
		bar = pci_config_read(slot, cap + CAP_BAR, 1);
		offset = pci_config_read(slot, cap + CAP_OFFSET, 4);
		if (pci_window(slot, bar, offset, window))
			return cap;
	}
	return 0;
}

static void set_status(uint32_t bits)
{
	window_write(&common, COMMON_STATUS, 1,
		     window_read(&common, COMMON_STATUS, 1) | bits);
}

static bool negotiate(void)
{
	uint32_t offered;

	window_write(&common, COMMON_STATUS, 1, 0);
	while (window_read(&common, COMMON_STATUS, 1))
		;
	set_status(ACKNOWLEDGE);
	set_status(DRIVER);
	window_write(&common, COMMON_FEATURE_SELECT, 4, 0);
	offered = window_read(&common, COMMON_FEATURE, 4);
	has_status = offered & FEATURE_STATUS;
	window_write(&common, COMMON_DRIVER_SELECT, 4, 0);
	window_write(&common, COMMON_DRIVER, 4,
		     offered & (FEATURE_MAC | FEATURE_STATUS));
	window_write(&common, COMMON_DRIVER_SELECT, 4, 1);
	window_write(&common, COMMON_DRIVER, 4, FEATURE_VERSION_1);
	set_status(FEATURES_OK);
	return window_read(&common, COMMON_STATUS, 1) & FEATURES_OK;
}

static void write_address(unsigned offset, const volatile void *address)
{
	uint64_t value = (uint64_t)(uintptr_t)address;

	window_write(&common, offset, 4, (uint32_t)value);
	window_write(&common, offset + 4, 4, (uint32_t)(value >> 32));
}

static bool start_queue(unsigned slot, unsigned index, uint32_t vector)
{
	struct queue *q = &queue[index];
	struct pci_window notify;
	uint32_t multiplier, at;
	unsigned cap;

	window_write(&common, COMMON_QUEUE, 2, index);
	q->size = (uint16_t)window_read(&common, COMMON_QUEUE_SIZE, 2);
	if (!q->size)
		return false;
	if (q->size > QUEUE)
		q->size = QUEUE;
	window_write(&common, COMMON_QUEUE_SIZE, 2, q->size);
	window_write(&common, COMMON_QUEUE_VECTOR, 2, vector);
	write_address(COMMON_QUEUE_DESC, q->desc);
	write_address(COMMON_QUEUE_AVAIL, &q->avail);
	write_address(COMMON_QUEUE_USED, &q->used);
	at = window_read(&common, COMMON_QUEUE_NOTIFY, 2);
	cap = find_capability(slot, CAP_NOTIFY, &notify);
	if (!cap)
		return false;
	multiplier = pci_config_read(slot, cap + CAP_MULTIPLIER, 4);
	q->notify = notify;
	q->notify.base += (uint64_t)at * multiplier;
	window_write(&common, COMMON_QUEUE_ENABLE, 2, 1);
	return true;
}

static void offer(struct queue *q, uint16_t id)
{
	q->avail.ring[q->avail.index % q->size] = id;
	barrier();
	*(volatile uint16_t *)&q->avail.index = (uint16_t)(q->avail.index + 1);
}

static void notify(unsigned index)
{
	barrier();
	window_write(&queue[index].notify, 0, 2, index);
}

static void fill_receive_queue(void)
{
	struct queue *q = &queue[RECEIVE];

	for (uint16_t i = 0; i < q->size; i++) {
		q->desc[i] = (struct descriptor){
			.address = (uint64_t)(uintptr_t)q->buffer[i],
			.bytes = BUFFER,
			.flags = DESC_WRITE,
		};
		offer(q, i);
	}
	notify(RECEIVE);
}

const char *virtio_net_start(uint8_t mac[6], uint8_t interrupt)
{
	int found = pci_find(VENDOR, DEVICE);
	unsigned slot = (unsigned)found;
	bool msix;

	if (found < 0)
		return "no virtio network device";
	pci_function_enable(slot);
	if (!find_capability(slot, CAP_COMMON, &common) ||
	    !find_capability(slot, CAP_DEVICE, &device))
		return "the device lacks a capability";
	if (!negotiate())
		return "the device refuses the features";
	msix = pci_msix_enable(slot, 0, interrupt);
	window_write(&common, COMMON_CONFIG_VECTOR, 2, msix ? 0 : NO_VECTOR);
	if (!start_queue(slot, RECEIVE, msix ? 0 : NO_VECTOR) ||
	    !start_queue(slot, SEND, NO_VECTOR))
		return "the device lacks a queue";
	queue[SEND].avail.flags = AVAIL_NO_INTERRUPT;
	set_status(DRIVER_OK);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)window_read(&device, i, 1);
	fill_receive_queue();
	return NULL;
}

bool virtio_net_send(const void *frame, size_t bytes)
{
	struct queue *q = &queue[SEND];
	uint16_t done = *(volatile uint16_t *)&q->used.index;
	uint16_t id = q->avail.index % q->size;

	/* Buffers are used in turn, and the device gives them back in turn. */
	if ((uint16_t)(q->avail.index - done) >= q->size ||
	    bytes > BUFFER - HEADER)
		return false;
	memset(q->buffer[id], 0, HEADER);
	memcpy(q->buffer[id] + HEADER, frame, bytes);
	q->desc[id] = (struct descriptor){
		.address = (uint64_t)(uintptr_t)q->buffer[id],
		.bytes = (uint32_t)(HEADER + bytes),
	};
	offer(q, id);
	notify(SEND);
	return true;
}

const void *virtio_net_receive(size_t *bytes)
{
	struct queue *q = &queue[RECEIVE];
	const struct used_element *element;

	if (*(volatile uint16_t *)&q->used.index == q->seen)
		return NULL;
	barrier();
	element = &q->used.ring[q->seen % q->size];
	current = (uint16_t)(element->id % q->size);
	*bytes = element->bytes < HEADER  ? 0
		 : element->bytes > BUFFER ? BUFFER - HEADER
					   : element->bytes - HEADER;
	return q->buffer[current] + HEADER;
}

void virtio_net_done(void)
{
	struct queue *q = &queue[RECEIVE];

	q->seen++;
	offer(q, current);
	notify(RECEIVE);
}

bool virtio_net_link(void)
{
	return !has_status ||
	       window_read(&device, DEVICE_STATUS, 2) & STATUS_LINK_UP;
}
