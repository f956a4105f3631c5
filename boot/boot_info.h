/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot loader's information. The strings, the memory map and the modules' tags stay where the
 * loader put them, in memory that boot_next_range names as in use. */
#pragma once

#include "kernel/base/types.h"

#define BOOT_MAPPED (4ull << 30) /* the boot's page tables end here */

/* Types of memory as in E820. */
#define BOOT_RAM      1u
#define BOOT_RESERVED 2u

struct boot_range {
	uint64_t base, size;
	uint32_t type;
};

struct boot_module {
	uint64_t base, size;
	const char *name;    /* never NULL; may be empty */
	const char *cmdline; /* never NULL; may be empty */
};

/* A linear framebuffer, as multiboot2 says it (3.6.12). */
struct boot_framebuffer {
	uint64_t addr; /* 0: there is none, but VGA text perhaps */
	uint32_t pitch, width, height;
	uint8_t bpp, type;
} __attribute__((packed));

/* Two ranges beside the map: the loader's information, and the image, which the caller fills in. */
enum { BOOT_TOLD, BOOT_IMAGE, BOOT_OWN };

struct boot_info {
	const char *cmdline; /* never NULL */
	const char *loader;  /* the boot loader's name, never NULL */
	struct boot_range own[BOOT_OWN];
	const uint8_t *tags, *map;
	uint32_t ranges, range_bytes; /* of the map: entries, and the size of each */
	struct boot_framebuffer fb;
	uint8_t rsdp[36]; /* of ACPI; zeroes where none was given */
};

/* Where a walk is; zeroes: at its start. */
struct boot_place {
	uint32_t range;
	uint32_t tag;
};

/* The memory map, then all that is in use: own ranges and modules. Returns false at the end. */
bool boot_next_range(const struct boot_info *info, struct boot_place *at, struct boot_range *range);
/* The modules. Returns false at the end. */
bool boot_next_module(const struct boot_info *info, struct boot_place *at,
		      struct boot_module *module);
