/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader as a part of a guest's machine. */
#include <string.h>

#include "guests/dom0/load/rom.h"
#include "guests/dom0/load/stage.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/vm/vcpu.h"

static const char *load_boot(struct vm *vm)
{
	static struct load load;
	const char *error;

	memset(&load, 0, sizeof(load));
	load.vm = vm;
	load.config = vm->config;
	load.regs = vm_vcpu(vm, 0)->exit;
	if (!config_has_firmware(vm->config)) {
		load.rsdp = acpi_build(vm);
		bios_build(vm);
	}
	regs_reset(load.regs);
	error = load_guest(&load);
	stage_release(vm);
	return error;
}

static uint64_t kernel_pages(const struct vm_config *config)
{
	return config_has_firmware(config) ? ROM_KERNEL_PAGES : 0;
}

static uint64_t memory(const struct vm_config *config)
{
	return stage_memory(config) + (config_has_firmware(config) ? ROM_MOST : 0);
}

static void free_files(struct vm *vm)
{
	stage_free(vm);
	rom_free(vm);
}

const struct vm_part load_part = {
	.attach = stage_attach,
	.kernel_pages = kernel_pages,
	.memory = memory,
	.ready = stage_ready,
	.boot = load_boot,
	.reset = stage_reset,
	.detach = stage_detach,
	.quiet = stage_quiet,
	.free = free_files,
};
