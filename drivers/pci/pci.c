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
#define SECONDARY    0x19u /* of a bridge */
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

#define SPACE          256u /* bytes that the ports reach */
#define EXTENDED_SPACE 4096u
#define EXTENDED_STEPS 480u /* as many capabilities as fit between 0x100 and 0xfff */

static uint32_t ports, selected;
static struct pci_device *functions;
static struct {
	uint64_t base; /* 0: not in memory */
	uint8_t first, last;
} extended;

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

void pci_extended_at(uint64_t base, uint8_t first, uint8_t last)
{
	extended.base = base;
	extended.first = first;
	extended.last = last;
}

/* Is the function's configuration space in memory, and the access within it? */
static bool is_extended(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	uint8_t bus = (uint8_t)(dev->bdf >> 8);

	if (!dev->extended && extended.base && bus >= extended.first && bus <= extended.last)
		dev->extended = registers_map(extended.base + (uint64_t)dev->bdf * EXTENDED_SPACE,
					      EXTENDED_SPACE);
	return dev->extended && offset + bytes <= EXTENDED_SPACE;
}

static uint32_t extended_read(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	if (!is_extended(dev, offset, bytes))
		return UINT32_MAX >> (32 - 8 * bytes);
	if (bytes == 4)
		return *(volatile uint32_t *)(dev->extended + offset);
	return bytes == 2 ? *(volatile uint16_t *)(dev->extended + offset) : dev->extended[offset];
}

static void extended_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	if (!is_extended(dev, offset, bytes))
		return;
	if (bytes == 4)
		*(volatile uint32_t *)(dev->extended + offset) = value;
	else if (bytes == 2)
		*(volatile uint16_t *)(dev->extended + offset) = (uint16_t)value;
	else
		dev->extended[offset] = (uint8_t)value;
}

uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	if (offset >= SPACE)
		return extended_read(dev, offset, bytes);
	return config_read(dev->bdf, offset, bytes);
}

void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	uint32_t at;

	if (offset >= SPACE) {
		extended_write(dev, offset, bytes, value);
		return;
	}
	at = choose(dev->bdf, offset);
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

