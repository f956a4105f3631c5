/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dom0's RAM (heap, then the pages for DMA at its end), the guest-physical
 * window above it and the page tables for it: everything is mapped to itself.
 */
#include "guests/dom0/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/env.h"
#include "guests/dom0/base/dma.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define PAGE         4096ull
#define LARGE        (2ull << 20)
#define HUGE         (1ull << 30)
#define MAPPED_BYTES (GUEST_MAPPED_GIB * HUGE)
#define PTE_P_RW     0x3ull
#define PTE_LARGE    0x83ull
#define PTE_NX       (1ull << 63)
#define DMA_SHARE    8    /* an eighth of the RAM is for DMA */
#define WINDOWS      512u /* that there is room for at first */

const struct sampo_boot *boot;
static struct sampo_boot boot_copy;
static const struct sampo_module *modules;

struct window {
	uint64_t base, bytes;
};
static struct window *windows; /* sorted by base */
static unsigned window_count, window_room;

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

/* start.S has mapped all of it if the CPU has pages of 1 GiB; else a page
 * directory is added for each GiB that is used. */
static bool cover(uint64_t address, uint64_t bytes)
{
	if (address >= MAPPED_BYTES || bytes > MAPPED_BYTES - address)
		return false;
	for (uint64_t i = address / HUGE; i * HUGE < address + bytes; i++) {
		uint64_t bus, *table;

		if (guest_pdpt[i])
			continue;
		table = dma_alloc(PAGE, &bus);
		if (!table)
			return false;
		for (uint64_t n = 0; n < 512; n++)
			table[n] = (i * HUGE + n * LARGE) | PTE_LARGE;
		guest_pdpt[i] = sampo_gpa(table) | PTE_P_RW | PTE_NX;
	}
	return true;
}

void memory_init(const struct sampo_boot *info)
{
	uint64_t dma = info->ram_bytes / DMA_SHARE & ~(LARGE - 1);
	uint64_t top = info->ram_bytes - dma;

	boot_copy = *info;
	boot = &boot_copy;
	modules = (const struct sampo_module *)(uintptr_t)boot->module_table;
	memory_protect();
	heap_set((uintptr_t)guest_end, top);
	dma_init((void *)(uintptr_t)top, dma, top + info->dma_offset);
	cover(boot->event_page, PAGE);
	cover(boot->log, sizeof(struct sampo_log));
	for (uint32_t i = 0; i < boot->modules; i++)
		if (!cover(modules[i].gpa, modules[i].size))
			printf(LOG_ERR "dom0: module %u is out of reach\n", i);
	if (boot_copy.map_end > MAPPED_BYTES)
		boot_copy.map_end = MAPPED_BYTES;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool module_at(unsigned index, struct module *module)
{
	const struct sampo_module *m = &modules[index];

	module->name = m->name;
	module->data = (const uint8_t *)(uintptr_t)m->gpa;
	module->size = m->size;
	return true;
}

bool module_get(unsigned index, struct module *module)
{
	return index < boot->modules && module_at(index, module);
}

bool module_find(const char *name, struct module *module)
{
	for (unsigned i = 0; i < boot->modules; i++)
		if (!strcmp(modules[i].name, name))
			return module_at(i, module);
	for (unsigned i = 0; i < boot->modules; i++)
		if (!strcmp(base_name(modules[i].name), base_name(name)))
			return module_at(i, module);
	return false;
}

static bool make_room(void)
{
	unsigned room = window_room ? 2 * window_room : WINDOWS;
	struct window *larger;

	if (window_count < window_room)
		return true;
	larger = realloc(windows, room * sizeof(windows[0]));
	if (!larger)
		return false;
	windows = larger;
	window_room = room;
	return true;
}

/* Inserts a window before `at` in the table. */
static bool insert(unsigned at, uint64_t base, uint64_t bytes)
{
	if (!make_room() || !cover(base, bytes))
		return false;
	memmove(&windows[at + 1], &windows[at], (window_count - at) * sizeof(windows[0]));
	windows[at] = (struct window){base, bytes};
	window_count++;
	return true;
}

uint64_t window_alloc(uint64_t bytes, uint64_t align)
{
	uint64_t base = round_up(boot->map_base, align);

	if (!bytes || bytes > boot->map_end)
		return 0;
	bytes = round_up(bytes, PAGE);
	for (unsigned i = 0; i <= window_count; i++) {
		uint64_t end = i < window_count ? windows[i].base : boot->map_end;

		if (end > boot->map_end)
			end = boot->map_end;
		if (base < end && end - base >= bytes)
			return insert(i, base, bytes) ? base : 0;
		if (i < window_count && windows[i].base + windows[i].bytes > base)
			base = round_up(windows[i].base + windows[i].bytes, align);
	}
	return 0;
}

bool window_take(uint64_t address, uint64_t bytes)
{
	unsigned i = 0;

	bytes = round_up(bytes, PAGE);
	if (address < boot->map_base || address >= boot->map_end ||
	    bytes > boot->map_end - address || address % PAGE)
		return false;
	while (i < window_count && windows[i].base + windows[i].bytes <= address)
		i++;
	if (i < window_count && windows[i].base < address + bytes)
		return false;
	return insert(i, address, bytes);
}

void window_free(uint64_t address)
{
	for (unsigned i = 0; i < window_count; i++) {
		if (windows[i].base != address)
			continue;
		memmove(&windows[i], &windows[i + 1], (window_count - i - 1) * sizeof(windows[0]));
		window_count--;
		return;
	}
}

void *memory_map(uint32_t region, uint64_t bytes, uint64_t align, uint64_t perms)
{
	uint64_t at = window_alloc(bytes, align);
	int64_t status;

	if (!at)
		return NULL;
	status = sampo_region_map(region, boot->domain, at, 0, perms, round_up(bytes, PAGE));
	if (status == SAMPO_OK)
		return (void *)(uintptr_t)at;
	printf(LOG_ERR "dom0: region_map of %llu bytes: %s\n", (unsigned long long)bytes,
	       sampo_strerror(status));
	window_free(at);
	return NULL;
}

void memory_unmap(void *address, uint64_t bytes)
{
	sampo_region_unmap(boot->domain, sampo_gpa(address), round_up(bytes, PAGE));
	window_free(sampo_gpa(address));
}

void memory_usage(uint64_t *total, uint64_t *used)
{
	*total = boot->ram_bytes;
	*used = sampo_gpa(guest_end) - sampo_gpa(guest_image) + heap_used() + dma_used();
}
