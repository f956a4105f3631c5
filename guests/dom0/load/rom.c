/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/load/rom.h"

#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/vm/bus.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define FOUR_GIB 0x100000000ull

/* dom0's own accesses, where it executes an instruction for the guest. */
static uint64_t rom_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)instance;
	memcpy(&value, vm->rom + offset, size);
	return value;
}

static const struct io_ops rom_ops = {rom_read, bus_ignore};

static const char *make(struct vm *vm, uint64_t bytes)
{
	int64_t status = sampo_region_create(vm->domain, bytes, SAMPO_REGION_4K, &vm->rom_region);

	if (status)
		return sampo_strerror(status);
	vm->rom = memory_map(vm->rom_region, bytes, ROM_GRANULE, SAMPO_MAP_R | SAMPO_MAP_W);
	if (!vm->rom)
		return "dom0 cannot map the firmware's memory";
	vm->rom_bytes = bytes;
	status = sampo_region_map(vm->rom_region, vm->domain, FOUR_GIB - bytes, 0,
				  SAMPO_MAP_R | SAMPO_MAP_X, bytes);
	if (status)
		return sampo_strerror(status);
	if (bus_add(vm, BUS_MMIO, FOUR_GIB - bytes, bytes, &rom_ops, 0) != 0)
		return "its addresses are taken";
	return NULL;
}

const char *rom_load(struct vm *vm, const uint8_t *data, uint64_t bytes)
{
	const char *wrong = NULL;

	if (vm->rom && vm->rom_bytes != bytes)
		rom_free(vm);
	if (!vm->rom)
		wrong = make(vm, bytes);
	if (wrong) {
		rom_free(vm);
		return wrong;
	}
	memcpy(vm->rom, data, bytes);
	return NULL;
}

void rom_free(struct vm *vm)
{
	if (vm->rom) {
		bus_remove(vm, BUS_MMIO, FOUR_GIB - vm->rom_bytes);
		sampo_region_unmap(vm->domain, FOUR_GIB - vm->rom_bytes, vm->rom_bytes);
		memory_unmap(vm->rom, vm->rom_bytes);
	}
	if (vm->rom_region)
		sampo_handle_close(vm->rom_region);
	vm->rom_region = 0;
	vm->rom = NULL;
	vm->rom_bytes = 0;
}
