/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a Multiboot 2 loader left in memory to struct boot_info. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/base/types.h"

/* In EAX at entry. */
#define MULTIBOOT2_MAGIC 0x36d76289u

/* `size` bytes of physical memory at addr as a pointer, or NULL if they
 * can't be read and written. */
typedef void *(*multiboot_memory)(uint64_t addr, uint64_t size);

/*
 * Fills *info (zeroed by the callee). NULL on success, else the reason why the
 * information is refused, for the user's eyes. The memory map may be empty:
 * the caller checks for what it needs. Writes the ends of modules' names into the information.
 */
const char *multiboot_parse(uint32_t magic, uint64_t addr, multiboot_memory memory,
			    struct boot_info *info);