/* PCIe 5.0, 7.6.3: id, version, offset of the next one. All zero: there are none. */
unsigned pci_find_extended(struct pci_device *dev, uint16_t id)
{
	unsigned at = SPACE;

	for (unsigned i = 0; i < EXTENDED_STEPS && at >= SPACE; i++) {
		uint32_t head = pci_read(dev, at, 4);

		if (!head || head == UINT32_MAX)
			return 0;
		if ((head & 0xffff) == id)
			return at;
		at = head >> 20 & 0xffc;
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

/* Reads BAR i, and the next if it is one of 64 bits: true then. A BAR that firmware has not placed
 * is of no use. */
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

static void open_device(struct pci_device *dev, const char *name)
{
	if (!dev->handle)
		dev->handle = device_open(dev->bdf, name);
}

uint32_t pci_handle(struct pci_device *dev)
{
	open_device(dev, dev->name);
	return dev->handle;
}

void pci_restore_bars(struct pci_device *dev)
{
	for (unsigned i = 0; i < 6; i++)
		pci_write(dev, PCI_BAR0 + 4 * i, 4, dev->bar_value[i]);
}

void pci_enable(struct pci_device *dev, const char *name)
{
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);

	open_device(dev, name);
	pci_write(dev, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	pci_restore_bars(dev);
	pci_write(dev, PCI_COMMAND, 2,
		  command | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* --- what there is --- */

/* A virtual function has no vendor in its own registers (PCIe 5.0, 9.3.4.1.1). */
bool pci_answers(struct pci_device *dev)
{
	if (dev->physical)
		return pci_read(dev, PCI_COMMAND, 4) != UINT32_MAX;
	return pci_read(dev, VENDOR, 2) == dev->vendor;
}

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

	return !dev->header && class != CLASS_BRIDGE && class != CLASS_MEMORY &&
	       class != CLASS_SYSTEM;
}

/* A display may need to master the bus to go on showing messages. */
static void quiet(struct pci_device *dev)
{
	pci_change(dev, PCI_COMMAND,
		   dev->class_code >> 16 == CLASS_DISPLAY ? 0 : PCI_COMMAND_MASTER,
		   PCI_COMMAND_INTX_OFF);
	pci_messages_off(dev);
}

static void set_name(struct pci_device *dev)
{
	snprintf(dev->name, sizeof(dev->name), "%02x:%02x.%x", dev->bdf >> 8, dev->bdf >> 3 & 31,
		 dev->bdf & 7);
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
	dev->header = (uint8_t)pci_read(dev, HEADER, 1);
	dev->multifunction = dev->header & HEADER_MULTI || bdf & 7;
	dev->header &= (uint8_t)~HEADER_MULTI;
	set_name(dev);
	if (dev->header == PCI_HEADER_BRIDGE)
		dev->secondary = (uint8_t)pci_read(dev, SECONDARY, 1);
	dev->endpoint = is_endpoint(dev);
	if (!dev->endpoint)
		return dev;
	dev->subvendor = (uint16_t)pci_read(dev, SUBVENDOR, 2);
	dev->subdevice = (uint16_t)pci_read(dev, SUBDEVICE, 2);
	interrupt = pci_read(dev, INTERRUPT, 2);
	dev->irq_line = (uint8_t)interrupt;
	dev->irq_pin = (uint8_t)(interrupt >> 8);
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

		if (there)
			*last = describe((uint16_t)bdf, id);
		if (*last)
			last = &(*last)->next;
		if (!(bdf & 7) &&
		    (!there || !(config_read((uint16_t)bdf, HEADER, 1) & HEADER_MULTI)))
			bdf |= 7; /* no function 0, or no others */
	}
	functions = first;
	return first;
}

struct pci_device *pci_first(void)
{
	return functions;
}

struct pci_device *pci_at(uint16_t bdf)
{
	struct pci_device *dev = functions;

	while (dev && dev->bdf != bdf)
		dev = dev->next;
	return dev;
}

struct pci_device *pci_parent(const struct pci_device *dev)
{
	uint8_t bus = (uint8_t)(dev->bdf >> 8);
	struct pci_device *found = NULL;

	for (struct pci_device *d = functions; d && bus; d = d->next)
		if (d->header == PCI_HEADER_BRIDGE && d->secondary == bus && d->bdf >> 8 != bus)
			found = d;
	return found;
}

struct pci_device *pci_virtual_add(struct pci_device *physical, uint16_t bdf, uint16_t device,
				   const struct pci_bar bar[6], const uint32_t bar_value[6])
{
	struct pci_device *dev = calloc(1, sizeof(*dev)), *before = physical;

	if (!dev)
		return NULL;
	dev->bdf = bdf;
	dev->physical = physical;
	dev->vendor = physical->vendor;
	dev->device = device;
	dev->class_code = pci_read(dev, CLASS, 4) >> 8;
	dev->subvendor = (uint16_t)pci_read(dev, SUBVENDOR, 2);
	dev->subdevice = (uint16_t)pci_read(dev, SUBDEVICE, 2);
	dev->endpoint = true;
	set_name(dev);
	memcpy(dev->bar, bar, sizeof(dev->bar));
	memcpy(dev->bar_value, bar_value, sizeof(dev->bar_value));
	read_messages(dev);
	quiet(dev);
	while (before->next && before->next->bdf < bdf)
		before = before->next;
	dev->next = before->next;
	before->next = dev;
	return dev;
}

void pci_virtual_remove(struct pci_device *dev)
{
	struct pci_device **link = &functions;

	while (*link && *link != dev)
		link = &(*link)->next;
	if (*link)
		*link = dev->next;
	if (dev->extended)
		registers_unmap(dev->extended, EXTENDED_SPACE);
	free(dev);
}

static void offer(struct pci_device *dev)
{
	for (unsigned i = 0; pci_drivers[i] && !dev->driver; i++)
		if (pci_drivers[i]->probe(dev))
			dev->driver = pci_drivers[i]->name;
}

void pci_start(bool (*reserved)(const struct pci_device *dev))
{
	struct pci_device *dev = pci_scan();

	if (!ports)
		driver_log("pci: no access to configuration space\n");
	for (; dev; dev = dev->next)
		if (dev->endpoint && !(reserved && reserved(dev)))
			offer(dev);
}
