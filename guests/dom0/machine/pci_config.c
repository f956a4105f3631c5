/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration mechanism #1 (PCI Local Bus Specification 3.0, section 3.2.2.3.2) and the enhanced
 * configuration access mechanism (PCI Express 5.0, section 7.2.2).
 */
#include "guests/dom0/machine/pci_config.h"

#include <stdbool.h>

#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/vm/bus.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define PORTS        0xcf8u
#define PORTS_COUNT  8u
#define PORT_ADDRESS 0u /* offsets from 0xcf8 */
#define PORT_RESET   1u
#define PORT_DATA    4u

#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BITS   0x80fffffcu
#define ADDRESS_OTHERS 0xff0700u /* the bits of buses and functions that are not there */

#define ECAM_FUNCTION 0x7000u
#define ECAM_SPACE    4096u
#define ECAM_SLOT     15u /* the slot's first bit */

/* --- the ports --- */

/* Does the port at an offset lead to configuration space? Only bus 0 is there, and of each slot
 * only function 0. */
static bool is_config(const struct pci_state *s, uint64_t port)
{
	return port >= PORT_DATA && (s->address & ADDRESS_ENABLE) && !(s->address & ADDRESS_OTHERS);
}

static unsigned slot_of(const struct pci_state *s)
{
	return s->address >> 11 & 31;
}

static unsigned offset_of(const struct pci_state *s, uint64_t port)
{
	return (s->address & 0xfc) + (unsigned)(port - PORT_DATA);
}

static uint64_t ports_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	const struct pci_state *s = &vm->state->pci;

	(void)instance;
	if (is_config(s, offset))
		return pci_slot_read(vm, slot_of(s), offset_of(s, offset), size);
	if (offset == PORT_ADDRESS && size == 4)
		return s->address;
	if (offset == PORT_RESET && size == 1)
		return vm->state->acpi.reset_control;
	return UINT64_MAX;
}

static void ports_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			uint64_t value)
{
	struct pci_state *s = &vm->state->pci;

	(void)instance;
	if (is_config(s, offset))
		pci_slot_write(vm, slot_of(s), offset_of(s, offset), size, (uint32_t)value);
	else if (offset == PORT_ADDRESS && size == 4)
		s->address = (uint32_t)value & ADDRESS_BITS;
	else if (offset == PORT_RESET && size == 1)
		acpi_reset_control(vm, (uint8_t)value);
}

static const struct io_ops ports_ops = {ports_read, ports_write};

/* --- the memory --- */

/* How many of `size` bytes at an offset are up to the next border of a dword. */
static unsigned in_dword(uint64_t offset, unsigned size)
{
	unsigned left = 4 - (unsigned)(offset & 3);

	return size < left ? size : left;
}

/* Pieces of 1, 2 and 4 bytes: a piece of three bytes would be none that hardware knows. */
static unsigned piece(uint64_t offset, unsigned size)
{
	unsigned bytes = in_dword(offset, size);

	return bytes == 3 ? 1 : bytes;
}

static uint64_t ecam_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)instance;
	for (unsigned done = 0, bytes; done < size; done += bytes) {
		uint64_t at = offset + done;
		uint32_t part = UINT32_MAX;

		bytes = piece(at, size - done);
		if (!(at & ECAM_FUNCTION))
			part = pci_slot_read(vm, (unsigned)(at >> ECAM_SLOT),
					     (unsigned)(at % ECAM_SPACE), bytes);
		part &= UINT32_MAX >> (32 - 8 * bytes);
		value |= (uint64_t)part << 8 * done;
	}
	return value;
}

static void ecam_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		       uint64_t value)
{
	(void)instance;
	for (unsigned done = 0, bytes; done < size; done += bytes) {
		uint64_t at = offset + done;

		bytes = piece(at, size - done);
		if (!(at & ECAM_FUNCTION))
			pci_slot_write(vm, (unsigned)(at >> ECAM_SLOT), (unsigned)(at % ECAM_SPACE),
				       bytes, (uint32_t)(value >> 8 * done));
	}
}

static const struct io_ops ecam_ops = {ecam_read, ecam_write};

int pci_config_attach(struct vm *vm)
{
	if (bus_add(vm, BUS_PIO, PORTS, PORTS_COUNT, &ports_ops, 0) != 0)
		return -1;
	return bus_add(vm, BUS_MMIO, PCI_ECAM_BASE, PCI_ECAM_SIZE, &ecam_ops, 0);
}
