/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/pci.h"

#include "guests/lib/cpu.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

/* PCI 3.0, 6.1 and 6.2 */
#define REG_COMMAND      0x04u
#define COMMAND_ALL      0x07u
#define REG_BAR0         0x10u
#define BAR_IO           0x1u
#define BAR_64           0x4u
#define REG_CAPABILITIES 0x34u
#define SLOTS            32u
#define CAPABILITIES     48u

/* PCI 3.0, 6.8.2 */
#define MSIX_CONTROL  0x02u
#define MSIX_TABLE    0x04u
#define MSIX_ENABLE   0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_COUNT    0x07ffu
#define MSI_ADDRESS   0xfee00000u

static void select(unsigned slot, unsigned offset)
{
	outl(CONFIG_ADDRESS, CONFIG_ENABLE | slot << 11 | (offset & 0xfc));
}

uint32_t pci_config_read(unsigned slot, unsigned offset, unsigned bytes)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));

	select(slot, offset);
	if (bytes == 1)
		return inb(port);
	return bytes == 2 ? inw(port) : inl(port);
}

void pci_config_write(unsigned slot, unsigned offset, unsigned bytes, uint32_t value)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));

	select(slot, offset);
	if (bytes == 1)
		outb(port, (uint8_t)value);
	else if (bytes == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, value);
}

int pci_find(uint16_t vendor, uint16_t device)
{
	uint32_t wanted = vendor | (uint32_t)device << 16;

	for (unsigned slot = 0; slot < SLOTS; slot++)
		if (pci_config_read(slot, 0, 4) == wanted)
			return (int)slot;
	return -1;
}

void pci_function_enable(unsigned slot)
{
	uint32_t command = pci_config_read(slot, REG_COMMAND, 2);

	pci_config_write(slot, REG_COMMAND, 2, command | COMMAND_ALL);
}

unsigned pci_capability(unsigned slot, unsigned id, unsigned after)
{
	unsigned at = pci_config_read(slot, after ? after + 1 : REG_CAPABILITIES, 1) & 0xfc;

	for (unsigned i = 0; at && i < CAPABILITIES; i++) {
		if (pci_config_read(slot, at, 1) == id)
			return at;
		at = pci_config_read(slot, at + 1, 1) & 0xfc;
	}
	return 0;
}

bool pci_window(unsigned slot, unsigned bar, uint32_t offset, struct pci_window *window)
{
	uint32_t low;

	if (bar > 5)
		return false;
	low = pci_config_read(slot, REG_BAR0 + 4 * bar, 4);
	window->io = low & BAR_IO;
	window->base = low & (window->io ? ~3u : ~15u);
	if (!window->io && low & BAR_64 && bar < 5)
		window->base |= (uint64_t)pci_config_read(slot, REG_BAR0 + 4 * bar + 4, 4) << 32;
	if (!window->base)
		return false;
	window->base += offset;
	return true;
}

uint32_t window_read(const struct pci_window *window, unsigned offset, unsigned bytes)
{
	uint64_t at = window->base + offset;

	if (window->io && bytes == 1)
		return inb((uint16_t)at);
	if (window->io)
		return bytes == 2 ? inw((uint16_t)at) : inl((uint16_t)at);
	if (bytes == 1)
		return *(volatile uint8_t *)(uintptr_t)at;
	if (bytes == 2)
		return *(volatile uint16_t *)(uintptr_t)at;
	return *(volatile uint32_t *)(uintptr_t)at;
}

static void port_write(uint16_t port, unsigned bytes, uint32_t value)
{
	if (bytes == 1)
		outb(port, (uint8_t)value);
	else if (bytes == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, value);
}

void window_write(const struct pci_window *window, unsigned offset, unsigned bytes, uint32_t value)
{
	uint64_t at = window->base + offset;

	if (window->io)
		port_write((uint16_t)at, bytes, value);
	else if (bytes == 1)
		*(volatile uint8_t *)(uintptr_t)at = (uint8_t)value;
	else if (bytes == 2)
		*(volatile uint16_t *)(uintptr_t)at = (uint16_t)value;
	else
		*(volatile uint32_t *)(uintptr_t)at = value;
}

bool pci_msix_enable(unsigned slot, unsigned vector, uint8_t interrupt)
{
	unsigned cap = pci_capability(slot, PCI_CAP_MSIX, 0);
	struct pci_window table;
	uint32_t control, place;

	if (!cap)
		return false;
	control = pci_config_read(slot, cap + MSIX_CONTROL, 2);
	place = pci_config_read(slot, cap + MSIX_TABLE, 4);
	if (vector > (control & MSIX_COUNT) || !pci_window(slot, place & 7, place & ~7u, &table))
		return false;
	pci_config_write(slot, cap + MSIX_CONTROL, 2, control | MSIX_ENABLE | MSIX_MASK_ALL);
	for (unsigned i = 0; i <= (control & MSIX_COUNT); i++)
		window_write(&table, i * 16 + 12, 4, 1);
	window_write(&table, vector * 16, 4, MSI_ADDRESS);
	window_write(&table, vector * 16 + 4, 4, 0);
	window_write(&table, vector * 16 + 8, 4, interrupt);
	window_write(&table, vector * 16 + 12, 4, 0);
	pci_config_write(slot, cap + MSIX_CONTROL, 2, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
	return true;
}
