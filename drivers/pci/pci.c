/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space, what functions there are, and their BARs. */
#include "drivers/pci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS         0xcf8u /* PCI 3.0, 3.2.2.3.2 */
#define PORTS_COUNT   8u
#define ADDRESS       0u
#define DATA          4u
#define ADDRESS_VALID 0x80000000u

#define VENDOR       0x00u
#define CLASS        0x08u /* and the revision in the lowest byte */
#define HEADER       0x0eu
#define SUBVENDOR    0x2cu
#define SUBDEVICE    0x2eu
#define CAPABILITIES 0x34u
#define INTERRUPT    0x3cu /* line, then pin */

#define STATUS_CAPABILITIES 0x10u
#define HEADER_MULTI        0x80u
#define CAPABILITY_STEPS    48u /* as many as fit between 0x40 and 0xff */

#define CLASS_MEMORY  0x05u
#define CLASS_BRIDGE  0x06u
#define CLASS_SYSTEM  0x08u
#define CLASS_DISPLAY 0x03u
#define CLASS_IDE     0x0101u

#define BAR_IO 1u
#define BAR_64 4u

#define MSIX_CONTROL 2u
#define MSIX_TABLE   4u
#define MSIX_ENTRY   16u

static uint32_t ports, selected;

/* The dword at an offset of a function is chosen: its bytes are at DATA. */
static uint32_t choose(uint16_t bdf, unsigned offset)
{
	uint32_t address = ADDRESS_VALID | (uint32_t)bdf << 8 | (offset & 0xfc);

	if (address != selected)
		port_write(ports, ADDRESS, 4, address);
	selected = address;
	return DATA + (offset & 3);
}

static uint32_t config_read(uint16_t bdf, unsigned offset, unsigned bytes)
{
	uint32_t at = choose(bdf, offset);

	return port_read(ports, at, bytes);
}

uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	return config_read(dev->bdf, offset, bytes);
}

void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	uint32_t at = choose(dev->bdf, offset);

	port_write(ports, at, bytes, value);
}

void pci_change(struct pci_device *dev, unsigned offset, uint32_t clear, uint32_t set)
{
	pci_write(dev, offset, 2, (pci_read(dev, offset, 2) & ~clear) | set);
}

