/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/virtio_net.h"

#include <string.h>

#include "guests/lib/virtio.h"

#define NO_VECTOR      0xffffu
#define FEATURE_MAC    (1u << 5)
#define FEATURE_STATUS (1u << 16)
#define CONFIG_STATUS  6u /* 5.1.4 */
#define STATUS_LINK_UP 1u

#define AVAIL_NO_INTERRUPT 1u
#define BUFFERS            64u
#define HEADER             12u /* struct virtio_net_hdr, 5.1.6 */
#define BUFFER             2048u

enum { RECEIVE, SEND, QUEUES };

static struct virtio_device device;
static _Alignas(4096) struct virtio_rings rings[QUEUES];
static _Alignas(16) uint8_t buffer[QUEUES][BUFFERS][BUFFER];
static uint16_t seen;    /* of the used ring of RECEIVE */
static uint16_t current; /* the buffer of virtio_net_receive */
static bool has_status;

static void start_queue(unsigned queue, uint32_t vector)
{
	struct virtio_rings *r = &rings[queue];

	window_write(&device.common, COMMON_QUEUE, 2, queue);
	window_write(&device.common, COMMON_QUEUE_VECTOR, 2, vector);
	virtio_place(&device, queue, VQ_SIZE, (uintptr_t)r->desc, (uintptr_t)&r->avail,
		     (uintptr_t)&r->used);
}

static void set_buffer(unsigned queue, uint16_t id, uint32_t bytes, uint16_t flags)
{
	rings[queue].desc[id] = (struct virtio_desc){
		.address = (uintptr_t)buffer[queue][id],
		.bytes = bytes,
		.flags = flags,
	};
}

static uint16_t used_index(unsigned queue)
{
	uint16_t index = *(volatile uint16_t *)&rings[queue].used.index;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return index;
}

const char *virtio_net_start(uint8_t mac[6], uint8_t interrupt)
{
	uint32_t vector;

	if (!virtio_find(VIRTIO_TYPE_NET, 0, &device))
		return "no virtio network device";
	if (!virtio_reset(&device) || !virtio_negotiate(&device, FEATURE_MAC | FEATURE_STATUS))
		return "the device refuses the features";
	window_write(&device.common, COMMON_DRIVER_SELECT, 4, 0);
	has_status = window_read(&device.common, COMMON_DRIVER, 4) & FEATURE_STATUS;
	vector = pci_msix_enable(device.slot, 0, interrupt) ? 0 : NO_VECTOR;
	window_write(&device.common, COMMON_CONFIG_VECTOR, 2, vector);
	start_queue(RECEIVE, vector);
	start_queue(SEND, NO_VECTOR);
	rings[SEND].avail.flags = AVAIL_NO_INTERRUPT;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)window_read(&device.config, i, 1);
	for (uint16_t id = 0; id < BUFFERS; id++) {
		set_buffer(RECEIVE, id, BUFFER, DESC_WRITE);
		virtio_offer(&rings[RECEIVE], id);
	}
	virtio_go(&device);
	virtio_kick(&device, RECEIVE);
	return NULL;
}

bool virtio_net_send(const void *frame, size_t bytes)
{
	struct virtio_rings *r = &rings[SEND];
	uint16_t id = r->avail.index % BUFFERS;

	/* Buffers are used in turn, and the device gives them back in turn. */
	if ((uint16_t)(r->avail.index - used_index(SEND)) >= BUFFERS || bytes > BUFFER - HEADER)
		return false;
	memset(buffer[SEND][id], 0, HEADER);
	memcpy(buffer[SEND][id] + HEADER, frame, bytes);
	set_buffer(SEND, id, (uint32_t)(HEADER + bytes), 0);
	virtio_offer(r, id);
	virtio_kick(&device, SEND);
	return true;
}

const void *virtio_net_receive(size_t *bytes)
{
	const struct virtio_rings *r = &rings[RECEIVE];
	uint32_t got;

	if (used_index(RECEIVE) == seen)
		return NULL;
	current = (uint16_t)(r->used.ring[seen % VQ_SIZE].id % BUFFERS);
	got = r->used.ring[seen % VQ_SIZE].bytes;
	if (got < HEADER)
		got = HEADER;
	*bytes = (got < BUFFER ? got : BUFFER) - HEADER;
	return buffer[RECEIVE][current] + HEADER;
}

void virtio_net_done(void)
{
	seen++;
	virtio_offer(&rings[RECEIVE], current);
	virtio_kick(&device, RECEIVE);
}

bool virtio_net_link(void)
{
	return !has_status || window_read(&device.config, CONFIG_STATUS, 2) & STATUS_LINK_UP;
}
