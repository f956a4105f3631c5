/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot2 kernels (Multiboot2 Specification 2.0, sections 3.1 and 3.6). */
#include <string.h>

#include "guests/dom0/load/load.h"

#define SEARCH       32768u
#define MAGIC        0xe85250d6u
#define BOOT_MAGIC   0x36d76289u
#define ARCH_I386    0u
#define TAG_OPTIONAL 1u

enum header_tag {
	HEADER_END,
	HEADER_REQUEST,
	HEADER_ADDRESS,
	HEADER_ENTRY,
	HEADER_CONSOLE,
	HEADER_FRAMEBUFFER,
	HEADER_ALIGN,
	HEADER_EFI_SERVICES,
	HEADER_EFI32_ENTRY,
	HEADER_EFI64_ENTRY,
	HEADER_RELOCATABLE,
};

enum info_tag {
	INFO_END = 0,
	INFO_CMDLINE = 1,
	INFO_LOADER = 2,
	INFO_MODULE = 3,
	INFO_MEMORY = 4,
	INFO_MMAP = 6,
	INFO_ELF = 9,
	INFO_ACPI_OLD = 14,
	INFO_ACPI_NEW = 15,
};

#define RSDP_OLD_BYTES 20u
#define RSDP_NEW_BYTES 36u
#define MMAP_ENTRY     24u

/* The information is written here and then copied: room for all of it. */
#define INFO_ROOM 32768u
struct info {
	uint8_t data[INFO_ROOM];
	uint32_t used;
	bool full;
};

/* The facts in the header's tags. */
struct wishes {
	bool has_addresses, has_entry;
	struct load_addresses addresses;
};

bool multiboot2_header(const struct load_file *file, uint64_t *at)
{
	for (uint64_t i = 0; i + 16 <= file->size && i + 16 <= SEARCH; i += 8) {
		const uint8_t *p = file->data + i;

		if (get32(p) == MAGIC &&
		    get32(p) + get32(p + 4) + get32(p + 8) + get32(p + 12) == 0) {
			*at = i;
			return true;
		}
	}
	return false;
}

static bool offered(uint32_t type)
{
	static const uint32_t known[] = {INFO_CMDLINE, INFO_LOADER, INFO_MODULE,   INFO_MEMORY,
					 INFO_MMAP,    INFO_ELF,    INFO_ACPI_OLD, INFO_ACPI_NEW};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == type)
			return true;
	return false;
}

/* One tag of the header; p has `size` bytes, at least 8. */
static const char *take_tag(struct load *load, const uint8_t *p, uint32_t size, struct wishes *w)
{
	uint16_t type = get16(p);
	bool optional = get16(p + 2) & TAG_OPTIONAL;

	switch (type) {
	case HEADER_REQUEST:
		for (uint32_t i = 8; i + 4 <= size && !optional; i += 4)
			if (!offered(get32(p + i)))
				return load_fail(load,
						 "the multiboot2 kernel asks for information %u "
						 "that there is not",
						 get32(p + i));
		return NULL;
	case HEADER_ADDRESS:
		if (size < 24)
			break;
		w->has_addresses = true;
		w->addresses.header = get32(p + 8);
		w->addresses.load = get32(p + 12);
		w->addresses.load_end = get32(p + 16);
		w->addresses.bss_end = get32(p + 20);
		return NULL;
	case HEADER_ENTRY:
		if (size < 12)
			break;
		w->has_entry = true;
		w->addresses.entry = get32(p + 8);
		return NULL;
	/* The console is the serial port whatever they say; modules are
	 * aligned anyway; the kernel is loaded where it is linked; EFI entries
	 * are for EFI machines. */
	case HEADER_CONSOLE:
	case HEADER_ALIGN:
	case HEADER_EFI32_ENTRY:
	case HEADER_EFI64_ENTRY:
	case HEADER_RELOCATABLE:
		return NULL;
	default:
		if (optional)
			return NULL;
		return load_fail(
			load, "the multiboot2 kernel asks for feature %u that there is not", type);
	}
	return load_fail(load, "the multiboot2 header has a tag of %u bytes", size);
}

static const char *read_header(struct load *load, uint64_t header, struct wishes *w)
{
	const uint8_t *data = load->kernel.data + header;
	uint64_t length = get32(data + 8), at = 16;

	if (get32(data + 4) != ARCH_I386)
		return load_fail(load, "the multiboot2 kernel is for another CPU");
	if (length < 16 || length > load->kernel.size - header)
		return load_fail(load, "the multiboot2 header is cut off");
	while (at + 8 <= length) {
		uint32_t size = get32(data + at + 4);
		const char *error;

		if (size < 8 || size > length - at)
			return load_fail(load, "the multiboot2 header has a tag of %u bytes", size);
		if (get16(data + at) == HEADER_END)
			return NULL;
		error = take_tag(load, data + at, size, w);
		if (error)
			return error;
		at += (size + 7) & ~7ull;
	}
	return NULL;
}

/* --- The information --- */

/* A tag with room for `bytes` after its two words; NULL if all is full. */
static uint8_t *add_tag(struct info *info, uint32_t type, size_t bytes)
{
	uint32_t size = (uint32_t)bytes + 8;
	uint32_t room = (size + 7) & ~7u;
	uint8_t *p = info->data + info->used;

	if (room > INFO_ROOM - info->used) {
		info->full = true;
		return NULL;
	}
	memset(p, 0, room);
	put32(p, type);
	put32(p + 4, size);
	info->used += room;
	return p + 8;
}

