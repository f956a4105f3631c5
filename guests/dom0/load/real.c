/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files for real mode: 32-bit ones (i386) without another protocol's header. The file goes
 * where it says and begins at its entry below 1 MiB, with CS:IP = (entry & 0xf0000) >> 4 : entry &
 * 0xffff. DS, ES and SS are 0, SP is 0x1000.
 */
#include "guests/dom0/load/load.h"

#define EM_386 3u
#define STACK  0x1000u

const char *load_real_mode(struct load *load)
{
	struct elf_image image;
	const char *error = elf_load(load, &image);

	if (error)
		return error;
	if (image.machine != EM_386 || !image.executable || image.entry >= HIGH_MEMORY)
		return load_fail(load,
				 "an ELF file that is no kernel: it has neither a PVH note nor a "
				 "multiboot header, and is not for real mode");
	if (!elf_entry_loaded(&load->kernel, image.entry))
		return load_fail(load, "the kernel begins at %llx, where nothing of it is",
				 (unsigned long long)image.entry);
	regs_real(load->regs, (uint16_t)((image.entry & 0xf0000) >> 4), (uint16_t)image.entry);
	load->regs->gpr[SAMPO_RSP] = STACK;
	return NULL;
}
