/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of split virtqueues (virtio 1.2, section 2.7).
 *
 * Rings, descriptors and buffers are in the guest's memory, and the guest may
 * write anything there at any time. Each index and descriptor is read once
 * and then checked; walks are bounded; a queue that breaks the rules stops its
 * device (DEVICE_NEEDS_RESET) and harms nobody else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/virtio/virtio.h"

#define VIRTIO_NO_VECTOR 0xffffu

/* A chain may not be longer than the queue (2.7.5.3.1); nor may a table. */
#define QUEUE_MAX_SEGMENTS VIRTIO_QUEUE_SIZE

struct virtio_device;

struct virtqueue {
	struct virtio_device *dev;
	struct vm *vm;
	struct virtqueue_state *state;
	unsigned index;
	/* Where the rings are in dom0's address space; desc is NULL while the
	 * queue is not in use. */
	const uint8_t *desc;
	const uint8_t *avail;
	uint8_t *used;
	uint16_t mask;
	bool event_index, indirect, signal;
	uint16_t signalled; /* next_used when the guest was last told */
	bool suppressed;    /* the driver is asked not to notify */
};

/* One buffer of a chain: `bytes` of guest memory, all of it RAM. */
struct queue_segment {
	uint8_t *data;
	uint64_t gpa;
	uint32_t bytes;
};

/* A chain: first the buffers that the device reads (out), then those that it writes (in). */
struct queue_chain {
	uint16_t head;
	uint16_t out, in;
	uint64_t out_bytes, in_bytes;
	struct queue_segment segment[QUEUE_MAX_SEGMENTS];
};

struct queue_used {
	uint16_t head;
	uint32_t bytes; /* written into the chain */
};

/* Starts using the queue where the state says. NULL, or the error. */
const char *queue_start(struct virtqueue *queue, uint64_t features);
static inline void queue_stop(struct virtqueue *queue)
{
	queue->desc = NULL;
	queue->avail = NULL;
	queue->used = NULL;
}
static inline bool queue_live(const struct virtqueue *queue)
{
	return queue->desc != NULL;
}

/*
 * Takes the next chain. NULL when there is none, or when the queue is stopped
 * or has just been found broken. The head is in flight from here on. The chain
 * lies in one buffer for all queues: it is valid until the next queue_pop.
 */
struct queue_chain *queue_pop(struct virtqueue *queue);

/* The chain at a head that is in flight already (after a restart of dom0). */
struct queue_chain *queue_again(struct virtqueue *queue, uint16_t head);

/* Puts the chain that was popped last back, as if it had not been taken. */
void queue_unpop(struct virtqueue *queue, uint16_t head);

/* How many chains wait, at most the size of the queue. */
unsigned queue_waiting(struct virtqueue *queue);

/* Gives chains back, all n at once. The guest is told by queue_signal. */
void queue_push(struct virtqueue *queue, const struct queue_used *used, unsigned n);
/* Interrupts the guest if it wants to know of the chains that were pushed. */
void queue_signal(struct virtqueue *queue);
/* Gives all heads in flight back unused, for types that keep none. */
void queue_return_all(struct virtqueue *queue);

/* Ask the driver not to notify while the device works; and to notify again.
 * The latter returns true when chains came meanwhile: then look again. */
void queue_suppress(struct virtqueue *queue);
bool queue_unsuppress(struct virtqueue *queue);

/* Copies between a chain's segments, from byte `offset` on, and memory; returns
 * how many bytes there were. */
size_t queue_read(const struct queue_chain *chain, size_t offset, void *to, size_t bytes);
size_t queue_write(const struct queue_chain *chain, size_t offset, const void *from, size_t bytes);

/*
 * After a restart of dom0: settles chains that the guest had been shown but the state had not noted
 * yet. NULL, or the error.
 */
const char *queue_recover(struct virtqueue *queue);

/* device.c: stop the device, the guest broke its rules; interrupt the guest. */
void virtio_broken(struct virtio_device *dev, const char *why);
void virtio_interrupt(struct virtio_device *dev, uint16_t msix);
