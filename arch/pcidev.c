/* SPDX-License-Identifier: BSD-2-Clause */
/* What PCI functions there are, and their message-signalled interrupts. */

#include "arch/cpu.h"
#include "arch/paging.h"
#include "arch/pci.h"

#define PCI_VENDOR        0x00u
#define PCI_DEVICE        0x02u
#define PCI_CLASS         0x08u /* and the revision in the lowest byte */
#define PCI_HEADER        0x0eu
#define PCI_SUBVENDOR     0x2cu
#define PCI_SUBDEVICE     0x2eu
#define PCI_CAPABILITIES  0x34u
#define PCI_INTERRUPT_PIN 0x3du

#define STATUS_CAPABILITIES 0x10u
#define HEADER_MULTI        0x80u
#define CAPABILITY_STEPS    48u /* as many as fit between 0x40 and 0xff */

#define BAR_IO        1u
#define BAR_64        4u
#define BAR_PREFETCH  8u
#define INFO_IO       1u /* flags of struct sampo_bar */
#define INFO_64       2u
#define INFO_PREFETCH 4u

#define MSI_CONTROL 2u
#define MSI_ADDRESS 4u
#define MSI_ENABLE  0x01u
#define MSI_COUNT   0x70u /* vectors enabled, as a power of two */
#define MSI_64      0x80u
#define MSI_MASKING 0x100u

#define MSIX_CONTROL  2u
#define MSIX_TABLE    4u
#define MSIX_ENABLE   0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_ENTRY    16u
#define MSIX_MASKED   1u

