/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader told. All strings have been copied. */
#pragma once

#include "kernel/types.h"

#define BOOT_RANGES  128
#define BOOT_MODULES 64
#define BOOT_TEXT    8192
#define BOOT_MAPPED  (4ull << 30) /* the boot's page tables end here */

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

struct boot_info {
	const char *cmdline; /* never NULL */
	const char *loader;  /* the boot loader's name, never NULL */
	uint32_t ranges, modules;
	struct boot_range range[BOOT_RANGES];
	struct boot_module module[BOOT_MODULES];
	struct boot_framebuffer fb;
	uint8_t rsdp[36]; /* of ACPI; zeroes where none was given */
	uint32_t text_used;
	bool text_lost;
	char text[BOOT_TEXT];
};
