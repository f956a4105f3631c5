/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot kernels (Multiboot Specification 0.6.96, sections 3.1 to 3.3). */
#include <string.h>

#include "guests/dom0/load/load.h"

#define SEARCH          8192u
#define MAGIC           0x1badb002u
#define BOOT_MAGIC      0x2badb002u
#define NEED_PAGE_ALIGN 0x1u
#define NEED_MEMORY     0x2u
#define NEED_VIDEO      0x4u
#define NEED_KNOWN      (NEED_PAGE_ALIGN | NEED_MEMORY)
#define HAS_ADDRESSES   0x10000u

#define INFO_MEMORY  0x1u
#define INFO_CMDLINE 0x4u
#define INFO_MODULES 0x8u
#define INFO_MMAP    0x40u
#define INFO_LOADER  0x200u

struct mb_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t modules, module_list;
	uint32_t symbols[4];
	uint32_t mmap_bytes, mmap;
	uint32_t drives_bytes, drives, config_table, loader_name, apm_table;
	uint32_t vbe[4];
};

struct mb_module {
	uint32_t start, end, string, reserved;
};

struct mb_mmap {
	uint32_t size; /* of what follows */
	struct e820 range;
} __attribute__((packed));

/* All that the kernel is told, in one piece. */
struct mb1 {
	struct mb_info info;
	struct mb_module module[CONFIG_INITRDS];
	struct mb_mmap mmap[E820_ENTRIES];
	char loader[8];
	char string[CONFIG_INITRDS][2 * CONFIG_PATH];
	char cmdline[CONFIG_PATH + CONFIG_CMDLINE];
};

bool multiboot1_header(const struct load_file *file, uint64_t *at)
{
	for (uint64_t i = 0; i + 12 <= file->size && i + 12 <= SEARCH; i += 4)
		if (get32(file->data + i) == MAGIC &&
		    get32(file->data + i) + get32(file->data + i + 4) + get32(file->data + i + 8) ==
			    0) {
			*at = i;
			return true;
		}
	return false;
}

/* The "a.out kludge": where in memory the file goes is in the header. */
const char *load_by_addresses(struct load *load, uint64_t header_at, const struct load_addresses *a,
			      struct elf_image *image)
{
	const struct load_file *file = &load->kernel;
	uint64_t before, size, bss;

	if (a->load > a->header || a->header - a->load > header_at)
		return load_fail(
			load, "the multiboot header gives a load address that is not in the file");
	before = header_at - (a->header - a->load);
	size = a->load_end ? (uint64_t)a->load_end - a->load : file->size - before;
	if (a->load_end && (a->load_end < a->load || size > file->size - before))
		return load_fail(load, "the multiboot header gives more than the file has");
	bss = a->bss_end > a->load + size ? a->bss_end - (a->load + size) : 0;
	if (!load_room(load, a->load, size + bss) ||
	    !load_copy(load, a->load, file->data + before, size) ||
	    !load_clear(load, a->load + size, bss))
		return load_fail(load, "the multiboot kernel at %x is not in the guest's memory",
				 a->load);
	if (a->entry < a->load || a->entry - a->load >= size)
		return load_fail(load, "the multiboot kernel begins at %x, where nothing of it is",
				 a->entry);
	image->low = a->load;
	image->high = a->load + size + bss;
	image->entry = a->entry;
	return NULL;
}

static const char *load_image(struct load *load, uint64_t header, uint32_t flags,
			      struct elf_image *image)
{
	const uint8_t *p = load->kernel.data + header;
	struct load_addresses a;

	if (flags & HAS_ADDRESSES) {
		if (header + 32 > load->kernel.size)
			return load_fail(load, "the multiboot header is cut off");
		a = (struct load_addresses){get32(p + 12), get32(p + 16), get32(p + 20),
					    get32(p + 24), get32(p + 28)};
		return load_by_addresses(load, header, &a, image);
	}
	if (!is_elf(&load->kernel))
		return load_fail(load,
				 "a multiboot kernel that is neither ELF nor gives its addresses");
	return load_multiboot_elf(load, image);
}

