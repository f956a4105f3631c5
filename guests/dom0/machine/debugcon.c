/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's isa-debugcon: a read tells that the port is there. */
#include "guests/dom0/machine/debugcon.h"

#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/vm.h"

#define PORT     0x402u
#define PRESENCE 0xe9u

static uint64_t debugcon_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)vm;
	(void)instance;
	(void)offset;
	(void)size;
	return PRESENCE;
}

static void say(struct vm *vm)
{
	struct platform *platform = vm->platform;

	platform->debug_line[platform->debug_used] = 0;
	if (platform->debug_used)
		vm_log(vm, "firmware: %s", platform->debug_line);
	platform->debug_used = 0;
}

/* Longer lines are broken; what no terminal should get is left out. */
static void debugcon_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			   uint64_t value)
{
	struct platform *platform = vm->platform;
	char c = (char)value;

	(void)instance;
	(void)offset;
	(void)size;
	if (c == '\n') {
		say(vm);
		return;
	}
	if (c < ' ' || c > '~')
		return;
	platform->debug_line[platform->debug_used++] = c;
	if (platform->debug_used == sizeof(platform->debug_line) - 1)
		say(vm);
}

static const struct io_ops debugcon_ops = {debugcon_read, debugcon_write};

void debugcon_reset(struct vm *vm)
{
	struct platform *platform = vm->platform;

	platform->debug_used = 0;
}

int debugcon_resume(struct vm *vm)
{
	return vm->config->debugcon ? bus_add(vm, BUS_PIO, PORT, 1, &debugcon_ops, 0) : 0;
}

int debugcon_init(struct vm *vm)
{
	return debugcon_resume(vm);
}
