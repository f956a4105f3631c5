/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space, by the ports that every chipset has (PCI 3.0, 3.2.2.3.2). */
#include "arch/pci.h"

#include "arch/cpu.h"

#define ADDRESS_PORT 0xcf8
#define DATA_PORT    0xcfc

static uint16_t select(uint16_t bdf, unsigned offset)
{
	port_out32(ADDRESS_PORT, 0x80000000u | (uint32_t)bdf << 8 | (offset & 0xfc));
	return (uint16_t)(DATA_PORT + (offset & 3));
}

uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned bytes)
{
	uint16_t port = select(bdf, offset);

	return bytes == 1 ? port_in8(port) : bytes == 2 ? port_in16(port) : port_in32(port);
}

void pci_write(uint16_t bdf, unsigned offset, unsigned bytes, uint32_t value)
{
	uint16_t port = select(bdf, offset);

	if (bytes == 1)
		port_out8(port, (uint8_t)value);
	else if (bytes == 2)
		port_out16(port, (uint16_t)value);
	else
		port_out32(port, value);
}
