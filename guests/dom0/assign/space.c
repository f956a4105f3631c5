/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The view is built once, by a table of rules for the registers of each capability that a guest may
 * see. A capability stays at its offset, since drivers may know it; the list leads past those that
 * are hidden. (PCI 3.0, 6.7 and 6.8; PCI power management 1.2, 3.2; PCI Express 5.0, 7.5.3 and
 * 7.6.)
 */
#include "guests/dom0/assign/space.h"

#include <string.h>

#include "guests/dom0/assign/assign_state.h"

#define STATUS_CAPS    0x10u /* in the low byte of the status register */
#define STATUS_ERRORS  0xf9u /* in its high byte: a 1 clears them */
#define CAPABILITIES   0x34u
#define CAPS_MOST      48u
#define FIRST_CAP      0x40u
#define EXTENDED_FIRST 0x100u
#define EXTENDED_END   0x1000u

#define CAP_DEBUG_PORT 0x0au
#define CAP_VENDOR     0x09u
#define CAP_SATA       0x12u

#define MSI_CONTROL 2u
#define MSI_WIDE    0x80u
#define MSI_MASKS   0x100u
#define MSI_SHOWN   (MSI_WIDE | MSI_MASKS)

#define MSIX_CONTROL 2u
#define MSIX_SIZE    0x7ffu

#define PM_STATUS       4u
#define PM_NO_SOFT_RST  0x8u
#define EXPRESS_FLAGS   2u
#define EXPRESS_VERSION 0x0fu
#define EXPRESS_TYPE    0xf0u
#define EXPRESS_CAN     4u
#define EXPRESS_CAN_FLR 0x10000000u
#define EXPRESS_CONTROL 8u
#define EXPRESS_FLR     0x8000u
#define TYPE_INTEGRATED 0x90u /* an endpoint of the root complex: it has no link */

/* A register of a capability. Bits that no mask has are constant. */
struct rule {
	uint8_t cap, offset, bytes;
	uint32_t hidden; /* read as 0 */
	uint32_t own, live, pass, clear;
};

static const struct rule rules[] = {
	/* No PME, no D1 and D2. The power state is the guest's own: the function stays in D0. */
	{PCI_CAP_PM, 2, 2, 0xfe00, 0, 0, 0, 0},
	{PCI_CAP_PM, PM_STATUS, 2, 0xffff, 0x0003, 0, 0, 0},
	{PCI_CAP_PM, 6, 2, 0xffff, 0, 0, 0, 0},
	{PCI_CAP_MSIX, MSIX_CONTROL, 2, MSIX_SIZE | 0xc000, 0xc000, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x04, 4, 0x00000018, 0, 0, 0, 0}, /* no phantom functions */
	/* The guest chooses relaxed ordering and the size of read requests. No snoop is the guest's
	 * own bit and off in the function (reset.c): the kernel passes by a guest's WBINVD. dom0
	 * does the reset that the guest orders by the upper bit. */
	{PCI_CAP_EXPRESS, 0x08, 2, 0x8000, 0x0800, 0x77ff, 0x7010, 0},
	{PCI_CAP_EXPRESS, 0x0a, 2, 0, 0, 0x003f, 0, 0x000f},
	{PCI_CAP_EXPRESS, 0x0c, 4, 0xffffffff, 0, 0, 0, 0}, /* the link */
	{PCI_CAP_EXPRESS, 0x10, 4, 0xffffffff, 0, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x14, 4, 0xffffffff, 0, 0, 0, 0}, /* slot and root */
	{PCI_CAP_EXPRESS, 0x18, 4, 0xffffffff, 0, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x1c, 4, 0xffffffff, 0, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x20, 4, 0xffffffff, 0, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x28, 2, 0, 0, 0xffff, 0, 0},
	{PCI_CAP_EXPRESS, 0x2c, 4, 0xffffffff, 0, 0, 0, 0}, /* the link again */
	{PCI_CAP_EXPRESS, 0x30, 4, 0xffffffff, 0, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x34, 4, 0xffffffff, 0, 0, 0, 0},
	{PCI_CAP_EXPRESS, 0x38, 4, 0xffffffff, 0, 0, 0, 0},
};

