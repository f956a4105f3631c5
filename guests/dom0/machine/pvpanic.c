/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/machine/pvpanic.h"

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/vm.h"

#define PORT 0x505u

/* Events: a read gives those that the device understands, a write reports some. */
#define PANICKED     0x01u
#define CRASH_LOADED 0x02u

static uint64_t read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)vm;
	(void)instance;
	(void)offset;
	(void)size;
	return PANICKED | CRASH_LOADED;
}

static void write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size, uint64_t value)
{
	(void)instance;
	(void)offset;
	(void)size;
	if (value & PANICKED)
		vm_request(vm, VM_REQ_PANIC, "its kernel says so");
	else if (value & CRASH_LOADED)
		vm_log(vm, "its kernel has panicked, and a crash kernel goes on");
}

static const struct io_ops ops = {read, write};

int pvpanic_init(struct vm *vm)
{
	return vm->config->panic ? bus_add(vm, BUS_PIO, PORT, 1, &ops, 0) : 0;
}

void pvpanic_reset(struct vm *vm)
{
	(void)vm; /* nothing is remembered */
}
