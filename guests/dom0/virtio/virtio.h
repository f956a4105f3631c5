/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio devices of a guest (virtio 1.2, split queues, PCI transport).
 *
 * struct virtio_state is everything of a device that the guest would miss if
 * it were lost; it lies in the guest's state region and has no pointers. What
 * a device needs beside it while dom0 runs (the disk behind it, its port of
 * the switch, requests) is made from the guest's configuration and the state,
 * so that a dom0 that was started afresh can take a running guest over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Device types, virtio 1.2 section 5. */
#define VIRTIO_NET     1u
#define VIRTIO_BLK     2u
#define VIRTIO_CONSOLE 3u
#define VIRTIO_RNG     4u

#define VIRTIO_QUEUES     2u   /* the most that a device here has */
#define VIRTIO_QUEUE_SIZE 256u /* entries; drivers may ask for fewer */

/* One queue. in_flight has a bit for each head that was taken from the
 * available ring and is not yet in the used ring. */
struct virtqueue_state {
	uint64_t desc, avail, used; /* guest physical addresses */
	uint16_t size;
	uint16_t enabled;
	uint16_t msix;       /* vector, 0xffff: none */
	uint16_t next_avail; /* index of the next available entry to take */
	uint16_t next_used;  /* the used index that the guest has been shown */
	uint16_t reserved[3];
	uint64_t in_flight[VIRTIO_QUEUE_SIZE / 64];
};

struct virtio_blk_state {
	uint64_t capacity; /* in sectors of 512 bytes */
	char serial[20];
	uint32_t logical_block, physical_block; /* bytes */
};

struct virtio_net_state {
	uint8_t mac[6];
	uint16_t link_up;
};

#define VIRTIO_CONSOLE_INPUT 512u
struct virtio_console_state {
	uint16_t head, count; /* of what was typed and is not yet delivered */
	uint8_t input[VIRTIO_CONSOLE_INPUT];
};

struct virtio_state {
	uint32_t type;       /* VIRTIO_*, 0: no device */
	uint32_t slot;       /* PCI device number */
	uint64_t offered;    /* feature bits */
	uint64_t negotiated; /* what the driver has written */
	uint32_t offered_select, negotiated_select;
	uint16_t queue_select;
	uint16_t config_msix;
	uint8_t status, isr, config_generation, queues;
	uint8_t resetting;  /* status becomes 0 when its disk is quiet */
	uint8_t pci_window; /* offset of the PCI configuration capability */
	uint8_t ordinal;    /* among the devices of its type in the description */
	uint8_t reserved;
	struct virtqueue_state queue[VIRTIO_QUEUES];
	union {
		struct virtio_blk_state blk;
		struct virtio_net_state net;
		struct virtio_console_state console;
	};
};

struct vm;

/* Counters, by the order of disks and interfaces in the configuration. */
struct virtio_blk_stats {
	uint64_t reads, read_bytes, writes, written_bytes, flushes, errors;
};
struct virtio_net_stats {
	/* as the guest sees it: rx is what it received */
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t tx_frames, tx_bytes, tx_dropped;
};
bool virtio_blk_stats(const struct vm *vm, unsigned disk, struct virtio_blk_stats *stats);
bool virtio_net_stats(const struct vm *vm, unsigned nic, struct virtio_net_stats *stats);

/* The cable of a guest's NIC. */
bool virtio_net_link(struct vm *vm, unsigned nic, bool up);

/*
 * plug.c: devices that come and go while the guest runs, and with them the description of its run
 * (vm_live_config). Each returns NULL, or the reason against it.
 *
 * virtio_plug_disk calls `plugged` (may be NULL) after it has returned NULL, or at once: with NULL
 * when the guest has been told of the disk, or with the reason why the image cannot be opened. In
 * that case the disk has left the description again.
 *
 * virtio_unplug asks the guest to give up the disk or interface (`type`) at that place of the
 * description. The device goes, and from the description, too, when the guest ejects it or is
 * reset; until then the request stays, and another call asks again.
 */
struct config_disk;
struct config_nic;
typedef void virtio_plugged(void *context, const char *wrong);
const char *virtio_plug_disk(struct vm *vm, const struct config_disk *disk, virtio_plugged *plugged,
			     void *context);
const char *virtio_plug_nic(struct vm *vm, const struct config_nic *nic);
const char *virtio_unplug(struct vm *vm, uint32_t type, unsigned ordinal);

/* Does a device that has left the guest's bus still use its disk, as one whose image is being
 * closed? Then nobody else can have that disk yet. */
bool virtio_is_leaving(const struct vm *vm);

/* Bytes typed at the guest's virtio console; returns how many bytes were
 * taken (0: there is no such device or the guest does not read). */
size_t virtio_console_input(struct vm *vm, const void *data, size_t bytes);
/* False: the guest has yet to read the bytes typed before. */
bool virtio_console_room(const struct vm *vm);
