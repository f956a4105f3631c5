/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's RAM as devices reach it. The kernel zeroes a block of memory when
 * it is first touched, or when its address becomes known: so addresses are
 * asked for one by one, when a device is to use the block, and a guest starts
 * without waiting for all of its memory to be zeroed. What it has not come to
 * yet is asked for in advance, a block now and then, so that the guest seldom
 * waits for the zeroing itself.
 */
#include <stdlib.h>

#include "guests/dom0/vm/life.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define BLOCK   (1ull << VM_BLOCK_SHIFT)
#define ZERO_NS 1000000ull

/* 0: the kernel does not tell, which cannot be. */
static uint64_t block_bus(struct vm *vm, uint64_t block)
{
	uint64_t address = 0;

	if (!vm->ram_bus[block] &&
	    sampo_object_info(vm->life->ram_region, SAMPO_INFO_FRAMES, &address, sizeof(address),
			      block, NULL) == SAMPO_OK)
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

/* The guests' turns follow one another: however many of them start, the machine zeroes no more
 * than a block in this time. */
static uint64_t next_turn(void)
{
	static uint64_t last;
	uint64_t now = clock_ns();

	last = (last > now ? last : now) + ZERO_NS;
	return last;
}

static void zero_one(struct timer *timer)
{
	struct vm *vm = timer->context;

	block_bus(vm, vm->life->zeroed++);
	if (vm->life->zeroed < vm->ram_bytes / BLOCK)
		timer_set(timer, next_turn());
}

bool vm_bus_begin(struct vm *vm)
{
	vm->ram_bus = calloc(vm->ram_bytes / BLOCK, sizeof(vm->ram_bus[0]));
	if (!vm->ram_bus)
		return false;
	vm->life->zeroed = 0;
	timer_init(&vm->life->zeroing, zero_one, vm);
	timer_set(&vm->life->zeroing, next_turn());
	return true;
}

void vm_bus_end(struct vm *vm)
{
	if (!vm->ram_bus)
		return;
	timer_cancel(&vm->life->zeroing);
	free(vm->ram_bus);
	vm->ram_bus = NULL;
}
