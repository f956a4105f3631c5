/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader as a part of a guest's machine. */
#include <string.h>

#include "guests/dom0/load/load.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/vm/vcpu.h"

static const char *load_boot(struct vm *vm)
{
	static struct load load;

	memset(&load, 0, sizeof(load));
	load.vm = vm;
	load.config = vm->config;
	load.regs = vm_vcpu(vm, 0)->exit;
	load.rsdp = acpi_build(vm);
	bios_build(vm);
	regs_reset(load.regs);
	return load_guest(&load);
}

const struct vm_part load_part = {.boot = load_boot};
