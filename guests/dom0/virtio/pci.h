/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the devices (virtio.c) and their PCI transport (pci.c). */
#ifndef DOM0_VIRTIO_PCI_H
#define DOM0_VIRTIO_PCI_H

#include <stdbool.h>

#include "guests/dom0/virtio/device.h"

/* The PCI function of a device: made, or found again in the state. */
bool virtio_pci_attach(struct virtio_device *dev, bool fresh);
/* Gives doorbells and events back. May be called twice. */
void virtio_pci_detach(struct virtio_device *dev);

/* The interrupt pin down, if it was up. */
void virtio_pci_quiet(struct virtio_device *dev);
void virtio_pci_config_interrupt(struct virtio_device *dev);

/* virtio.c: what the driver asks for through registers. */
void virtio_device_reset(struct virtio_device *dev);
void virtio_device_start(struct virtio_device *dev);
void virtio_notify(struct virtqueue *queue);

/* The device at an index of machine_state.virtio, or NULL. */
struct virtio_device *virtio_by_instance(const struct vm *vm, uint32_t instance);

#endif