unsigned pci_find_capability(uint16_t bdf, uint8_t id)
{
	unsigned at;

	if (!(pci_read(bdf, PCI_STATUS, 2) & STATUS_CAPABILITIES))
		return 0;
	at = pci_read(bdf, PCI_CAPABILITIES, 1) & 0xfc;
	for (unsigned i = 0; i < CAPABILITY_STEPS && at >= 0x40; i++) {
		uint32_t head = pci_read(bdf, at, 2);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

/* The bits that stick when all ones are written tell the size (PCI 3.0, 6.2.5.1). */
static uint32_t size_bits(uint16_t bdf, unsigned offset, uint32_t value)
{
	uint32_t bits;

	pci_write(bdf, offset, 4, UINT32_MAX);
	bits = pci_read(bdf, offset, 4);
	pci_write(bdf, offset, 4, value);
	return bits;
}

/* Reads BAR i, and the next if it is one of 64 bits: true then. What firmware has not placed
 * is of no use to anybody. */
static bool read_bar(struct pci_function *f, unsigned i)
{
	uint32_t value = f->bar_value[i], fixed = value & BAR_IO ? 3 : 15;
	bool wide = (value & (BAR_IO | 6)) == BAR_64 && i < 5;
	uint64_t base = value & ~fixed;
	uint64_t bits = size_bits(f->info.bdf, PCI_BAR0 + 4 * i, value) & ~fixed;
	uint32_t flags = wide ? INFO_64 : 0;

	if (value & BAR_IO) {
		base &= 0xffff;
		bits &= 0xffff;
		flags |= INFO_IO;
	} else if (value & BAR_PREFETCH) {
		flags |= INFO_PREFETCH;
	}
	if (wide) {
		value = f->bar_value[i + 1];
		base |= (uint64_t)value << 32;
		bits |= (uint64_t)size_bits(f->info.bdf, PCI_BAR0 + 4 * i + 4, value) << 32;
	}
	bits &= -bits;
	if (base && base + bits >= base)
		f->info.bar[i] = (struct sampo_bar){.base = base, .size = bits, .flags = flags};
	return wide;
}

/* Decoding is off while the BARs hold sizes instead of addresses. */
static void read_bars(struct pci_function *f)
{
	uint32_t command = pci_read(f->info.bdf, PCI_COMMAND, 2);

	for (unsigned i = 0; i < 6; i++)
		f->bar_value[i] = pci_read(f->info.bdf, PCI_BAR0 + 4 * i, 4);
	pci_write(f->info.bdf, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned i = 0; i < 6; i++)
		i += read_bar(f, i);
	for (unsigned i = 0; i < 2; i++) {
		if (!pci_legacy_ide(&f->info, i))
			continue;
		f->info.bar[2 * i] = (struct sampo_bar){0x1f0 - 0x80 * i, 8, INFO_IO, 0};
		f->info.bar[2 * i + 1] = (struct sampo_bar){0x3f6 - 0x80 * i, 1, INFO_IO, 0};
	}
	pci_write(f->info.bdf, PCI_COMMAND, 2, command);
}

static void read_msix(struct pci_function *f, unsigned at)
{
	uint32_t entries = (pci_read(f->info.bdf, at + MSIX_CONTROL, 2) & 0x7ff) + 1;
	uint32_t table = pci_read(f->info.bdf, at + MSIX_TABLE, 4), offset = table & ~7u;
	const struct sampo_bar *bar = f->info.bar;

	if ((table & 7) > 5)
		return;
	bar += table & 7;
	if (bar->flags & INFO_IO || offset > bar->size || entries * MSIX_ENTRY > bar->size - offset)
		return;
	f->info.msix = (uint16_t)entries;
	f->msix_cap = (uint8_t)at;
	f->msix_table = bar->base + offset;
}

bool pci_probe(uint16_t bdf, struct pci_function *f)
{
	uint32_t id = pci_read(bdf, PCI_VENDOR, 4), class, at;

	if ((id & 0xffff) == 0xffff || (id & 0xffff) == 0)
		return false;
	class = pci_read(bdf, PCI_CLASS, 4);
	*f = (struct pci_function){0};
	f->info.bdf = bdf;
	f->info.vendor = (uint16_t)id;
	f->info.device = (uint16_t)(id >> 16);
	f->info.class_code = class >> 8;
	f->info.revision = (uint8_t) class;
	f->info.header = (uint8_t)pci_read(bdf, PCI_HEADER, 1);
	/* Bridges, memory controllers and system devices (interrupt controllers, IOMMUs)
	 * stay as they are: to size their BARs could take the ground from under us. */
	class >>= 24;
	if (f->info.header & ~HEADER_MULTI || class == PCI_CLASS_BRIDGE ||
	    class == PCI_CLASS_MEMORY || class == PCI_CLASS_SYSTEM)
		return true;
	f->info.subvendor = (uint16_t)pci_read(bdf, PCI_SUBVENDOR, 2);
	f->info.subdevice = (uint16_t)pci_read(bdf, PCI_SUBDEVICE, 2);
	f->info.irq_line = (uint8_t)pci_read(bdf, PCI_INTERRUPT_LINE, 1);
	f->info.irq_pin = (uint8_t)pci_read(bdf, PCI_INTERRUPT_PIN, 1);
	f->endpoint = true;
	read_bars(f);
	f->msi_cap = (uint8_t)pci_find_capability(bdf, PCI_CAP_MSI);
	f->info.msi = f->msi_cap != 0;
	at = pci_find_capability(bdf, PCI_CAP_MSIX);
	if (at)
		read_msix(f, at);
	return true;
}

/* Every bus number is tried: machines have root buses that no bridge leads to. */
void pci_scan(bool (*found)(const struct pci_function *f))
{
	struct pci_function f;

	for (uint32_t bdf = 0; bdf < 0x10000; bdf++) {
		bool there = pci_probe((uint16_t)bdf, &f);

		if (there && f.endpoint && !found(&f))
			return;
		if (!(bdf & 7) && (!there || !(f.info.header & HEADER_MULTI)))
			bdf |= 7; /* no function 0, or no others */
	}
}

void pci_restore_bars(const struct pci_function *f)
{
	for (unsigned i = 0; i < 6; i++)
		pci_write(f->info.bdf, PCI_BAR0 + 4 * i, 4, f->bar_value[i]);
}

/* Changes a register of two bytes. */
static void change(const struct pci_function *f, unsigned at, uint32_t clear, uint32_t set)
{
	pci_write(f->info.bdf, at, 2, (pci_read(f->info.bdf, at, 2) & ~clear) | set);
}

void pci_command(const struct pci_function *f, uint32_t clear, uint32_t set)
{
	change(f, PCI_COMMAND, clear, set);
}

/* PCI 3.0, 6.8.1 */
void pci_msi_set(const struct pci_function *f, uint32_t address, uint32_t data)
{
	uint16_t bdf = f->info.bdf;
	unsigned at = f->msi_cap;
	uint32_t control = pci_read(bdf, at + MSI_CONTROL, 2) & ~(MSI_ENABLE | MSI_COUNT);
	unsigned data_at = at + (control & MSI_64 ? 12 : 8);

	pci_write(bdf, at + MSI_CONTROL, 2, control);
	pci_write(bdf, at + MSI_ADDRESS, 4, address);
	if (control & MSI_64)
		pci_write(bdf, at + MSI_ADDRESS + 4, 4, 0);
	pci_write(bdf, data_at, 2, data);
	if (control & MSI_MASKING)
		pci_write(bdf, data_at + 4, 4, 0);
	pci_write(bdf, at + MSI_CONTROL, 2, control | MSI_ENABLE);
}

static volatile uint8_t *msix_entry(const struct pci_function *f, unsigned index)
{
	volatile uint8_t *table = mmio_map(f->msix_table, f->info.msix * MSIX_ENTRY);

	return table ? table + index * MSIX_ENTRY : NULL;
}

/* PCI 3.0, 6.8.2. The first time every entry is masked: firmware may have left anything. */
bool pci_msix_set(const struct pci_function *f, unsigned index, uint32_t address, uint32_t data)
{
	volatile uint8_t *table = msix_entry(f, 0), *entry;
	unsigned at = f->msix_cap + MSIX_CONTROL;

	if (!table)
		return false;
	entry = table + index * MSIX_ENTRY;
	pci_command(f, 0, PCI_COMMAND_MEMORY);
	if (!(pci_read(f->info.bdf, at, 2) & MSIX_ENABLE)) {
		change(f, at, 0, MSIX_ENABLE | MSIX_MASK_ALL);
		for (unsigned i = 0; i < f->info.msix; i++)
			mmio_write32(table + i * MSIX_ENTRY + 12, MSIX_MASKED);
		change(f, at, MSIX_MASK_ALL, 0);
	}
	mmio_write32(entry + 12, MSIX_MASKED);
	mmio_write32(entry, address);
	mmio_write32(entry + 4, 0);
	mmio_write32(entry + 8, data);
	mmio_write32(entry + 12, 0);
	return true;
}

void pci_msix_mask(const struct pci_function *f, unsigned index)
{
	volatile uint8_t *entry = msix_entry(f, index);

	if (entry)
		mmio_write32(entry + 12, MSIX_MASKED);
}

void pci_messages_off(const struct pci_function *f)
{
	if (f->msi_cap)
		change(f, f->msi_cap + MSI_CONTROL, MSI_ENABLE, 0);
	if (f->msix_cap)
		change(f, f->msix_cap + MSIX_CONTROL, MSIX_ENABLE, 0);
}
