/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code for real mode. An ELF file goes where it says and begins at its entry,
 * with CS:IP = (entry & 0xf0000) >> 4 : entry & 0xffff; any other file goes to
 * 0x1000 and begins there with CS = 0. DS, ES and SS are 0, SP is 0x1000.
 */
#include <string.h>

#include "guests/dom0/load/load.h"

#define RAW_ADDRESS 0x1000u
#define STACK       0x1000u

const char *load_real_mode(struct load *load)
{
	const struct load_file *file = &load->kernel;
	uint64_t entry = RAW_ADDRESS;
	struct elf_image image;
	const char *error;

	if (is_elf(file)) {
		error = elf_load(load, &image);
		if (error)
			return error;
		entry = image.entry;
	} else if (!load_copy(load, RAW_ADDRESS, file->data, file->size)) {
		return load_fail(load,
				 "the file is of no known format, and too large for real mode");
	}
	if (entry >= HIGH_MEMORY)
		return load_fail(
			load,
			"an ELF file without PVH note or multiboot header that begins above 1 MiB");
	regs_real(load->regs, (uint16_t)((entry & 0xf0000) >> 4), (uint16_t)entry);
	load->regs->gpr[SAMPO_RSP] = STACK;
	return NULL;
}
