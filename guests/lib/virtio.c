/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/virtio.h"

#include <string.h>

#include "guests/lib/cpu.h"

#define VENDOR 0x1af4u
#define DEVICE 0x1040u
#define SLOTS  32u

/* 4.1.4: capabilities */
#define CAP_COMMON     1u
#define CAP_NOTIFY     2u
#define CAP_DEVICE     4u
#define CAP_TYPE       3u
#define CAP_BAR        4u
#define CAP_OFFSET     8u
#define CAP_MULTIPLIER 16u

/* Turns of waiting, each of which ends at the hypervisor. */
#define PATIENCE 2000000u

/* The capability of that type in ports, or else in memory. */
static unsigned find(unsigned slot, unsigned type, struct pci_window *window)
{
	for (unsigned io = 2; io-- > 0;) {
		unsigned cap = pci_capability(slot, PCI_CAP_VENDOR, 0);

		for (; cap; cap = pci_capability(slot, PCI_CAP_VENDOR, cap))
			if (pci_config_read(slot, cap + CAP_TYPE, 1) == type &&
			    pci_window(slot, pci_config_read(slot, cap + CAP_BAR, 1),
				       pci_config_read(slot, cap + CAP_OFFSET, 4), window) &&
			    window->io == io)
				return cap;
	}
	return 0;
}

bool virtio_find(uint32_t type, unsigned n, struct virtio_device *dev)
{
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		unsigned cap;

		if (pci_config_read(slot, 0, 4) != ((DEVICE + type) << 16 | VENDOR))
			continue;
		if (n--)
			continue;
		dev->slot = slot;
		dev->type = type;
		pci_function_enable(slot);
		cap = find(slot, CAP_NOTIFY, &dev->notify);
		if (!cap || !find(slot, CAP_COMMON, &dev->common) ||
		    !find(slot, CAP_DEVICE, &dev->config))
			return false;
		dev->notify_step = pci_config_read(slot, cap + CAP_MULTIPLIER, 4);
		return true;
	}
	return false;
}

uint8_t virtio_status(const struct virtio_device *dev)
{
	return (uint8_t)window_read(&dev->common, COMMON_STATUS, 1);
}

bool virtio_reset(const struct virtio_device *dev)
{
	window_write(&dev->common, COMMON_STATUS, 1, 0);
	for (unsigned i = 0; i < PATIENCE; i++)
		if (!virtio_status(dev))
			return true;
	return false;
}

static void add_status(const struct virtio_device *dev, uint8_t bits)
{
	window_write(&dev->common, COMMON_STATUS, 1, virtio_status(dev) | bits);
}

bool virtio_negotiate(const struct virtio_device *dev, uint32_t features)
{
	uint32_t offered;

	add_status(dev, STATUS_ACKNOWLEDGE);
	add_status(dev, STATUS_DRIVER);
	window_write(&dev->common, COMMON_FEATURE_SELECT, 4, 0);
	offered = window_read(&dev->common, COMMON_FEATURE, 4);
	window_write(&dev->common, COMMON_DRIVER_SELECT, 4, 0);
	window_write(&dev->common, COMMON_DRIVER, 4, offered & features);
	window_write(&dev->common, COMMON_DRIVER_SELECT, 4, 1);
	window_write(&dev->common, COMMON_DRIVER, 4, 1); /* VERSION_1 */
	add_status(dev, STATUS_FEATURES_OK);
	return virtio_status(dev) & STATUS_FEATURES_OK;
}

static void write_address(const struct virtio_device *dev, unsigned offset, uint64_t value)
{
	window_write(&dev->common, offset, 4, (uint32_t)value);
	window_write(&dev->common, offset + 4, 4, (uint32_t)(value >> 32));
}

void virtio_place(const struct virtio_device *dev, unsigned queue, uint16_t size, uint64_t desc,
		  uint64_t avail, uint64_t used)
{
	window_write(&dev->common, COMMON_QUEUE, 2, queue);
	window_write(&dev->common, COMMON_QUEUE_SIZE, 2, size);
	write_address(dev, COMMON_QUEUE_DESC, desc);
	write_address(dev, COMMON_QUEUE_AVAIL, avail);
	write_address(dev, COMMON_QUEUE_USED, used);
	window_write(&dev->common, COMMON_QUEUE_ENABLE, 2, 1);
}

void virtio_go(const struct virtio_device *dev)
{
	add_status(dev, STATUS_DRIVER_OK);
}

bool virtio_start(const struct virtio_device *dev, unsigned queue, uint32_t features,
		  struct virtio_rings *rings)
{
	memset(rings, 0, sizeof(*rings));
	rings->avail.flags = 1; /* no interrupts */
	if (!virtio_reset(dev) || !virtio_negotiate(dev, features))
		return false;
	virtio_place(dev, queue, VQ_SIZE, (uintptr_t)rings->desc, (uintptr_t)&rings->avail,
		     (uintptr_t)&rings->used);
	virtio_go(dev);
	return !(virtio_status(dev) & STATUS_NEEDS_RESET);
}

void virtio_offer(struct virtio_rings *rings, uint16_t head)
{
	rings->avail.ring[rings->avail.index % VQ_SIZE] = head;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*(volatile uint16_t *)&rings->avail.index = (uint16_t)(rings->avail.index + 1);
}

void virtio_kick(const struct virtio_device *dev, unsigned queue)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	window_write(&dev->notify, queue * dev->notify_step, 2, queue);
}

bool virtio_wait(const volatile struct virtio_rings *rings, uint16_t n)
{
	for (unsigned i = 0; i < PATIENCE; i++) {
		if (rings->used.index == n)
			return true;
		cpu_relax();
	}
	return false;
}
