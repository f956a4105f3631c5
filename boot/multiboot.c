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

#define TAG_HEADER offsetof(struct tag, u)

static char *skip_spaces(char *s)
{
	while (*s == ' ')
		s++;
	return s;
}

/* A string is used where it lies, so that it must end with its tag. */
static const char *string_at(const char *text, const struct tag *tag)
{
	const char *end = (const char *)tag + tag->size;

	return text < end && !end[-1] ? text : NULL;
}

/* The first word of its string is the name, the rest the command line: they are parted here. */
static const char *part_module(struct tag *tag)
{
	char *text = tag->u.module.text;

	if (!string_at(text, tag))
		return "broken module";
	if (tag->u.module.end < tag->u.module.start)
		return "a module ends before it begins";
	for (text = skip_spaces(text); *text && *text != ' ';)
		text++;
	*text = 0;
	return NULL;
}

static void set_framebuffer(struct boot_info *info, const struct boot_framebuffer *fb)
{
	if (fb->type == FB_RGB && fb->pitch >= (uint64_t)fb->width * (fb->bpp / 8u) &&
	    fb->addr + (uint64_t)fb->pitch * fb->height >= fb->addr)
		info->fb = *fb;
}

static const char *set_map(struct boot_info *info, const struct tag *tag)
{
	uint32_t header = offsetof(struct tag, u.map.entries);

	if (tag->size < header || tag->u.map.entry_size < sizeof(struct map_entry))
		return "broken memory map";
	info->map = tag->u.map.entries;
	info->range_bytes = tag->u.map.entry_size;
	info->ranges = (tag->size - header) / info->range_bytes;
	return NULL;
}

static const char *take_tag(struct boot_info *info, struct tag *tag)
{
	size_t size = tag->size - TAG_HEADER;

	switch (tag->type) {
	case CMDLINE:
		info->cmdline = string_at(tag->u.text, tag);
		return info->cmdline ? NULL : "a command line without an end";
	case LOADER:
		info->loader = string_at(tag->u.text, tag);
		return info->loader ? NULL : "a loader's name without an end";
	case MODULE:
		return part_module(tag);
	case MMAP:
		return set_map(info, tag);
	case FRAMEBUFFER:
		if (size < sizeof(tag->u.fb))
			return "broken framebuffer tag";
		set_framebuffer(info, &tag->u.fb);
		return NULL;
	case RSDP1:
		if (info->rsdp[0]) /* the second version is preferred, in whatever order they come
				    */
			return NULL;
		/* fall through */
	case RSDP2:
		__builtin_memcpy(info->rsdp, tag->u.text,
				 size < sizeof(info->rsdp) ? size : sizeof(info->rsdp));
		return NULL;
	}
	return NULL;
}

static uint32_t after(uint32_t at, const struct tag *tag)
{
	return at + ((tag->size + 7) & ~7u);
}

/*
 * Multiboot 2, 3.4: a total size, then tags, each with its type and size, the next one at a
 * multiple of 8 bytes. Each tag lies within the total, and is at least as long as its own header,
 * so the walk moves on with each step and ends. The first tag that is wrong ends it with the
 * reason.
 */
const char *multiboot_parse(uint32_t magic, uint64_t addr, multiboot_memory memory,
			    struct boot_info *info)
{
	const uint32_t *total;
	struct tag *tag;
	uint8_t *data;
	const char *why = NULL;

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
	info->tags = data;
	info->own[BOOT_TOLD] = (struct boot_range){addr, *total, BOOT_RESERVED};
	for (uint32_t at = TAG_HEADER; !why; at = after(at, tag)) {
		if (at > *total || *total - at < TAG_HEADER)
			return "no end tag";
		tag = (struct tag *)(data + at);
		if (tag->size < TAG_HEADER || tag->size > *total - at)
			return "a tag of impossible size";
		if (tag->type == END)
			return NULL;
		why = take_tag(info, tag);
	}
	return why;
}

bool boot_next_module(const struct boot_info *info, struct boot_place *at,
		      struct boot_module *module)
{
	uint32_t place = at->tag ? at->tag : TAG_HEADER;
	struct tag *tag;
	char *end;

	do {
		tag = (struct tag *)(info->tags + place);
		if (tag->type == END)
			return false;
		place = after(place, tag);
	} while (tag->type != MODULE);
	at->tag = place;
	module->base = tag->u.module.start;
	module->size = tag->u.module.end - tag->u.module.start;
	module->name = skip_spaces(tag->u.module.text);
	for (end = (char *)module->name; *end; end++)
		;
	/* Behind the name, unless its end is that of the tag. */
	module->cmdline = end + 1 == (char *)tag + tag->size ? end : skip_spaces(end + 1);
	return true;
}

bool boot_next_range(const struct boot_info *info, struct boot_place *at, struct boot_range *range)
{
	const struct map_entry *entry;
	struct boot_module module;

	if (at->range < info->ranges) {
		entry = (const void *)(info->map + (size_t)info->range_bytes * at->range);
		at->range++;
		*range = (struct boot_range){entry->base, entry->length, entry->type};
		if (range->base + range->size < range->base)
			range->size = 0;
		return true;
	}
	if (at->range - info->ranges < BOOT_OWN) {
		*range = info->own[at->range++ - info->ranges];
		return true;
	}
	if (!boot_next_module(info, at, &module))
		return false;
	*range = (struct boot_range){module.base, module.size, BOOT_RESERVED};
	return true;
}
