/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest's devices come, go, are reset and are taken over, and what a driver asks of one
 * through its transport's registers. The transport calls this; this knows the transport by the
 * functions in struct virtio_transport.
 */
#pragma once

#include "guests/dom0/virtio/device.h"

/* Makes the devices that the guest's description asks for. Returns NULL, or the error; then
 * nothing remains attached. */
const char *virtio_attach_all(struct vm *vm, const struct virtio_transport *transport);
/* The same for a guest whose state region outlived an earlier dom0: adopts the devices as they are,
 * and starts the requests again that were in flight. */
const char *virtio_resume_all(struct vm *vm, const struct virtio_transport *transport);
/* For struct vm_part. */
void virtio_reset_all(struct vm *vm);
void virtio_go_on_all(struct vm *vm);
void virtio_detach_all(struct vm *vm);
bool virtio_quiet(const struct vm *vm);
bool virtio_ready(const struct vm *vm);
const char *virtio_boot(struct vm *vm);

/* Makes a device, which is the ordinal-th of its type in the guest's description, at an index of
 * machine_state.virtio that has none. Returns NULL, or the error. For a guest that is made already,
 * a device that is not ready stays off the bus (`waits`) until virtio_device_show. */
const char *virtio_device_add(struct virtio_machine *machine, unsigned index,
			      const struct virtio_type *type, unsigned ordinal, unsigned slot);
/* Puts a device that waited on the bus, in that slot. Returns false if there is no room. */
bool virtio_device_show(struct virtio_device *dev, unsigned slot);
/* Takes the device off the bus at once, and frees it when it is quiet. */
void virtio_device_remove(struct virtio_device *dev);
/* plug.c: the guest gives up a device that it was asked for: it goes, from the description too.
 * Returns false if dom0 has no memory for that description: the device stays, and is asked for. */
bool virtio_eject(struct virtio_device *dev);
/* plug.c: a device that waited is ready, or has failed; a device goes before it is ready. */
void virtio_plug_ready(struct virtio_device *dev);
void virtio_plug_end(struct virtio_device *dev, const char *wrong);

void virtio_device_reset(struct virtio_device *dev);
void virtio_device_start(struct virtio_device *dev);
void virtio_notify(struct virtqueue *queue);
