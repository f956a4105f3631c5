/* SPDX-License-Identifier: BSD-2-Clause */
/* What drivers/env.h promises to drivers, by the kernel's calls; and the
 * search for devices at dom0's start. */
#include "drivers/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/env.h"
#include "guests/dom0/loop.h"
#include "guests/dom0/memory.h"
#include "guests/lib/sampo.h"

#define PCI_COMMAND        0x04
#define PCI_COMMAND_IO     0x1u
#define PCI_COMMAND_MEMORY 0x2u
#define PCI_COMMAND_MASTER 0x4u
#define CLASS_IDE 0x0101u
#define IDE_NATIVE 0x05u /* either channel */
#define MAX_VECTORS        16u
#define BAR_IO             1u /* sampo_bar.flags */

/* One interrupt of a device; lives as long as dom0. */
struct vector {
	struct pci_device *dev;
	void (*handler)(void *context, unsigned vector);
	void *context;
	unsigned number;
	uint32_t index; /* as device_irq counts */
	uint32_t event;
	int bit;
};

uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	uint64_t value = 0;

	if (sampo_device_config(dev->handle, offset, bytes, 0, &value))
		return UINT32_MAX;
	return (uint32_t)value;
}

void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	int64_t status =
		sampo_device_config(dev->handle, offset, bytes | SAMPO_CONFIG_WRITE, value, NULL);

	if (status)
		driver_log("%s: configuration write at %x: %s\n", dev->name, offset,
			   sampo_strerror(status));
}

uint32_t pci_port_read(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes)
{
	return pci_read(dev, SAMPO_CONFIG_BAR(bar) + offset, bytes);
}

void pci_port_write(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes,
		    uint32_t value)
{
	pci_write(dev, SAMPO_CONFIG_BAR(bar) + offset, bytes, value);
}

void pci_enable(struct pci_device *dev)
{
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);

	pci_write(dev, PCI_COMMAND, 2,
		  command | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

volatile void *pci_map(struct pci_device *dev, unsigned bar)
{
	const struct pci_bar *b = &dev->bar[bar];
	uint32_t region;
	uint64_t at = b->base;
	int64_t status;

	if (bar >= 6 || !b->size || b->io)
		return NULL;
	status = sampo_region_create(dev->handle, bar, 0, &region);
	if (status) {
		driver_log("%s: BAR %u: %s\n", dev->name, bar, sampo_strerror(status));
		return NULL;
	}
	if (!window_take(at, b->size))
		at = window_alloc(b->size, b->size < 4096 ? 4096 : b->size);
	if (at) {
		status = sampo_region_map(region, boot->domain, at, 0, SAMPO_MAP_R | SAMPO_MAP_W,
					  (b->size + 4095) & ~4095ull);
		if (!status)
			return (volatile void *)(uintptr_t)(at + (b->base & 4095));
		driver_log("%s: mapping BAR %u: %s\n", dev->name, bar, sampo_strerror(status));
		window_free(at);
	}
	sampo_handle_close(region);
	return NULL;
}

static void vector_raised(void *context)
{
	struct vector *v = context;

	v->handler(v->context, v->number);
	if (v->index == SAMPO_IRQ_INTX)
		sampo_device_irq(v->dev->handle, SAMPO_IRQ_INTX, v->event, SAMPO_IRQ_ACK);
}

static void vector_drop(struct vector *v)
{
	if (v->event)
		sampo_handle_close(v->event);
	event_free(v->bit);
	free(v);
}

/* An event bit of dom0's, an event for it, and the device bound to that. */
static bool vector_bind(struct pci_device *dev, uint32_t index, unsigned number,
			void (*handler)(void *context, unsigned vector), void *context)
{
	struct vector *v = calloc(1, sizeof(*v));

	if (!v)
		return false;
	*v = (struct vector){dev, handler, context, number, index, 0, 0};
	v->bit = event_alloc(vector_raised, v);
	if (v->bit >= 0 &&
	    !sampo_event_create(boot->domain, SAMPO_EVENT_BIT, (uint64_t)v->bit, 0, &v->event) &&
	    !sampo_device_irq(dev->handle, index, v->event, SAMPO_IRQ_BIND))
		return true;
	vector_drop(v);
	return false;
}

unsigned pci_irq_setup(struct pci_device *dev, unsigned wanted,
		       void (*handler)(void *context, unsigned vector), void *context)
{
	unsigned got = 0;

	if (!wanted)
		return 0;
	if (dev->msix) {
		unsigned most = dev->msix < MAX_VECTORS ? dev->msix : MAX_VECTORS;

		while (got < wanted && got < most && vector_bind(dev, got, got, handler, context))
			got++;
	}
	if (!got && dev->msi && vector_bind(dev, 0, 0, handler, context))
		got = 1;
	if (!got && dev->class_code >> 8 == CLASS_IDE && !(dev->class_code & IDE_NATIVE))
		while (got < wanted && got < 2 && vector_bind(dev, got, got, handler, context))
			got++;
	if (!got && dev->irq_pin && vector_bind(dev, SAMPO_IRQ_INTX, 0, handler, context))
		got = 1;
	return got;
}

void driver_log(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

static struct pci_device *device_describe(uint32_t handle)
{
	struct sampo_device_info info;
	struct pci_device *dev;
	uint64_t written = 0;

	memset(&info, 0, sizeof(info));
	if (sampo_object_info(handle, SAMPO_INFO_DEVICE, &info, sizeof(info), 0, &written))
		return NULL;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return NULL;
	dev->handle = handle;
	dev->bdf = info.bdf;
	dev->vendor = info.vendor;
	dev->device = info.device;
	dev->subvendor = info.subvendor;
	dev->subdevice = info.subdevice;
	dev->class_code = info.class_code;
	dev->msi = info.msi;
	dev->msix = info.msix;
	dev->irq_pin = info.irq_pin;
	for (unsigned i = 0; i < 6; i++)
		dev->bar[i] = (struct pci_bar){info.bar[i].base, info.bar[i].size,
					       info.bar[i].flags & BAR_IO};
	snprintf(dev->name, sizeof(dev->name), "%02x:%02x.%x", info.bdf >> 8, info.bdf >> 3 & 0x1f,
		 info.bdf & 7);
	return dev;
}

static bool device_drive(struct pci_device *dev)
{
	for (unsigned i = 0; pci_drivers[i]; i++)
		if (pci_drivers[i]->probe(dev))
			return true;
	return false;
}

void devices_start(void)
{
	for (uint32_t i = 0; i < boot->devices && i < SAMPO_BOOT_DEVICES; i++) {
		struct pci_device *dev = device_describe(boot->device[i]);

		if (dev && !device_drive(dev))
			free(dev);
	}
}
