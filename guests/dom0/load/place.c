/* SPDX-License-Identifier: BSD-2-Clause */
/* Where things go in a guest's RAM, and its memory map. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/load/load.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/machine/pci.h"

#define FOUR_GIB (4ull << 30)
#define PAGE     4096ull

#define LOW_MEMORY_ROOM 0xa0000u /* before the video memory */

const char *load_fail(struct load *load, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(load->error, sizeof(load->error), format, args);
	va_end(args);
	return load->error;
}

static uint64_t ram_below(const struct vm *vm)
{
	return vm->ram_bytes < VM_RAM_BELOW_4G ? vm->ram_bytes : VM_RAM_BELOW_4G;
}

unsigned load_memory_map(const struct vm *vm, struct e820 map[E820_ENTRIES])
{
	uint64_t below = ram_below(vm);
	unsigned n = 0;

	map[n++] = (struct e820){0, LOW_MEMORY_END, E820_RAM};
	/* The extended BIOS data area, and the firmware, where all tables are. As in a PC's map,
	 * the space between them, video memory and ROMs of cards, is in no range. */
	map[n++] = (struct e820){LOW_MEMORY_END, LOW_MEMORY_ROOM - LOW_MEMORY_END, E820_RESERVED};
	map[n++] = (struct e820){BIOS_SEGMENT, HIGH_MEMORY - BIOS_SEGMENT, E820_RESERVED};
	map[n++] = (struct e820){HIGH_MEMORY, below - HIGH_MEMORY, E820_RAM};
	map[n++] = (struct e820){PCI_ECAM_BASE, PCI_ECAM_SIZE, E820_RESERVED};
	if (vm->ram_bytes > below)
		map[n++] = (struct e820){FOUR_GIB, vm->ram_bytes - below, E820_RAM};
	return n;
}

uint64_t load_memory_above(const struct vm *vm)
{
	return ram_below(vm) - HIGH_MEMORY;
}

bool load_room(const struct load *load, uint64_t address, uint64_t size)
{
	if (address < HIGH_MEMORY)
		return address <= LOW_MEMORY_END && size <= LOW_MEMORY_END - address;
	return vm_mem(load->vm, address, size) != NULL;
}

bool load_copy(struct load *load, uint64_t address, const void *data, uint64_t size)
{
	return !size || (load_room(load, address, size) && vm_write(load->vm, address, data, size));
}

bool load_clear(struct load *load, uint64_t address, uint64_t size)
{
	void *to;

	if (!size)
		return true;
	if (!load_room(load, address, size))
		return false;
	to = vm_mem(load->vm, address, size);
	if (!to)
		return false;
	memset(to, 0, size);
	return true;
}

uint64_t load_place_high(const struct load *load, uint64_t size, uint64_t floor, uint64_t limit)
{
	uint64_t end = ram_below(load->vm), at;

	if (end > limit)
		end = limit;
	if (floor < HIGH_MEMORY)
		floor = HIGH_MEMORY;
	if (size > end)
		return 0;
	at = (end - size) & ~(PAGE - 1);
	return at >= floor ? at : 0;
}

uint64_t load_place_low(const struct load *load, uint64_t size, uint64_t low, uint64_t high)
{
	uint64_t after = (high + PAGE - 1) & ~(PAGE - 1);

	if (low >= LOW_PLACE + size || high <= LOW_PLACE)
		return load_room(load, LOW_PLACE, size) ? LOW_PLACE : 0;
	if (after < HIGH_MEMORY && load_room(load, after, size))
		return after;
	return load_place_high(load, size, after, FOUR_GIB);
}

uint64_t load_modules(struct load *load, uint64_t floor, uint64_t at[])
{
	uint64_t limit = FOUR_GIB;

	for (uint32_t i = load->config->initrds; i-- > 0;) {
		const struct load_file *file = &load->initrd[i];

		at[i] = load_place_high(load, file->size, floor, limit);
		if (!at[i] || !load_copy(load, at[i], file->data, file->size))
			return 0;
		limit = at[i];
	}
	return limit;
}