/* Extended capabilities that a guest does not see: those that let a function reach past its domain
 * or make more functions of it, that move BARs behind dom0's back, that tell of other functions,
 * and that work by registers which a guest writes. */
static const uint16_t hidden_extended[] = {
	0x04, /* power budgeting */
	0x0d, /* access control services */
	0x0e, /* alternative routing ids */
	0x0f, /* address translation services */
	0x10, /* single root I/O virtualization */
	0x11, /* multi root I/O virtualization */
	0x12, /* multicast */
	0x13, /* page requests */
	0x15, /* resizable BARs */
	0x16, /* dynamic power allocation */
	0x1b, /* process address space ids */
	0x1e, /* L1 PM substates */
	0x1f, /* precision time measurement */
	0x24, /* resizable BARs of virtual functions */
	0x2e, /* data object exchange */
};

static uint32_t get(const uint8_t *from, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, from + offset, bytes);
	return value;
}

static void put(uint8_t *to, unsigned offset, unsigned bytes, uint32_t value)
{
	memcpy(to + offset, &value, bytes);
}

/* --- the first 256 bytes --- */

struct view {
	struct assign_space *space;
	struct pci_device *dev;
	uint8_t *config, *writable;
};

static void apply(const struct view *v, unsigned at, const struct rule *r)
{
	put(v->config, at, r->bytes, get(v->config, at, r->bytes) & ~r->hidden);
	put(v->writable, at, r->bytes, r->own);
	put(v->space->live, at, r->bytes, r->live);
	put(v->space->pass, at, r->bytes, r->pass);
	put(v->space->clear, at, r->bytes, r->clear);
}

/* One message; the function's own mask and pending bits, if it has any. */
static void make_msi(const struct view *v, unsigned at)
{
	uint32_t control = get(v->config, at + MSI_CONTROL, 2);
	unsigned data;

	v->space->msi = (uint8_t)at;
	v->space->msi_wide = control & MSI_WIDE;
	put(v->config, at + MSI_CONTROL, 2, control & MSI_SHOWN);
	put(v->writable, at + MSI_CONTROL, 2, 1);
	memset(v->config + at + 4, 0, control & MSI_WIDE ? 8 : 4);
	put(v->writable, at + 4, 4, ~3u);
	if (v->space->msi_wide)
		put(v->writable, at + 8, 4, ~0u);
	data = at + assign_space_msi_data(v->space);
	put(v->config, data, 2, 0);
	put(v->writable, data, 2, 0xffff);
	if (!(control & MSI_MASKS))
		return;
	put(v->config, data + 4, 4, 0);
	put(v->config, data + 8, 4, 0);
	v->space->pass[data + 4] = v->space->live[data + 4] = 1;
	v->space->live[data + 8] = 1;
}

static void make_msix(const struct view *v, unsigned at)
{
	unsigned vectors = v->dev->msix < ASSIGN_VECTORS ? v->dev->msix : ASSIGN_VECTORS;

	v->space->msix = (uint8_t)at;
	v->space->vectors = (uint16_t)vectors;
	put(v->config, at + MSIX_CONTROL, 2, get(v->config, at + MSIX_CONTROL, 2) | (vectors - 1));
}

/* Each function that a guest gets has a reset of one kind or another: for the guest it is the
 * function's own. */
static void make_express(const struct view *v, unsigned at)
{
	uint32_t flags = get(v->config, at + EXPRESS_FLAGS, 2);

	v->space->express = (uint8_t)at;
	put(v->config, at + EXPRESS_CAN, 4, get(v->config, at + EXPRESS_CAN, 4) | EXPRESS_CAN_FLR);
	put(v->config, at + EXPRESS_FLAGS, 2, (flags & ~(EXPRESS_TYPE | 0x100u)) | TYPE_INTEGRATED);
}

