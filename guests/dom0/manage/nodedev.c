/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/nodedev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/pci.h"
#include "guests/dom0/assign/assign.h"

#define COMPUTER "computer"

#define EXPRESS_LINK_CAN  0x0cu
#define EXPRESS_LINK_DOES 0x12u

static void put_name(char name[NODEDEV_NAME], const struct pci_device *dev)
{
	snprintf(name, NODEDEV_NAME, "pci_0000_%02x_%02x_%x", dev->bdf >> 8, dev->bdf >> 3 & 31,
		 dev->bdf & 7);
}

static void put_parent(char parent[NODEDEV_NAME], const struct pci_device *dev)
{
	const struct pci_device *bridge = pci_parent(dev);

	snprintf(parent, NODEDEV_NAME, "%s", COMPUTER);
	if (bridge)
		put_name(parent, bridge);
}

static struct nodedev_link link_of(uint32_t bits)
{
	return (struct nodedev_link){.speed = bits & 15, .width = bits >> 4 & 63};
}

static void put_express(struct nodedev *device, struct pci_device *dev)
{
	unsigned at = pci_find_capability(dev, PCI_CAP_EXPRESS);

	if (!at)
		return;
	device->can = link_of(pci_read(dev, at + EXPRESS_LINK_CAN, 4));
	device->does = link_of(pci_read(dev, at + EXPRESS_LINK_DOES, 2));
}

static void put_virtual(struct nodedev *device, const struct pci_device *dev)
{
	device->vfs = (uint16_t)pci_virtual_count(dev);
	device->is_virtual = dev->physical != NULL;
	if (dev->physical)
		device->physical = dev->physical->bdf;
}

static void describe(struct nodedev *device, const struct pci_device *dev)
{
	*device = (struct nodedev){
		.driver = dev->driver,
		.bdf = dev->bdf,
		.vendor = dev->vendor,
		.product = dev->device,
		.class_code = dev->class_code,
		.bridge = dev->header == PCI_HEADER_BRIDGE,
	};
	device->has_group = assign_group(dev, &device->group);
	if (assign_owner(dev))
		device->driver = "sampo-guest";
	put_name(device->name, dev);
	put_parent(device->parent, dev);
	put_virtual(device, dev);
}

/* What the function's own registers say: a hundred accesses and more. */
static void look_at(struct nodedev *device, struct pci_device *dev)
{
	put_express(device, dev);
	device->max_vfs = (uint16_t)pci_virtual_most(dev);
}

static void describe_computer(struct nodedev *device)
{
	*device = (struct nodedev){.name = COMPUTER};
}

struct nodedev *nodedev_all(unsigned *count)
{
	struct nodedev *all;
	unsigned n = 1;

	for (const struct pci_device *dev = pci_first(); dev; dev = dev->next)
		n++;
	all = malloc(n * sizeof(*all));
	if (!all)
		return NULL;
	*count = n;
	n = 0;
	describe_computer(&all[n++]);
	for (const struct pci_device *dev = pci_first(); dev; dev = dev->next)
		describe(&all[n++], dev);
	return all;
}

bool nodedev_find(const char *name, struct nodedev *device)
{
	char other[NODEDEV_NAME];

	if (!strcmp(name, COMPUTER)) {
		describe_computer(device);
		return true;
	}
	for (struct pci_device *dev = pci_first(); dev; dev = dev->next) {
		put_name(other, dev);
		if (strcmp(name, other) != 0)
			continue;
		describe(device, dev);
		look_at(device, dev);
		return true;
	}
	return false;
}

const char *nodedev_reset(const struct nodedev *device, void (*done)(const char *failure))
{
	struct pci_device *dev = *device->parent ? pci_at(device->bdf) : NULL;

	return dev ? assign_reset_function(dev, done) : "it is not a PCI device";
}

static void (*vfs_done)(const char *failure);

static void made_vfs(struct pci_device *dev, const char *failure)
{
	(void)dev;
	vfs_done(failure);
}

const char *nodedev_make_vfs(const struct nodedev *device, unsigned count,
			     void (*done)(const char *failure))
{
	struct pci_device *dev = *device->parent ? pci_at(device->bdf) : NULL;

	vfs_done = done;
	return dev ? assign_virtual_make(dev, count, made_vfs) : "it is not a PCI device";
}
