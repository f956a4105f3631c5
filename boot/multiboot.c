/* SPDX-License-Identifier: BSD-2-Clause */

#include "boot/multiboot.h"

/* Longest information that is believed, and longest string. */
#define INFO_MAX   (1u << 20)
#define STRING_MAX 4096u

#define FB_RGB 1u

/* --- strings --- */

/* Copies a string that ends with a zero byte, or after `bytes`. If it is NULL or does not fit,
 * all are lost, and info->text_lost says so. */
static char *keep(struct boot_info *info, const char *from, uint64_t bytes)
{
	uint64_t length = 0;
	char *to;

	while (from && length < bytes && from[length])
		length++;
	if (!from || length >= BOOT_TEXT - info->text_used) {
		info->text_lost = true;
		from = "";
		info->text_used = 0;
		length = 0;
	}
	to = info->text + info->text_used;
	__builtin_memcpy(to, from, length);
	to[length] = 0;
	info->text_used += (uint32_t)length + 1;
	return to;
}

static char *skip_spaces(char *s)
{
	while (*s == ' ')
		s++;
	return s;
}

/* Ends the string behind its first word. The rest follows. */
static char *split_word(char **rest)
{
	char *word = skip_spaces(*rest), *end = word;

	while (*end && *end != ' ')
		end++;
	*rest = skip_spaces(end);
	*end = 0;
	return word;
}

/* --- what both versions have --- */

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

/* The string was kept; its first word is the name. QEMU gives the path of the file first. */
static const char *add_module(struct boot_info *info, uint32_t start, uint32_t end, char *string,
			      bool qemu)
{
	struct boot_module *module = &info->module[info->modules];
	char *path;

	if (info->modules == BOOT_MODULES)
		return "too many modules";
	if (end < start)
		return "a module ends before it begins";
	info->modules++;
	*module = (struct boot_module){.base = start, .size = end - start};
	module->name = path = split_word(&string);
	if (qemu && *string)
		module->name = split_word(&string);
	else
		for (; qemu && *path; path++)
			if (*path == '/')
				module->name = path + 1;
	module->cmdline = string;
	return NULL;
}

static void set_framebuffer(struct boot_info *info, const struct boot_framebuffer *fb)
{
	if (fb->type == FB_RGB && fb->pitch >= (uint64_t)fb->width * (fb->bpp / 8u) &&
	    fb->addr + (uint64_t)fb->pitch * fb->height >= fb->addr)
		info->fb = *fb;
}

/* --- Multiboot 1 --- */

enum { HAS_CMDLINE = 1 << 2, HAS_MODULES = 1 << 3, HAS_MMAP = 1 << 6, HAS_LOADER = 1 << 9 };
enum { HAS_FB = 1 << 12 };

struct info1 {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config, loader, apm, vbe[4];
	struct boot_framebuffer fb;
} __attribute__((packed));

struct module1 {
	uint32_t start, end, string, reserved;
} __attribute__((packed));

