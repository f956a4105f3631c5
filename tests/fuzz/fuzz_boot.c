/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: boot/multiboot.c */
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot.h"

#define BASE 0x1000u

static const uint8_t *memory;
static size_t memory_size;

static const void *at(uint64_t addr, uint64_t size)
{
	if (addr < BASE || addr - BASE > memory_size || size > memory_size - (addr - BASE))
		return NULL;
	return memory + (addr - BASE);
}

static void check_string(const struct boot_info *info, const char *s)
{
	if (s >= info->text && s < info->text + BOOT_TEXT &&
	    !memchr(s, 0, (size_t)(info->text + BOOT_TEXT - s)))
		abort();
	if (strlen(s) >= BOOT_TEXT)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info info;

	memory = data;
	memory_size = size;
	if (multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info))
		return 0;
	if (info.ranges > BOOT_RANGES || info.modules > BOOT_MODULES)
		abort();
	check_string(&info, info.cmdline);
	check_string(&info, info.loader);
	for (unsigned i = 0; i < info.modules; i++) {
		check_string(&info, info.module[i].name);
		check_string(&info, info.module[i].cmdline);
		if (info.module[i].size >> 32)
			abort();
	}
	return 0;
}
