/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's RAM as dom0's devices reach it, where dom0 has it mapped. The kernel zeroes a block of
 * memory when it is first touched, or when its bus address becomes known, which lets dom0's devices
 * reach it: so addresses are asked for one by one, when a device is to use the block, and a guest
 * starts without waiting for all of its memory to be zeroed.
 */
#include <stdlib.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/vm/life.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define BLOCK (1ull << VM_BLOCK_SHIFT)

/* 0: the kernel does not tell, which cannot be. */
static uint64_t block_bus(struct vm *vm, uint64_t block)
{
	uint64_t address = 0;

	if (!vm->ram_bus[block] &&
	    sampo_object_info(boot->domain, SAMPO_INFO_BUS, &address, sizeof(address),
			      sampo_gpa(vm->ram) + block * BLOCK, NULL) == SAMPO_OK)
		vm->ram_bus[block] = address;
	return vm->ram_bus[block];
}

uint64_t vm_bus_address(struct vm *vm, uint64_t gpa, uint64_t len, uint64_t *run)
{
	uint64_t bytes, offset = vm_ram_offset(vm, gpa, &bytes);
	uint64_t block = offset >> VM_BLOCK_SHIFT;
	uint64_t bus, there;

	*run = 0;
	if (!bytes)
		return 0;
	if (len > bytes)
		len = bytes;
	bus = block_bus(vm, block);
	if (!bus)
		return 0;
	bus += offset % BLOCK;
	there = BLOCK - offset % BLOCK;
	while (there < len && block_bus(vm, block + 1) == vm->ram_bus[block] + BLOCK) {
		there += BLOCK;
		block++;
	}
	*run = there < len ? there : len;
	return bus;
}

bool vm_bus_begin(struct vm *vm)
{
	vm->ram_bus = calloc(vm->ram_bytes / BLOCK, sizeof(vm->ram_bus[0]));
	return vm->ram_bus;
}

void vm_bus_end(struct vm *vm)
{
	free(vm->ram_bus);
	vm->ram_bus = NULL;
}
