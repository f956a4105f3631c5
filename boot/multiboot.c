/* SPDX-License-Identifier: BSD-2-Clause */

#include "boot/multiboot.h"

/* Longest information that is believed. */
#define INFO_MAX (1u << 20)

#define FB_RGB 1u

/* Of tags, multiboot2 3.6. */
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

struct map_entry {
	uint64_t base, length;
	uint32_t type, reserved;
} __attribute__((packed));

#define TAG_HEADER    offsetof(struct tag, u)
#define MODULE_HEADER offsetof(struct tag, u.module.text)

/* Copies a string of so many bytes, or fewer. If there is no room, the result is another one,
 * and info->text_lost is set. */
static char *keep(struct boot_info *info, const char *from, size_t bytes)
{
	char *to = info->text + info->text_used;

	if (bytes >= BOOT_TEXT - info->text_used) {
		info->text_lost = true;
		return info->text;
	}
	__builtin_memcpy(to, from, bytes); /* zero follows: *info was zeroed */
	info->text_used += (uint32_t)bytes + 1;
	return to;
}

static char *skip_spaces(char *s)
{
	while (*s == ' ')
		s++;
	return s;
}

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

/* The first word of its string is the name, the rest the command line. */
static const char *add_module(struct boot_info *info, const struct tag *tag)
{
	struct boot_module *module = &info->module[info->modules];
	char *text;

	if (tag->size < MODULE_HEADER)
		return "broken module";
	if (info->modules == BOOT_MODULES)
		return "too many modules";
	if (tag->u.module.end < tag->u.module.start)
		return "a module ends before it begins";
	text = skip_spaces(keep(info, tag->u.module.text, tag->size - MODULE_HEADER));
	module->base = tag->u.module.start;
	module->size = tag->u.module.end - tag->u.module.start;
	module->name = text;
	while (*text && *text != ' ')
		text++;
	module->cmdline = skip_spaces(text);
	*text = 0;
	info->modules++;
	return NULL;
}

static void set_framebuffer(struct boot_info *info, const struct boot_framebuffer *fb)
{
	if (fb->type == FB_RGB && fb->pitch >= (uint64_t)fb->width * (fb->bpp / 8u) &&
	    fb->addr + (uint64_t)fb->pitch * fb->height >= fb->addr)
		info->fb = *fb;
}

static const char *add_ranges(struct boot_info *info, const struct tag *tag)
{
	uint32_t at = offsetof(struct tag, u.map.entries);
	const struct map_entry *range;
	const char *why = NULL;

	if (tag->size < at || tag->u.map.entry_size < sizeof(*range))
		return "broken memory map";
	for (; !why && tag->size - at >= tag->u.map.entry_size; at += tag->u.map.entry_size) {
		range = (const void *)((const char *)tag + at);
		why = add_range(info, range->base, range->length, range->type);
	}
	return why;
}

static const char *take_tag(struct boot_info *info, const struct tag *tag)
{
	size_t size = tag->size - TAG_HEADER;

	switch (tag->type) {
	case CMDLINE:
		info->cmdline = keep(info, tag->u.text, size);
		return NULL;
	case LOADER:
		info->loader = keep(info, tag->u.text, size);
		return NULL;
	case MODULE:
		return add_module(info, tag);
	case MMAP:
		return add_ranges(info, tag);
	case FRAMEBUFFER:
		if (size < sizeof(tag->u.fb))
			return "broken framebuffer tag";
		set_framebuffer(info, &tag->u.fb);
		return NULL;
	case RSDP1:
		if (info->rsdp[0]) /* the second version is preferred, in whatever order they come */
			return NULL;
		/* fall through */
	case RSDP2:
		__builtin_memcpy(info->rsdp, tag->u.text,
				 size < sizeof(info->rsdp) ? size : sizeof(info->rsdp));
		return NULL;
	}
	return NULL;
}

const char *multiboot_parse(uint32_t magic, uint64_t addr, multiboot_memory memory,
			    struct boot_info *info)
{
	const char *data, *why = NULL;
	const struct tag *tag;
	const uint32_t *total;

	__builtin_memset(info, 0, sizeof(*info));
	info->cmdline = info->loader = "";
	if (magic != MULTIBOOT2_MAGIC)
		return "not started by a Multiboot 2 loader";
	total = memory(addr, TAG_HEADER);
	if (total && *total > INFO_MAX)
		return "unbelievably long";
	data = total ? memory(addr, *total) : NULL;
	if (!data)
		return "unreadable";
	for (uint32_t at = TAG_HEADER; !why; at += (tag->size + 7) & ~7u) {
		if (at > *total || *total - at < TAG_HEADER)
			return "no end tag";
		tag = (const struct tag *)(data + at);
		if (tag->size < TAG_HEADER || tag->size > *total - at)
			return "a tag of impossible size";
		if (tag->type == END)
			return info->text_lost ? "the boot loader's strings are too long" : NULL;
		why = take_tag(info, tag);
	}
	return why;
}
