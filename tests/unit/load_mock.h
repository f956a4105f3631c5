/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's RAM and modules for tests of the loaders. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/load/load.h"
#include "guests/dom0/load/rom.h"
#include "guests/dom0/load/stage.h"
#include "guests/dom0/machine/fwcfg.h"
#include "guests/dom0/vm/state.h"

static struct vm load_vm;
static struct vm_config load_config;
static struct machine_state load_state;
static struct sampo_exit load_regs;
static struct load load;

struct mock_file {
	const char *name;
	const uint8_t *data;
	uint64_t size;
};
static struct mock_file mock_files[4];

const char *sums_check(const struct module *module)
{
	(void)module;
	return NULL;
}

bool module_find(const char *name, struct module *module)
{
	for (unsigned i = 0; i < 4; i++) {
		if (!mock_files[i].name || strcmp(mock_files[i].name, name))
			continue;
		*module = (struct module){name, mock_files[i].data, mock_files[i].size};
		return true;
	}
	return false;
}

/* No file is in a volume. */
bool stage_find(const struct vm *vm, unsigned number, struct load_file *file, const char **wrong)
{
	(void)vm;
	(void)number;
	(void)file;
	(void)wrong;
	return false;
}

/* The guest's ROM. */
static const uint8_t *mock_rom;
static uint64_t mock_rom_bytes;

const char *rom_load(struct vm *vm, const uint8_t *data, uint64_t bytes)
{
	(void)vm;
	mock_rom = data;
	mock_rom_bytes = bytes;
	return NULL;
}

const char *fwcfg_build(struct vm *vm)
{
	(void)vm;
	return NULL;
}

static void load_prepare(uint8_t *ram, uint64_t bytes)
{
	memset(&load_vm, 0, sizeof(load_vm));
	memset(&load_config, 0, sizeof(load_config));
	memset(&load_regs, 0, sizeof(load_regs));
	memset(&load, 0, sizeof(load));
	memset(&load_state, 0, sizeof(load_state));
	load_vm.state = &load_state;
	load_vm.ram_bytes = bytes;
	load_vm.ram = ram;
	strcpy(load_config.kernel, "kernel");
	load.vm = &load_vm;
	load.config = &load_config;
	load.regs = &load_regs;
	load.rsdp = 0xe0000;
	memcpy(load_vm.ram + 0xe0000, "RSD PTR _SAMPO_\2", 16);
	regs_reset(&load_regs);
}
