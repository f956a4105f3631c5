/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stddef.h>

#include "boot/multiboot.h"

/* Longest information that is believed, and longest string. */
#define INFO_MAX   (1u << 20)
#define STRING_MAX 4096u

/* --- strings --- */

/* Copies a string that ends with a zero byte, or after `bytes`. NULL: no room. */
static const char *keep(struct boot_info *info, const char *from, uint64_t bytes)
{
	char *to = info->text + info->text_used;
	uint64_t length = 0;

	while (length < bytes && from[length])
		length++;
	if (length >= BOOT_TEXT - info->text_used)
		return NULL;
	__builtin_memcpy(to, from, length);
	to[length] = 0;
	info->text_used += (uint32_t)length + 1;
	return to;
}

static const char *word_end(const char *s)
{
	while (*s && *s != ' ')
		s++;
	return s;
}

static const char *skip_spaces(const char *s)
{
	while (*s == ' ')
		s++;
	return s;
}

static bool is_word(const char *s, const char *word)
{
	for (; *s && *s == *word; s++)
		word++;
	return *s == *word;
}

/* The module's string was kept; its first word is the name. */
static void name_module(struct boot_module *module, const char *string)
{
	char *end;

	module->name = skip_spaces(string);
	end = (char *)word_end(module->name);
	module->cmdline = skip_spaces(end);
	*end = 0;
}

/* QEMU gives the path of the file first. */
static void name_qemu_module(struct boot_module *module, const char *string)
{
	const char *path = skip_spaces(string), *rest = skip_spaces(word_end(path));

	if (!*rest) {
		rest = path;
		for (const char *s = path; *s && *s != ' '; s++)
			if (*s == '/')
				rest = s + 1;
	}
	name_module(module, rest);
}

/* --- what both versions have --- */

#define NO_ROOM "the boot loader's strings are too long"

static const char *add_range(struct boot_info *info, uint64_t base, uint64_t size, uint32_t type)
{
	struct boot_range *last = info->ranges ? &info->range[info->ranges - 1] : NULL;

	if (!size || base + size - 1 < base)
		return NULL;
	if (last && last->type == type && last->base + last->size == base) {
		last->size += size;
		return NULL;
	}
	if (info->ranges == BOOT_RANGES)
		return "the memory map has too many entries";
	info->range[info->ranges++] = (struct boot_range){base, size, type};
	return NULL;
}

static const char *add_module(struct boot_info *info, uint32_t start, uint32_t end,
			      const char *string, bool qemu)
{
	struct boot_module *module = &info->module[info->modules];

	if (!string)
		return NO_ROOM;
	if (info->modules == BOOT_MODULES)
		return "too many modules";
	if (end < start)
		return "a module ends before it begins";
	info->modules++;
	module->base = start;
	module->size = end - start;
	(qemu ? name_qemu_module : name_module)(module, string);
	return NULL;
}

/* Multiboot 1 (3.3) and 2 (3.6.12) have the same members. */
struct framebuffer {
	uint64_t addr;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
} __attribute__((packed));

static void set_framebuffer(struct boot_info *info, const struct framebuffer *fb)
{
	static const uint32_t types[] = {BOOT_FB_NONE, BOOT_FB_RGB, BOOT_FB_TEXT};
	uint32_t type = fb->type < 3 ? types[fb->type] : BOOT_FB_NONE;
	uint64_t line = (uint64_t)fb->width * (fb->bpp / 8u);

	if (type == BOOT_FB_NONE || !fb->addr || fb->pitch < line ||
	    fb->addr + (uint64_t)fb->pitch * fb->height < fb->addr)
		return;
	info->fb = (struct boot_framebuffer){type,       fb->pitch, fb->width,
					     fb->height, fb->bpp,   fb->addr};
}

/* --- Multiboot 1 --- */

struct info1 {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config, loader, apm, vbe[4];
	struct framebuffer fb;
} __attribute__((packed));

enum {
	HAS_CMDLINE = 1 << 2,
	HAS_MODULES = 1 << 3,
	HAS_MMAP = 1 << 6,
	HAS_LOADER = 1 << 9,
	HAS_FB = 1 << 12
};

struct range1 {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

static const char *string1(multiboot_memory memory, uint32_t addr, struct boot_info *info)
{
	const char *from = memory(addr, STRING_MAX);

	return from ? keep(info, from, STRING_MAX) : NULL;
}

static const char *ranges1(const uint8_t *map, uint32_t length, struct boot_info *info)
{
	struct range1 range;
	const char *why = NULL;

	for (uint32_t at = 0; !why && length - at >= sizeof(range); at += range.size + 4) {
		__builtin_memcpy(&range, map + at, sizeof(range));
		if (range.size < sizeof(range) - 4 || range.size > length - at - 4)
			return "broken memory map";
		why = add_range(info, range.base, range.length, range.type);
	}
	return why;
}

static const char *modules1(multiboot_memory memory, const struct info1 *from, bool qemu,
			    struct boot_info *info)
{
	struct {
		uint32_t start, end, string, reserved;
	} module;
	const uint8_t *list = memory(from->mods_addr, from->mods_count * (uint64_t)sizeof(module));
	const char *why = NULL;

