/* SPDX-License-Identifier: BSD-2-Clause */
/* Access to PCI configuration space. */
#include "arch/pci.h"

#include <stddef.h>

#include "arch/acpi.h"
#include "arch/cpu.h"
#include "arch/paging.h"

#define ADDRESS_PORT 0xcf8
#define DATA_PORT    0xcfc

static struct acpi_ecam ecam;
static volatile uint8_t *ecam_page;

void pci_setup(void)
{
	for (uint32_t i = 0; i < acpi.ecams && !ecam_page; i++) {
		ecam = acpi.ecam[i];
		if (ecam.segment == 0 && ecam.first_bus <= ecam.last_bus)
			ecam_page = mmio_map(ecam.base + ((uint64_t)ecam.first_bus << 20),
					     (ecam.last_bus - ecam.first_bus + 1ul) << 20);
	}
}

/*
 * The ports for what they reach: they work on every chipset, even where the
 * firmware's ECAM address is wrong. Address of a register in the ECAM: PCIe
 * 5.0, 7.2.2.
 */
static volatile uint8_t *extended(uint16_t bdf, unsigned offset)
{
	unsigned bus = bdf >> 8;

	if (!ecam_page || bus < ecam.first_bus || bus > ecam.last_bus || offset > 0xfff)
		return NULL;
	return ecam_page + ((uint64_t)(bdf - (ecam.first_bus << 8)) << 12) + offset;
}

static uint16_t select(uint16_t bdf, unsigned offset)
{
	port_out32(ADDRESS_PORT, 0x80000000u | (uint32_t)bdf << 8 | (offset & 0xfc));
	return (uint16_t)(DATA_PORT + (offset & 3));
}

uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned bytes)
{
	const volatile uint8_t *at;
	uint32_t mask = UINT32_MAX >> (32 - 8 * bytes);

	if (offset > 0xff) {
		at = extended(bdf, offset & ~3u);
		return at ? mmio_read32(at) >> 8 * (offset & 3) & mask : mask;
	}
	switch (bytes) {
	case 1:
		return port_in8(select(bdf, offset));
	case 2:
		return port_in16(select(bdf, offset));
	default:
		return port_in32(select(bdf, offset));
	}
}

void pci_write(uint16_t bdf, unsigned offset, unsigned bytes, uint32_t value)
{
	if (offset > 0xff)
		return; /* nothing there that the kernel writes, or lets others write */
	switch (bytes) {
	case 1:
		port_out8(select(bdf, offset), (uint8_t)value);
		break;
	case 2:
		port_out16(select(bdf, offset), (uint16_t)value);
		break;
	default:
		port_out32(select(bdf, offset), value);
	}
}