static void add_string(struct info *info, uint32_t type, const char *text)
{
	size_t n = strlen(text) + 1;
	uint8_t *p = add_tag(info, type, n);

	if (p)
		memcpy(p, text, n);
}

static void add_modules(struct load *load, struct info *info, const uint64_t modules[])
{
	for (uint32_t i = 0; i < load->config->initrds; i++) {
		char string[2 * CONFIG_PATH];
		uint8_t *p;

		load_module_string(load->config, i, string);
		p = add_tag(info, INFO_MODULE, 8 + strlen(string) + 1);
		if (!p)
			return;
		put32(p, (uint32_t)modules[i]);
		put32(p + 4, (uint32_t)(modules[i] + load->initrd[i].size));
		memcpy(p + 8, string, strlen(string) + 1);
	}
}

static void add_memory(struct load *load, struct info *info)
{
	struct e820 map[E820_ENTRIES];
	unsigned count = load_memory_map(load->vm, map);
	uint8_t *p = add_tag(info, INFO_MEMORY, 8);

	if (p) {
		put32(p, LOW_MEMORY_END >> 10);
		put32(p + 4, (uint32_t)(load_memory_above(load->vm) >> 10));
	}
	p = add_tag(info, INFO_MMAP, 8 + count * MMAP_ENTRY);
	if (!p)
		return;
	put32(p, MMAP_ENTRY);
	for (unsigned i = 0; i < count; i++) {
		put64(p + 8 + i * MMAP_ENTRY, map[i].address);
		put64(p + 16 + i * MMAP_ENTRY, map[i].size);
		put32(p + 24 + i * MMAP_ENTRY, map[i].type);
	}
}

static void add_rsdp(struct load *load, struct info *info)
{
	const uint8_t *rsdp = vm_mem(load->vm, load->rsdp, RSDP_NEW_BYTES);
	uint8_t *p;

	if (!load->rsdp || !rsdp)
		return;
	p = add_tag(info, INFO_ACPI_OLD, RSDP_OLD_BYTES);
	if (p)
		memcpy(p, rsdp, RSDP_OLD_BYTES);
	if (rsdp[15] < 2)
		return;
	p = add_tag(info, INFO_ACPI_NEW, RSDP_NEW_BYTES);
	if (p)
		memcpy(p, rsdp, RSDP_NEW_BYTES);
}

/* The headers of the file's sections, without their contents: those that are
 * part of a segment have an address of their own. */
static void add_elf(struct load *load, struct info *info)
{
	const struct load_file *file = &load->kernel;
	struct elf_sections s;
	uint64_t bytes;
	uint8_t *p;

	if (!is_elf(file) || !elf_sections(file, &s))
		return;
	bytes = (uint64_t)s.count * s.entry_size;
	if (bytes > INFO_ROOM / 4)
		return;
	p = add_tag(info, INFO_ELF, 12 + bytes);
	if (!p)
		return;
	put32(p, s.count);
	put32(p + 4, s.entry_size);
	put32(p + 8, s.names);
	memcpy(p + 12, file->data + s.offset, bytes);
}

/* The header's entry counts before the file's. */
static const char *load_image(struct load *load, uint64_t header, struct wishes *w,
			      struct elf_image *image)
{
	struct load_addresses *a = &w->addresses;
	const char *error;

	if (w->has_addresses) {
		if (!w->has_entry)
			return load_fail(load, "the multiboot2 kernel gives no entry");
		if (a->load == UINT32_MAX && a->header >= header) /* from the file's beginning */
			a->load = a->header - (uint32_t)header;
		return load_by_addresses(load, header, a, image);
	}
	if (!is_elf(&load->kernel))
		return load_fail(load,
				 "a multiboot2 kernel that is neither ELF nor gives its addresses");
	if (!w->has_entry)
		return load_multiboot_elf(load, image);
	error = elf_load(load, image);
	image->entry = a->entry;
	if (error || elf_entry_loaded(&load->kernel, a->entry))
		return error;
	return load_fail(load, "the multiboot2 kernel begins at %x, where nothing of it is",
			 a->entry);
}

const char *load_multiboot2(struct load *load, uint64_t header)
{
	static struct info info;
	struct wishes w = {0};
	uint64_t modules[CONFIG_INITRDS], base;
	struct elf_image image;
	const char *error = read_header(load, header, &w);

	if (error)
		return error;
	error = load_image(load, header, &w, &image);
	if (error)
		return error;
	if (!load_modules(load, image.high, modules))
		return load_fail(load, "no room in memory for the <initrd> files");

	info.used = 8;
	info.full = false;
	add_string(&info, INFO_CMDLINE, load->config->cmdline);
	add_string(&info, INFO_LOADER, "Sampo");
	add_modules(load, &info, modules);
	add_memory(load, &info);
	add_rsdp(load, &info);
	add_elf(load, &info);
	add_tag(&info, INFO_END, 0);
	put32(info.data, info.used);
	put32(info.data + 4, 0);
	base = load_place_low(load, info.used, image.low, image.high);
	if (info.full || !base || !load_copy(load, base, info.data, info.used))
		return load_fail(load, "no room in memory for the multiboot2 information");
	regs_protected(load->regs, (uint32_t)image.entry);
	load->regs->gpr[SAMPO_RAX] = BOOT_MAGIC;
	load->regs->gpr[SAMPO_RBX] = base;
	return NULL;
}