	if (!list)
		return "broken list of modules";
	for (uint32_t i = 0; !why && i < from->mods_count; i++) {
		__builtin_memcpy(&module, list + i * sizeof(module), sizeof(module));
		why = add_module(info, module.start, module.end,
				 module.string ? string1(memory, module.string, info)
					       : keep(info, "", 0),
				 qemu);
	}
	return why;
}

static const char *parse1(uint64_t addr, multiboot_memory memory, struct boot_info *info)
{
	struct info1 from;
	const void *data = memory(addr, sizeof(from));
	const char *why = NULL;
	bool qemu;

	if (!data)
		return "unreadable";
	__builtin_memcpy(&from, data, sizeof(from));
	info->info_base = addr;
	info->info_size = sizeof(from);
	if (from.flags & HAS_LOADER)
		info->loader = string1(memory, from.loader, info);
	if (from.flags & HAS_CMDLINE)
		info->cmdline = string1(memory, from.cmdline, info);
	if (!info->loader || !info->cmdline)
		return NO_ROOM;
	qemu = is_word(info->loader, "qemu");
	if (qemu)
		info->cmdline = skip_spaces(word_end(skip_spaces(info->cmdline)));

	if (from.flags & HAS_MMAP) {
		const uint8_t *map = memory(from.mmap_addr, from.mmap_length);

		why = map ? ranges1(map, from.mmap_length, info) : "unreadable memory map";
	}
	if (!why && from.flags & HAS_MODULES)
		why = modules1(memory, &from, qemu, info);
	if (from.flags & HAS_FB)
		set_framebuffer(info, &from.fb);
	else /* the BIOS's text mode */
		info->fb = (struct boot_framebuffer){BOOT_FB_TEXT, 160, 80, 25, 16, 0xb8000};
	return why;
}

/* --- Multiboot 2 (3.6) --- */

enum {
	END = 0,
	CMDLINE = 1,
	LOADER = 2,
	MODULE = 3,
	MMAP = 6,
	FRAMEBUFFER = 8,
	RSDP1 = 14,
	RSDP2 = 15
};

struct tag {
	uint32_t type, size;
};

/* The part of a tag after its header. */
struct body {
	const uint8_t *data;
	uint32_t size;
};

static const char *ranges2(struct body body, struct boot_info *info)
{
	struct {
		uint32_t entry_size, version;
	} head;
	struct {
		uint64_t base, length;
		uint32_t type, reserved;
	} range;
	const char *why = NULL;

	if (body.size < sizeof(head))
		return "broken memory map";
	__builtin_memcpy(&head, body.data, sizeof(head));
	if (head.entry_size < sizeof(range))
		return "broken memory map";
	for (uint32_t at = sizeof(head); !why && body.size - at >= head.entry_size;
	     at += head.entry_size) {
		__builtin_memcpy(&range, body.data + at, sizeof(range));
		why = add_range(info, range.base, range.length, range.type);
	}
	return why;
}

static const char *module2(struct body body, struct boot_info *info)
{
	struct {
		uint32_t start, end;
	} module;

	if (body.size < sizeof(module))
		return "broken module";
	__builtin_memcpy(&module, body.data, sizeof(module));
	return add_module(
		info, module.start, module.end,
		keep(info, (const char *)body.data + sizeof(module), body.size - sizeof(module)),
		false);
}

/* The second version of the RSDP is preferred, in whatever order they come. */
static void set_rsdp(struct boot_info *info, struct body body)
{
	uint32_t size = body.size < sizeof(info->rsdp) ? body.size : sizeof(info->rsdp);

	if (size <= info->rsdp_size)
		return;
	__builtin_memcpy(info->rsdp, body.data, size);
	info->rsdp_size = size;
}

static const char *take_tag(uint32_t type, struct body body, struct boot_info *info)
{
	struct framebuffer fb;

	switch (type) {
	case CMDLINE:
		info->cmdline = keep(info, (const char *)body.data, body.size);
		return info->cmdline ? NULL : NO_ROOM;
	case LOADER:
		info->loader = keep(info, (const char *)body.data, body.size);
		return info->loader ? NULL : NO_ROOM;
	case MODULE:
		return module2(body, info);
	case MMAP:
		return ranges2(body, info);
	case FRAMEBUFFER:
		if (body.size < sizeof(fb))
			return "broken framebuffer tag";
		__builtin_memcpy(&fb, body.data, sizeof(fb));
		set_framebuffer(info, &fb);
		return NULL;
	case RSDP1:
	case RSDP2:
		set_rsdp(info, body);
		return NULL;
	default:
		return NULL;
	}
}

static const char *parse2(uint64_t addr, multiboot_memory memory, struct boot_info *info)
{
	const uint8_t *data = memory(addr, sizeof(struct tag));
	uint32_t total, at = sizeof(struct tag);
	const char *why = NULL;
	struct tag tag;

	if (!data)
		return "unreadable";
	__builtin_memcpy(&total, data, sizeof(total));
	if (total > INFO_MAX)
		return "unbelievably long";
	data = memory(addr, total);
	if (!data)
		return "unreadable";
	info->info_base = addr;
	info->info_size = total;
	for (; !why; at += (tag.size + 7) & ~7u) {
		if (at > total || total - at < sizeof(tag))
			return "no end tag";
		__builtin_memcpy(&tag, data + at, sizeof(tag));
		if (tag.size < sizeof(tag) || tag.size > total - at)
			return "a tag of impossible size";
		if (tag.type == END)
			return NULL;
		why = take_tag(
			tag.type,
			(struct body){data + at + sizeof(tag), tag.size - (uint32_t)sizeof(tag)},
			info);
	}
	return why;
}

const char *multiboot_parse(uint32_t magic, uint64_t addr, multiboot_memory memory,
			    struct boot_info *info)
{
	__builtin_memset(info, 0, sizeof(*info));
	info->cmdline = info->loader = "";
	if (magic == MULTIBOOT1_MAGIC)
		return parse1(addr, memory, info);
	if (magic == MULTIBOOT2_MAGIC)
		return parse2(addr, memory, info);
	return "not started by a multiboot loader";
}
