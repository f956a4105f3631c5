/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files with a PVH entry: Linux's vmlinux, Sampo's small guests and others
 * (Xen's docs/misc/pvh.pandoc; the structure is in
 * xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <string.h>

#include "guests/dom0/load/load.h"
#include "guests/lib/guest.h"

/* All that the guest is told, in one piece. */
struct pvh_info {
	struct hvm_start_info start;
	struct hvm_module module[CONFIG_INITRDS];
	struct hvm_memmap_entry memmap[E820_ENTRIES];
	char module_cmdline[CONFIG_INITRDS][CONFIG_PATH];
	char cmdline[CONFIG_CMDLINE];
};

static void fill_memmap(struct load *load, struct pvh_info *info)
{
	struct e820 map[E820_ENTRIES];
	unsigned count = load_memory_map(load->vm, map);

	info->start.memmap_entries = count;
	for (unsigned i = 0; i < count; i++)
		info->memmap[i] =
			(struct hvm_memmap_entry){map[i].address, map[i].size, map[i].type, 0};
}

static void fill_modules(struct load *load, struct pvh_info *info, uint64_t at,
			 const uint64_t modules[])
{
	info->start.modules = load->config->initrds;
	for (uint32_t i = 0; i < load->config->initrds; i++) {
		uint64_t cmdline =
			at + offsetof(struct pvh_info, module_cmdline[0]) + i * CONFIG_PATH;

		memcpy(info->module_cmdline[i], load->config->initrd_args[i], CONFIG_PATH);
		info->module[i] = (struct hvm_module){modules[i], load->initrd[i].size, cmdline, 0};
	}
}

const char *load_pvh(struct load *load, uint32_t entry)
{
	static struct pvh_info info;
	uint64_t modules[CONFIG_INITRDS], at;
	struct elf_image image;
	const char *error = elf_load(load, &image);

	if (error)
		return error;
	if (!elf_entry_loaded(&load->kernel, entry))
		return load_fail(load, "the PVH entry %x is not in a segment of the file", entry);
	if (!load_modules(load, image.high, modules))
		return load_fail(load, "no room in memory for the <initrd> files");
	at = load_place_low(load, sizeof(info), image.low, image.high);
	if (!at)
		return load_fail(load, "no room in memory for the start information");

	memset(&info, 0, sizeof(info));
	info.start.magic = HVM_START_MAGIC;
	info.start.version = 1;
	info.start.rsdp = load->rsdp;
	info.start.cmdline = at + offsetof(struct pvh_info, cmdline);
	info.start.module_list = at + offsetof(struct pvh_info, module);
	info.start.memmap = at + offsetof(struct pvh_info, memmap);
	memcpy(info.cmdline, load->config->cmdline, sizeof(info.cmdline));
	fill_memmap(load, &info);
	fill_modules(load, &info, at, modules);
	if (!load_copy(load, at, &info, sizeof(info)))
		return load_fail(load, "no room in memory for the start information");
	regs_protected(load->regs, entry);
	load->regs->gpr[SAMPO_RBX] = at;
	return NULL;
}
