/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A function's group is the part of the tree below the highest point of its way to the root that
 * lets requests turn around. A port or a device with ACS does not (PCI Express 5.0, 6.12): it
 * passes requests from one function to another upstream, where the IOMMU is.
 */
#include "guests/dom0/assign/group.h"

#include <stdlib.h>

#define ACS_CAN     4u
#define ACS_CONTROL 6u
#define ACS_REQUIRED                                                                \
	0x1du /* source validation, redirects of requests and completions, upstream \
	       */

#define EXPRESS_FLAGS   2u
#define EXPRESS_TYPE(f) ((f) >> 4 & 15)
#define TYPE_ROOT       4u
#define TYPE_UPSTREAM   5u
#define TYPE_DOWNSTREAM 6u
#define TYPE_NONE       16u

#define SHARED_SLOT 0x10000u

/* The functions that group_start has found, and virtual ones since. A function for which there is
 * no memory is in the first one's group, which nobody gets. */
static struct known {
	const struct pci_device *dev;
	uint32_t top;
	unsigned number;
} * known;
static unsigned known_count, groups;

static unsigned type_of(struct pci_device *dev)
{
	unsigned at = pci_find_capability(dev, PCI_CAP_EXPRESS);

	return at ? EXPRESS_TYPE(pci_read(dev, at + EXPRESS_FLAGS, 2)) : TYPE_NONE;
}

/* A service that the capability does not name is wired on (6.12.1). */
static bool has_acs(struct pci_device *dev)
{
	unsigned at = pci_find_extended(dev, PCI_EXT_ACS);
	uint32_t can;

	if (!at)
		return false;
	can = pci_read(dev, at + ACS_CAN, 2) & ACS_REQUIRED;
	return (pci_read(dev, at + ACS_CONTROL, 2) & can) == can;
}

/* The link below an upstream port is another's; only a sibling could turn its requests around. */
static bool isolates(struct pci_device *bridge)
{
	switch (type_of(bridge)) {
	case TYPE_ROOT:
	case TYPE_DOWNSTREAM:
		return has_acs(bridge);
	case TYPE_UPSTREAM:
		return !bridge->multifunction || has_acs(bridge);
	default:
		return false;
	}
}

/* The group by its top: a function, or all functions of a slot. */
static uint32_t top_of(struct pci_device *dev)
{
	struct pci_device *top = dev;

	for (struct pci_device *bridge = pci_parent(dev); bridge; bridge = pci_parent(bridge))
		if (!isolates(bridge))
			top = bridge;
	if (top->multifunction && !has_acs(top))
		return SHARED_SLOT | (top->bdf & ~7u);
	return top->bdf;
}

static void turn_acs_on(struct pci_device *dev)
{
	unsigned at =
		pci_find_capability(dev, PCI_CAP_EXPRESS) ? pci_find_extended(dev, PCI_EXT_ACS) : 0;

	if (at)
		pci_change(dev, at + ACS_CONTROL, 0, pci_read(dev, at + ACS_CAN, 2) & ACS_REQUIRED);
}

static unsigned number_of(const struct known *k)
{
	for (const struct known *before = known; before != k; before++)
		if (before->top == k->top)
			return before->number;
	return groups++;
}

void group_start(void)
{
	unsigned count = 0, n = 0;

	for (struct pci_device *dev = pci_first(); dev; dev = dev->next) {
		turn_acs_on(dev);
		count++;
	}
	free(known);
	groups = known_count = 0;
	known = calloc(count, sizeof(*known));
	if (!known)
		return;
	for (struct pci_device *dev = pci_first(); dev; dev = dev->next, n++) {
		known[n] = (struct known){dev, top_of(dev), 0};
		known[n].number = number_of(&known[n]);
	}
	known_count = count;
}

void group_add(struct pci_device *dev)
{
	struct known *more = realloc(known, (known_count + 1) * sizeof(*known));

	if (!more)
		return;
	known = more;
	known[known_count] = (struct known){dev, top_of(dev), 0};
	known[known_count].number = number_of(&known[known_count]);
	known_count++;
}

void group_remove(const struct pci_device *dev)
{
	for (unsigned i = 0; i < known_count; i++)
		if (known[i].dev == dev) {
			known[i] = known[--known_count];
			return;
		}
}

unsigned group_of(const struct pci_device *dev)
{
	for (unsigned i = 0; i < known_count; i++)
		if (known[i].dev == dev)
			return known[i].number;
	return 0;
}

bool group_has_own_requests(struct pci_device *dev)
{
	for (struct pci_device *bridge = pci_parent(dev); bridge; bridge = pci_parent(bridge)) {
		unsigned type = type_of(bridge);

		if (type != TYPE_ROOT && type != TYPE_UPSTREAM && type != TYPE_DOWNSTREAM)
			return false;
	}
	return true;
}