const char *load_multiboot_elf(struct load *load, struct elf_image *image)
{
	const char *error = elf_load(load, image);

	if (error || (image->entry <= UINT32_MAX && elf_entry_loaded(&load->kernel, image->entry)))
		return error;
	return load_fail(load, "the multiboot kernel begins at %llx, where nothing of it is",
			 (unsigned long long)image->entry);
}

void load_module_string(const struct vm_config *config, uint32_t index,
			char string[2 * CONFIG_PATH])
{
	size_t n = strlen(config->initrd[index]);

	memcpy(string, config->initrd[index], n);
	if (config->initrd_args[index][0])
		string[n++] = ' ';
	memcpy(string + n, config->initrd_args[index], strlen(config->initrd_args[index]) + 1);
}

/* The kernel's name is the first word, as other loaders have it. */
static void fill_cmdline(const struct vm_config *config, char cmdline[CONFIG_PATH + CONFIG_CMDLINE])
{
	size_t n = strlen(config->kernel);

	memcpy(cmdline, config->kernel, n);
	if (config->cmdline[0])
		cmdline[n++] = ' ';
	memcpy(cmdline + n, config->cmdline, strlen(config->cmdline) + 1);
}

static void fill_modules(struct load *load, struct mb1 *mb, uint32_t base, const uint64_t modules[])
{
	mb->info.modules = load->config->initrds;
	mb->info.module_list = base + (uint32_t)offsetof(struct mb1, module);
	for (uint32_t i = 0; i < load->config->initrds; i++) {
		uint32_t start = (uint32_t)modules[i];

		load_module_string(load->config, i, mb->string[i]);
		mb->module[i] = (struct mb_module){
			start, start + (uint32_t)load->initrd[i].size,
			base + (uint32_t)offsetof(struct mb1, string) + i * 2 * CONFIG_PATH, 0};
	}
}

static void fill_memory(struct load *load, struct mb1 *mb, uint32_t base)
{
	struct e820 map[E820_ENTRIES];
	unsigned count = load_memory_map(load->vm, map);

	for (unsigned i = 0; i < count; i++)
		mb->mmap[i] = (struct mb_mmap){sizeof(struct e820), map[i]};
	mb->info.mem_upper = (uint32_t)(load_memory_above(load->vm) >> 10);
	mb->info.mem_lower = LOW_MEMORY_END >> 10;
	mb->info.mmap = base + (uint32_t)offsetof(struct mb1, mmap);
	mb->info.mmap_bytes = count * (uint32_t)sizeof(mb->mmap[0]);
}

const char *load_multiboot1(struct load *load, uint64_t header)
{
	static struct mb1 mb;
	uint32_t flags = get32(load->kernel.data + header + 4);
	uint64_t modules[CONFIG_INITRDS], base;
	struct elf_image image;
	const char *error;

	if (flags & NEED_VIDEO)
		return load_fail(load,
				 "the multiboot kernel asks for a video mode: there is no screen");
	if (flags & 0xffff & ~NEED_KNOWN)
		return load_fail(load, "the multiboot kernel asks for unknown features (flags %x)",
				 flags);
	error = load_image(load, header, flags, &image);
	if (error)
		return error;
	if (!load_modules(load, image.high, modules))
		return load_fail(load, "no room in memory for the <initrd> files");
	base = load_place_low(load, sizeof(mb), image.low, image.high);
	if (!base)
		return load_fail(load, "no room in memory for the multiboot information");

	memset(&mb, 0, sizeof(mb));
	mb.info.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER;
	mb.info.cmdline = (uint32_t)(base + offsetof(struct mb1, cmdline));
	mb.info.loader_name = (uint32_t)(base + offsetof(struct mb1, loader));
	memcpy(mb.loader, "Sampo", 6);
	fill_cmdline(load->config, mb.cmdline);
	fill_memory(load, &mb, (uint32_t)base);
	fill_modules(load, &mb, (uint32_t)base, modules);
	if (!load_copy(load, base, &mb, sizeof(mb)))
		return load_fail(load, "no room in memory for the multiboot information");
	regs_protected(load->regs, (uint32_t)image.entry);
	load->regs->gpr[SAMPO_RAX] = BOOT_MAGIC;
	load->regs->gpr[SAMPO_RBX] = base;
	return NULL;
}
