/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: boot/multiboot.c */
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot.h"

#define BASE 0x1000u

static uint8_t *memory;
static size_t memory_size;

static void *at(uint64_t addr, uint64_t size)
{
	if (addr < BASE || addr - BASE > memory_size || size > memory_size - (addr - BASE))
		return NULL;
	return memory + (addr - BASE);
}

/* It ends in the memory that was given. */
static void check_string(const char *s)
{
	const char *end = (const char *)memory + memory_size;

	if (*s && (s < (const char *)memory || s >= end || !memchr(s, 0, (size_t)(end - s))))
		abort();
}

static void walk(const struct boot_info *info)
{
	struct boot_place place = {0};
	struct boot_module module;
	struct boot_range range;
	uint64_t bytes = 0;

	while (boot_next_range(info, &place, &range))
		bytes += range.size & 1;
	if (place.range < BOOT_OWN || bytes > memory_size)
		abort();
	place = (struct boot_place){0};
	while (boot_next_module(info, &place, &module)) {
		check_string(module.name);
		check_string(module.cmdline);
		if (module.size >> 32)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info info;

	/* An allocation of that size: accesses beyond it are noticed. */
	memory = malloc(size ? size : 1);
	if (!memory)
		return 0;
	memcpy(memory, data, size);
	memory_size = size;
	if (!multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info)) {
		check_string(info.cmdline);
		check_string(info.loader);
		walk(&info);
	}
	free(memory);
	return 0;
}
