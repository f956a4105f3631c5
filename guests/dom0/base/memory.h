/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dom0's memory: its RAM is the image, the heap of malloc and pages for DMA;
 * what it maps of other domains and of devices lies in the map window, at the
 * same virtual and guest-physical address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/abi.h"

/* The facts that the kernel told dom0 at its start. */
extern const struct sampo_boot *boot;

/* Looks at the boot information and sets up heap, DMA pages and window. */
void memory_init(const struct sampo_boot *info);
/* Write protection for the code, no execution of anything else (protect.c). */
void memory_protect(void);

/*
 * Boot modules: files that GRUB loaded. A name matches whole or from its last
 * slash on. NULL: there is no such module.
 */
struct module {
	const char *name;
	const uint8_t *data;
	uint64_t size;
};
/* By number, from 0; false: there are no more. */
bool module_get(unsigned index, struct module *module);
bool module_find(const char *name, struct module *module);

/*
 * The guest-physical window. window_alloc returns an address of dom0 where
 * `bytes` (rounded up to 4 KiB) are free, aligned to `align` (a power of two),
 * or 0; window_take claims a given address (a BAR's) if it is free.
 */
uint64_t window_alloc(uint64_t bytes, uint64_t align);
bool window_take(uint64_t address, uint64_t bytes);
void window_free(uint64_t address);

/* Maps a region into dom0's window; NULL on failure. perms: SAMPO_MAP_*. */
void *memory_map(uint32_t region, uint64_t bytes, uint64_t align, uint64_t perms);
void memory_unmap(void *address, uint64_t bytes);

/* For `nodeinfo`: bytes of dom0's RAM, and how many are in use. */
void memory_usage(uint64_t *total, uint64_t *used);