unsigned pci_find_capability(struct pci_device *dev, uint8_t id)
{
	unsigned at;

	if (!(pci_read(dev, PCI_STATUS, 2) & STATUS_CAPABILITIES))
		return 0;
	at = pci_read(dev, CAPABILITIES, 1) & 0xfc;
	for (unsigned i = 0; i < CAPABILITY_STEPS && at >= 0x40; i++) {
		uint32_t head = pci_read(dev, at, 2);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

bool pci_legacy_ide(const struct pci_device *dev, unsigned channel)
{
	return dev->class_code >> 8 == CLASS_IDE && channel < 2 &&
	       !(dev->class_code >> 2 * channel & 1);
}

/* --- BARs --- */

/* The bits that stick when all ones are written tell the size (PCI 3.0, 6.2.5.1). */
static uint32_t size_bits(struct pci_device *dev, unsigned bar)
{
	uint32_t bits;

	pci_write(dev, PCI_BAR0 + 4 * bar, 4, UINT32_MAX);
	bits = pci_read(dev, PCI_BAR0 + 4 * bar, 4);
	pci_write(dev, PCI_BAR0 + 4 * bar, 4, dev->bar_value[bar]);
	return bits;
}

/* Reads BAR i, and the next if it is one of 64 bits: true then. What firmware has not placed
 * is of no use to anybody. */
static bool read_bar(struct pci_device *dev, unsigned i)
{
	uint32_t value = dev->bar_value[i], fixed = value & BAR_IO ? 3 : 15;
	bool wide = (value & (BAR_IO | 6)) == BAR_64 && i < 5;
	uint64_t base = value & ~fixed, bits = size_bits(dev, i) & ~fixed;

	if (value & BAR_IO) {
		base &= 0xffff;
		bits &= 0xffff;
	}
	if (wide) {
		base |= (uint64_t)dev->bar_value[i + 1] << 32;
		bits |= (uint64_t)size_bits(dev, i + 1) << 32;
	}
	bits &= -bits;
	if (base && base + bits >= base)
		dev->bar[i] = (struct pci_bar){.base = base, .size = bits, .io = value & BAR_IO};
	return wide;
}

/* Decoding is off while the BARs hold sizes instead of addresses. */
static void read_bars(struct pci_device *dev)
{
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);

	for (unsigned i = 0; i < 6; i++)
		dev->bar_value[i] = pci_read(dev, PCI_BAR0 + 4 * i, 4);
	pci_write(dev, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned i = 0; i < 6; i++)
		i += read_bar(dev, i);
	for (unsigned i = 0; i < 2; i++) {
		if (!pci_legacy_ide(dev, i))
			continue;
		dev->bar[2 * i] = (struct pci_bar){.base = 0x1f0 - 0x80 * i, .size = 8, .io = true};
		dev->bar[2 * i + 1] =
			(struct pci_bar){.base = 0x3f6 - 0x80 * i, .size = 1, .io = true};
	}
	pci_write(dev, PCI_COMMAND, 2, command);
}

uint32_t pci_port_read(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes)
{
	struct pci_bar *b = &dev->bar[bar];

	if (!b->ports && b->io)
		b->ports = ports_open((uint16_t)b->base, (uint32_t)b->size);
	return b->ports ? port_read(b->ports, offset, bytes) : UINT32_MAX >> (32 - 8 * bytes);
}

void pci_port_write(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes,
		    uint32_t value)
{
	struct pci_bar *b = &dev->bar[bar];

	if (!b->ports && b->io)
		b->ports = ports_open((uint16_t)b->base, (uint32_t)b->size);
	if (b->ports)
		port_write(b->ports, offset, bytes, value);
}

volatile void *pci_map(struct pci_device *dev, unsigned bar)
{
	struct pci_bar *b = &dev->bar[bar];

	if (bar >= 6 || !b->size || b->io)
		return NULL;
	if (!b->mapped)
		b->mapped = registers_map(b->base, b->size);
	return b->mapped;
}

void pci_enable(struct pci_device *dev)
{
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);

	pci_write(dev, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned i = 0; i < 6; i++)
		pci_write(dev, PCI_BAR0 + 4 * i, 4, dev->bar_value[i]);
	pci_write(dev, PCI_COMMAND, 2,
		  command | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* --- what there is --- */

static void read_messages(struct pci_device *dev)
{
	unsigned at = pci_find_capability(dev, PCI_CAP_MSIX);
	uint32_t entries, table;
	const struct pci_bar *bar;

	dev->msi_cap = (uint8_t)pci_find_capability(dev, PCI_CAP_MSI);
	dev->msi = dev->msi_cap != 0;
	if (!at)
		return;
	entries = (pci_read(dev, at + MSIX_CONTROL, 2) & 0x7ff) + 1;
	table = pci_read(dev, at + MSIX_TABLE, 4);
	dev->msix_bar = table & 7;
	dev->msix_offset = table & ~7u;
	if (dev->msix_bar > 5)
		return;
	bar = &dev->bar[dev->msix_bar];
	if (bar->io || dev->msix_offset > bar->size ||
	    entries * MSIX_ENTRY > bar->size - dev->msix_offset)
		return;
	dev->msix = (uint16_t)entries;
	dev->msix_cap = (uint8_t)at;
}

/* Bridges, memory controllers and system devices (interrupt controllers, IOMMUs) stay as they
 * are: to size their BARs could take the ground from under us. */
static bool is_endpoint(struct pci_device *dev)
{
	uint32_t class = dev->class_code >> 16;

	return !(pci_read(dev, HEADER, 1) & ~HEADER_MULTI) && class != CLASS_BRIDGE &&
	       class != CLASS_MEMORY && class != CLASS_SYSTEM;
}

/* A display may need to master the bus to go on showing messages. */
static void quiet(struct pci_device *dev)
{
	pci_change(dev, PCI_COMMAND,
		   dev->class_code >> 16 == CLASS_DISPLAY ? 0 : PCI_COMMAND_MASTER,
		   PCI_COMMAND_INTX_OFF);
	pci_messages_off(dev);
}

static struct pci_device *describe(uint16_t bdf, uint32_t id)
{
	struct pci_device *dev = calloc(1, sizeof(*dev));
	uint32_t interrupt;

	if (!dev)
		return NULL;
	dev->bdf = bdf;
	dev->vendor = (uint16_t)id;
	dev->device = (uint16_t)(id >> 16);
	dev->class_code = pci_read(dev, CLASS, 4) >> 8;
	if (!is_endpoint(dev)) {
		free(dev);
		return NULL;
	}
	dev->subvendor = (uint16_t)pci_read(dev, SUBVENDOR, 2);
	dev->subdevice = (uint16_t)pci_read(dev, SUBDEVICE, 2);
	interrupt = pci_read(dev, INTERRUPT, 2);
	dev->irq_line = (uint8_t)interrupt;
	dev->irq_pin = (uint8_t)(interrupt >> 8);
	snprintf(dev->name, sizeof(dev->name), "%02x:%02x.%x", bdf >> 8, bdf >> 3 & 31, bdf & 7);
	read_bars(dev);
	read_messages(dev);
	quiet(dev);
	driver_log("pci: %s %04x:%04x class %06x irq %u, %u MSI, %u MSI-X\n", dev->name,
		   dev->vendor, dev->device, (unsigned)dev->class_code, dev->irq_line, dev->msi,
		   dev->msix);
	return dev;
}

/* Every bus number is tried: machines have root buses that no bridge leads to. */
struct pci_device *pci_scan(void)
{
	struct pci_device *first = NULL, **last = &first;

	selected = 0;
	ports = ports_open(PORTS, PORTS_COUNT);
	for (uint32_t bdf = 0; ports && bdf < 0x10000; bdf++) {
		uint32_t id = config_read((uint16_t)bdf, VENDOR, 4);
		bool there = (id & 0xffff) != 0xffff && (id & 0xffff) != 0;

		if (there && (*last = describe((uint16_t)bdf, id)))
			last = &(*last)->next;
		if (!(bdf & 7) &&
		    (!there || !(config_read((uint16_t)bdf, HEADER, 1) & HEADER_MULTI)))
			bdf |= 7; /* no function 0, or no others */
	}
	return first;
}

void pci_start(void)
{
	struct pci_device *dev = pci_scan();

	if (!ports)
		driver_log("pci: no access to configuration space\n");
	for (; dev; dev = dev->next)
		for (unsigned i = 0; pci_drivers[i] && !pci_drivers[i]->probe(dev);)
			i++;
}
