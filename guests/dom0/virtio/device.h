/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transport (pci.c), the life of the devices (life.c) and the device types share this: a device
 * while dom0 runs. All of it can be made again from the configuration and the state.
 */
#pragma once

#include "guests/dom0/virtio/features.h"
#include "guests/dom0/virtio/queue.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/state.h"

#define VIRTIO_CONFIG_BYTES 64u

/* A queue's notification port, known to the kernel as an event's doorbell while it is decoded. */
struct virtio_doorbell {
	struct virtqueue *queue;
	int bit;        /* of dom0's event page, -1: none */
	uint32_t event; /* handle of the event, 0: none */
};

struct vm_config;

struct virtio_device {
	const struct virtio_transport *transport;
	struct vm *vm;
	uint32_t instance; /* in machine_state.virtio */
	unsigned ordinal;  /* among the devices of its type */
	bool gone;         /* it has left the bus; until it is quiet */
	bool waits; /* it comes to a running guest, and is not on the bus before it is ready */
	virtio_plugged *plugged; /* is told the end of that; NULL: nobody */
	void *plug_context;
	struct virtio_state *state;
	const struct virtio_type *type;
	struct virtqueue queue[VIRTIO_QUEUES];
	struct virtio_doorbell doorbell[VIRTIO_QUEUES];
	void *backend; /* the type's */
};

/* How a driver reaches a device. */
struct virtio_transport {
	/* The device's function on the bus: made, or found again in the state. */
	bool (*attach)(struct virtio_device *dev, bool fresh);
	/* Gives doorbells and events back. May be called twice. */
	void (*detach)(struct virtio_device *dev);
	/* Takes the function off the bus, after detach. */
	void (*remove)(struct virtio_device *dev);
	/* Tells the guest of a new device; asks it to give one up; whether that was asked. */
	void (*added)(struct virtio_device *dev);
	void (*ask)(struct virtio_device *dev);
	bool (*is_asked)(const struct virtio_device *dev);
	/* Returns a place on the bus for a new device, 0 if there is none. */
	unsigned (*free_slot)(struct vm *vm);
	/* The interrupt pin down, if it was up. */
	void (*quiet)(struct virtio_device *dev);
	void (*interrupt)(struct virtio_device *dev, uint16_t msix);
	void (*config_interrupt)(struct virtio_device *dev);
};

/* vm->virtio. It outlives the guest until its disks are quiet. */
struct virtio_machine {
	struct vm *vm;
	const struct virtio_transport *transport;
	void (*became_quiet)(struct virtio_device *dev);
	bool made;        /* each device of the description is attached */
	bool leaving;     /* detach when quiet */
	unsigned devices; /* one more than the last one's index */
	/* By their indexes in machine_state.virtio; NULL where one has left. */
	struct virtio_device *device[MACHINE_VIRTIO_DEVICES];
};

/* The functions of a type of device. All but `resume`, `ready` and `trouble` are required. */
struct virtio_type {
	const char *name;
	uint32_t type, class_code;
	unsigned queues;
	/*
	 * Makes the backend. For a fresh device (not one that is adopted after
	 * a restart) it also sets the features offered and the type's part of
	 * the state. NULL, or the error.
	 */
	const char *(*attach)(struct virtio_device *dev, const struct vm_config *config,
			      bool fresh);
	/* Fills the device's configuration space, which is zero before. */
	void (*config)(const struct virtio_device *dev, uint8_t space[VIRTIO_CONFIG_BYTES]);
	/* The driver is there, or again there after a restart of dom0 with
	 * heads in flight in the queues. */
	void (*start)(struct virtio_device *dev);
	/* The driver notified this queue. */
	void (*notify)(struct virtio_device *dev, struct virtqueue *queue);
	/* Forgets the driver's settings; its queues are stopped. */
	void (*stop)(struct virtio_device *dev);
	/* The guest goes on after it was suspended or stopped. NULL: nothing waits for that. */
	void (*resume)(struct virtio_device *dev);
	/* Nothing of the device reads or writes guest memory by itself. */
	bool (*quiet)(const struct virtio_device *dev);
	/* Free the backend. Only called when quiet. */
	void (*detach)(struct virtio_device *dev);
	/* For struct vm_part. Is what attach began done? NULL: always. */
	bool (*ready)(const struct virtio_device *dev);
	/* Returns the reason why it has failed, or NULL. */
	const char *(*trouble)(const struct virtio_device *dev);
};

extern const struct virtio_type virtio_blk_type, virtio_net_type, virtio_console_type,
	virtio_rng_type;

/* The driver has set the device up and it was not found broken since. */
static inline bool virtio_running(const struct virtio_device *dev)
{
	return (dev->state->status & (VIRTIO_S_DRIVER_OK | VIRTIO_S_NEEDS_RESET)) ==
		       VIRTIO_S_DRIVER_OK &&
	       !dev->state->resetting;
}

/* The configuration space has changed: tell the driver. */
void virtio_config_changed(struct virtio_device *dev);

/* A type that was not quiet has become so. */
void virtio_became_quiet(struct virtio_device *dev);

/* The work that attach began is done, or has failed. From the event loop. */
void virtio_became_ready(struct virtio_device *dev);

/* The device of a type by its place among those, or NULL. */
struct virtio_device *virtio_find(const struct vm *vm, uint32_t type, unsigned ordinal);

/* The device at an index of machine_state.virtio, or NULL. */
struct virtio_device *virtio_by_instance(const struct vm *vm, uint32_t instance);

static inline struct virtio_machine *virtio_machine_of(const struct vm *vm)
{
	return vm->virtio;
}

static inline void virtio_stop_queues(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->type->queues; i++)
		queue_stop(&dev->queue[i]);
}