/* How many bytes a capability has; 0: it is hidden. */
static unsigned length(struct pci_device *dev, unsigned at, uint8_t id)
{
	uint32_t control = pci_read(dev, at + 2, 2);

	switch (id) {
	case PCI_CAP_PM:
	case CAP_SATA:
		return 8;
	case PCI_CAP_MSI:
		return (control & MSI_WIDE ? 14u : 10u) + (control & MSI_MASKS ? 10u : 0);
	case CAP_VENDOR:
		return control & 0xff;
	case CAP_DEBUG_PORT:
		return 4;
	case PCI_CAP_EXPRESS:
		return (control & EXPRESS_VERSION) >= 2 ? 0x3c : 0x14;
	case PCI_CAP_MSIX:
		return dev->msix ? 12 : 0;
	default:
		return 0;
	}
}

/* A hidden capability's bytes are 0, and so are the rest that no capability has. */
static void make_capability(const struct view *v, unsigned at, uint8_t id, unsigned bytes)
{
	for (unsigned i = 2; i < bytes; i++)
		v->config[at + i] = (uint8_t)pci_read(v->dev, at + i, 1);
	if (id == CAP_VENDOR)
		memset(v->space->live + at + 2, 0xff, bytes - 2);
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].cap == id && rules[i].offset + rules[i].bytes <= bytes)
			apply(v, at + rules[i].offset, &rules[i]);
	if (id == PCI_CAP_PM)
		v->config[at + PM_STATUS] |= PM_NO_SOFT_RST;
	else if (id == PCI_CAP_MSI)
		make_msi(v, at);
	else if (id == PCI_CAP_MSIX)
		make_msix(v, at);
	else if (id == PCI_CAP_EXPRESS)
		make_express(v, at);
}

/* The first byte after `at` that begins a capability, or the end of the space. */
static unsigned next_above(const uint8_t *offsets, unsigned count, unsigned at)
{
	unsigned end = SPACE_BYTES;

	for (unsigned i = 0; i < count; i++)
		if (offsets[i] > at && offsets[i] < end)
			end = offsets[i];
	return end;
}

/* The offsets of all capabilities, in the order of the list; one that comes again ends it. */
static unsigned list(struct pci_device *dev, uint8_t offsets[CAPS_MOST])
{
	unsigned at, count = 0;

	if (!(pci_read(dev, PCI_STATUS, 1) & STATUS_CAPS))
		return 0;
	at = pci_read(dev, CAPABILITIES, 1) & 0xfc;
	while (at >= FIRST_CAP && count < CAPS_MOST && !memchr(offsets, (int)at, count)) {
		offsets[count++] = (uint8_t)at;
		at = pci_read(dev, at + 1, 1) & 0xfc;
	}
	return count;
}

static void make_capabilities(const struct view *v)
{
	uint8_t offsets[CAPS_MOST];
	unsigned count = list(v->dev, offsets), last = CAPABILITIES;
	bool seen[256] = {false};

	for (unsigned i = 0; i < count; i++) {
		unsigned at = offsets[i], room = next_above(offsets, count, at) - at;
		uint8_t id = (uint8_t)pci_read(v->dev, at, 1);
		unsigned bytes = length(v->dev, at, id);

		/* Of each kind but the vendor's own the first counts. */
		if (bytes < 3 || bytes > room || (seen[id] && id != CAP_VENDOR))
			continue;
		seen[id] = true;
		v->config[last] = (uint8_t)at;
		v->config[at] = id;
		v->config[at + 1] = 0;
		last = at + 1;
		make_capability(v, at, id, bytes);
	}
	if (last != CAPABILITIES)
		v->config[PCI_STATUS] |= STATUS_CAPS;
}

/* --- the extended part --- */

static bool is_hidden(uint16_t id)
{
	for (unsigned i = 0; i < sizeof(hidden_extended) / sizeof(hidden_extended[0]); i++)
		if (hidden_extended[i] == id)
			return true;
	return false;
}

static void show(struct assign_space *space, unsigned at, uint32_t header)
{
	if (space->extendeds == SPACE_EXTENDEDS)
		return;
	if (space->extendeds)
		space->extended[space->extendeds - 1].header |= at << 20;
	space->extended[space->extendeds++] =
		(struct assign_extended){(uint16_t)at, EXTENDED_END, header & 0xfffff};
}