struct range1 {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

static char *string1(multiboot_memory memory, uint32_t addr, struct boot_info *info)
{
	return keep(info, addr ? memory(addr, STRING_MAX) : "", STRING_MAX);
}

static const char *ranges1(const uint8_t *map, uint32_t length, struct boot_info *info)
{
	const struct range1 *range;
	const char *why = map ? NULL : "unreadable memory map";

	for (uint32_t at = 0; !why && length - at >= sizeof(*range); at += range->size + 4) {
		range = (const struct range1 *)(map + at);
		if (range->size < sizeof(*range) - 4 || range->size > length - at - 4)
			return "broken memory map";
		why = add_range(info, range->base, range->length, range->type);
	}
	return why;
}

static const char *parse1(uint64_t addr, multiboot_memory memory, struct boot_info *info)
{
	const struct info1 *from = memory(addr, sizeof(*from));
	const struct module1 *module;
	const char *why = NULL;
	char *cmdline;
	bool qemu;

	if (!from)
		return "unreadable";
	info->loader = string1(memory, from->flags & HAS_LOADER ? from->loader : 0, info);
	cmdline = string1(memory, from->flags & HAS_CMDLINE ? from->cmdline : 0, info);
	qemu = !__builtin_memcmp(info->loader, "qemu", 5);
	if (qemu)
		split_word(&cmdline);
	info->cmdline = cmdline;
	if (from->flags & HAS_MMAP)
		why = ranges1(memory(from->mmap_addr, from->mmap_length), from->mmap_length, info);
	if (!why && from->flags & HAS_MODULES) {
		module = memory(from->mods_addr, from->mods_count * (uint64_t)sizeof(*module));
		if (!module)
			return "broken list of modules";
		for (uint32_t i = 0; !why && i < from->mods_count; i++, module++)
			why = add_module(info, module->start, module->end,
					 string1(memory, module->string, info), qemu);
	}
	if (from->flags & HAS_FB)
		set_framebuffer(info, &from->fb);
	return why;
}

/* --- Multiboot 2 (3.6) --- */

enum tag_type { END, CMDLINE, LOADER, MODULE, MMAP = 6, FRAMEBUFFER = 8, RSDP1 = 14, RSDP2 };

/* A tag of any type, as far as its size says. */
struct tag {
	uint32_t type, size;
	union {
		char text[1];
		struct boot_framebuffer fb;
		struct {
			uint32_t start, end;
			char text[1];
		} module;
		struct {
			uint32_t entry_size, version;
			uint8_t entries[1];
		} map;
	} u;
} __attribute__((packed));

struct range2 {
	uint64_t base, length;
	uint32_t type, reserved;
} __attribute__((packed));

#define TAG_HEADER    offsetof(struct tag, u)
#define MODULE_HEADER offsetof(struct tag, u.module.text)

static const char *ranges2(const struct tag *tag, struct boot_info *info)
{
	uint32_t step = 0, at = offsetof(struct tag, u.map.entries);
	const char *why = NULL;

	if (tag->size >= at)
		step = tag->u.map.entry_size;
	if (step < sizeof(struct range2))
		return "broken memory map";
	for (; !why && tag->size - at >= step; at += step) {
		const struct range2 *range = (const void *)((const char *)tag + at);

		why = add_range(info, range->base, range->length, range->type);
	}
	return why;
}

/* The second version of the RSDP is preferred, in whatever order they come. */
static void set_rsdp(struct boot_info *info, const struct tag *tag)
{
	uint32_t size = tag->size - (uint32_t)TAG_HEADER;

	if (size > sizeof(info->rsdp))
		size = sizeof(info->rsdp);
	if (size > info->rsdp_size) {
		__builtin_memcpy(info->rsdp, tag->u.text, size);
		info->rsdp_size = size;
	}
}

static const char *take_tag(const struct tag *tag, struct boot_info *info)
{
	switch (tag->type) {
	case CMDLINE:
		info->cmdline = keep(info, tag->u.text, tag->size - TAG_HEADER);
		return NULL;
	case LOADER:
		info->loader = keep(info, tag->u.text, tag->size - TAG_HEADER);
		return NULL;
	case MODULE:
		if (tag->size < MODULE_HEADER)
			return "broken module";
		return add_module(info, tag->u.module.start, tag->u.module.end,
				  keep(info, tag->u.module.text, tag->size - MODULE_HEADER), false);
	case MMAP:
		return ranges2(tag, info);
	case FRAMEBUFFER:
		if (tag->size < TAG_HEADER + sizeof(tag->u.fb))
			return "broken framebuffer tag";
		set_framebuffer(info, &tag->u.fb);
		return NULL;
	case RSDP1:
	case RSDP2:
		set_rsdp(info, tag);
		return NULL;
	}
	return NULL;
}

static const char *parse2(uint64_t addr, multiboot_memory memory, struct boot_info *info)
{
	const uint32_t *head = memory(addr, TAG_HEADER);
	uint32_t total = head ? *head : 0, at = TAG_HEADER;
	const char *data, *why = NULL;
	const struct tag *tag;

	if (total > INFO_MAX)
		return "unbelievably long";
	data = head ? memory(addr, total) : NULL;
	if (!data)
		return "unreadable";
	for (; !why; at += (tag->size + 7) & ~7u) {
		if (at > total || total - at < TAG_HEADER)
			return "no end tag";
		tag = (const struct tag *)(data + at);
		if (tag->size < TAG_HEADER || tag->size > total - at)
			return "a tag of impossible size";
		if (tag->type == END)
			return NULL;
		why = take_tag(tag, info);
	}
	return why;
}

const char *multiboot_parse(uint32_t magic, uint64_t addr, multiboot_memory memory,
			    struct boot_info *info)
{
	const char *why = "not started by a multiboot loader";

	__builtin_memset(info, 0, sizeof(*info));
	info->cmdline = info->loader = "";
	if (magic == MULTIBOOT1_MAGIC)
		why = parse1(addr, memory, info);
	else if (magic == MULTIBOOT2_MAGIC)
		why = parse2(addr, memory, info);
	return info->text_lost ? "the boot loader's strings are too long" : why;
}
