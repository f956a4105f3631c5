/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest's devices come, go, are reset and are taken over, and what a driver asks of one
 * through its transport's registers. The transport calls this; this knows the transport by the
 * functions in struct virtio_transport.
 */
#pragma once

#include "guests/dom0/virtio/device.h"

/* Makes the devices that the guest's description asks for. Returns NULL, or what is wrong; then
 * nothing remains attached. */
const char *virtio_attach_all(struct vm *vm, const struct virtio_transport *transport);
/* The same for a guest whose state region outlived an earlier dom0: adopts the devices as they are,
 * and starts the requests again that were in flight. */
const char *virtio_resume_all(struct vm *vm, const struct virtio_transport *transport);
/* For struct vm_part. */
void virtio_reset_all(struct vm *vm);
void virtio_detach_all(struct vm *vm);
bool virtio_quiet(const struct vm *vm);

void virtio_device_reset(struct virtio_device *dev);
void virtio_device_start(struct virtio_device *dev);
void virtio_notify(struct virtqueue *queue);