/* A capability, shown or hidden, ends what is in front of it. */
static void cut(struct assign_space *space, unsigned at)
{
	for (unsigned i = 0; i < space->extendeds; i++)
		if (space->extended[i].at < at && space->extended[i].end > at)
			space->extended[i].end = (uint16_t)at;
}

static void make_extended(struct assign_space *space, struct pci_device *dev)
{
	uint16_t offsets[SPACE_EXTENDEDS];
	unsigned count = 0;

	for (unsigned at = EXTENDED_FIRST; at >= EXTENDED_FIRST && count < SPACE_EXTENDEDS;) {
		uint32_t header = pci_read(dev, at, 4);

		if (!header || header == UINT32_MAX)
			break;
		/* The list begins at its fixed place, with a capability that says nothing if the
		 * one there is hidden. */
		if (!is_hidden((uint16_t)header))
			show(space, at, header);
		else if (at == EXTENDED_FIRST)
			show(space, at, 0x10000);
		offsets[count++] = (uint16_t)at;
		at = header >> 20 & 0xffc;
	}
	for (unsigned i = 0; i < count; i++)
		cut(space, offsets[i]);
	if (space->extendeds == 1 && !(space->extended[0].header & 0xffff))
		space->extendeds = 0;
	else if (space->extendeds && !(space->extended[0].header & 0xffff))
		space->extended[0].end = EXTENDED_FIRST + 4;
}

/* --- for the others --- */

void assign_space_make(struct assign_space *space, struct pci_device *dev, uint8_t *config,
		       uint8_t *writable)
{
	const struct view view = {space, dev, config, writable};

	memset(space, 0, sizeof(*space));
	space->live[PCI_STATUS + 1] = space->clear[PCI_STATUS + 1] = STATUS_ERRORS;
	make_capabilities(&view);
	if (pci_find_capability(dev, PCI_CAP_EXPRESS))
		make_extended(space, dev);
}

void assign_space_refresh(const struct assign_space *space, struct pci_device *dev, uint8_t *config,
			  unsigned offset, unsigned size)
{
	for (unsigned i = offset; i < offset + size; i++) {
		uint8_t live = space->live[i];

		if (live)
			config[i] = (uint8_t)((config[i] & ~live) | (pci_read(dev, i, 1) & live));
	}
}

/* By words of 16 bits, in which bits that a 1 clears are alone or get a 0. */
void assign_space_forward(const struct assign_space *space, struct pci_device *dev, unsigned offset,
			  unsigned size, uint32_t value)
{
	for (unsigned at = offset & ~1u; at < offset + size; at += 2) {
		uint32_t mask = 0, bits = 0, old;

		for (unsigned i = at; i < at + 2; i++) {
			uint32_t byte = space->pass[i] | space->clear[i];

			if (i < offset || i >= offset + size)
				continue;
			mask |= byte << 8 * (i - at);
			bits |= (value >> 8 * (i - offset) & byte) << 8 * (i - at);
		}
		if (!mask)
			continue;
		old = pci_read(dev, at, 2) & ~get(space->clear, at, 2);
		pci_write(dev, at, 2, (old & ~mask) | bits);
	}
}

bool assign_space_resets(const struct assign_space *space, unsigned offset, unsigned size,
			 uint32_t value)
{
	unsigned at = space->express + EXPRESS_CONTROL + 1u;

	return space->express && at >= offset && at < offset + size &&
	       value >> 8 * (at - offset) & EXPRESS_FLR >> 8;
}

uint32_t assign_space_extended(const struct assign_space *space, struct pci_device *dev,
			       unsigned offset, unsigned size)
{
	for (unsigned i = 0; i < space->extendeds; i++) {
		const struct assign_extended *e = &space->extended[i];

		if (offset < e->at || offset >= e->end)
			continue;
		if (offset - e->at >= 4)
			return pci_read(dev, offset, size);
		return e->header >> 8 * (offset - e->at);
	}
	return 0;
}

unsigned assign_space_msi_data(const struct assign_space *space)
{
	return space->msi_wide ? 12 : 8;
}
