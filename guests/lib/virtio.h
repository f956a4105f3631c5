/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plain means of a virtio driver (virtio 1.2, PCI, one queue at a time),
 * for guests that do with a device what no driver does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/pci.h"

#define VIRTIO_TYPE_NET     1u
#define VIRTIO_TYPE_BLK     2u
#define VIRTIO_TYPE_CONSOLE 3u
#define VIRTIO_TYPE_RNG     4u

/* 4.1.4.3: registers of the common configuration */
enum {
	COMMON_FEATURE_SELECT = 0x00,
	COMMON_FEATURE = 0x04,
	COMMON_DRIVER_SELECT = 0x08,
	COMMON_DRIVER = 0x0c,
	COMMON_CONFIG_VECTOR = 0x10,
	COMMON_STATUS = 0x14,
	COMMON_QUEUE = 0x16,
	COMMON_QUEUE_SIZE = 0x18,
	COMMON_QUEUE_VECTOR = 0x1a,
	COMMON_QUEUE_ENABLE = 0x1c,
	COMMON_QUEUE_DESC = 0x20,
	COMMON_QUEUE_AVAIL = 0x28,
	COMMON_QUEUE_USED = 0x30,
	COMMON_BYTES = 0x38,
};

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 0x40u

#define FEATURE_INDIRECT (1u << 28)

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define VQ_SIZE 256u

struct virtio_desc {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags, next;
};

/* 2.7: the rings, in one piece that can be filled with anything. */
struct virtio_rings {
	struct virtio_desc desc[VQ_SIZE];
	struct {
		uint16_t flags, index, ring[VQ_SIZE], event;
	} avail;
	struct {
		_Alignas(4) uint16_t flags;
		uint16_t index;
		struct {
			uint32_t id, bytes;
		} ring[VQ_SIZE];
		uint16_t event;
	} used;
};

struct virtio_device {
	unsigned slot;
	uint32_t type;
	struct pci_window common, notify, config;
	uint32_t notify_step;
};

/* The n-th device of that type, by its I/O registers if it has some. */
bool virtio_find(uint32_t type, unsigned n, struct virtio_device *dev);

uint8_t virtio_status(const struct virtio_device *dev);
/* Waits until the device says that it is reset; false: it does not. */
bool virtio_reset(const struct virtio_device *dev);
/* Up to FEATURES_OK, with these of the features 0-31 (and VERSION_1). */
bool virtio_negotiate(const struct virtio_device *dev, uint32_t features);
/* Gives a queue its place; any numbers. */
void virtio_place(const struct virtio_device *dev, unsigned queue, uint16_t size, uint64_t desc,
		  uint64_t avail, uint64_t used);
void virtio_go(const struct virtio_device *dev);
/* All of it, with empty rings of VQ_SIZE. */
bool virtio_start(const struct virtio_device *dev, unsigned queue, uint32_t features,
		  struct virtio_rings *rings);

/* Makes a head available; notifies. */
void virtio_offer(struct virtio_rings *rings, uint16_t head);
void virtio_kick(const struct virtio_device *dev, unsigned queue);
/* Waits for used entry n (from 1); false: it does not come. */
bool virtio_wait(const volatile struct virtio_rings *rings, uint16_t n);
