/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/frame.h"
#include "kernel/abi.h"
#include "kernel/list.h"
#include "kernel/panic.h"

#define PAGES          512u /* of a block */
#define LOW_MEMORY     (1ull << 20)
#define HIGH_FRAGMENTS (1ull << 32) /* the boot's page tables end here */
#define TOP            (1ull << 46)
#define RESERVE        8u /* pages that are left while a new block is being mapped */

/* What a block is, beside the number of its first usable page if it is KERNEL. */
enum { ABSENT, FREE = 0x2000, GIVEN = 0x3000, KERNEL = 0x4000 };

/* In the first usable page of a kernel block. */
struct kernel_block {
	struct list list;      /* in the list of those with free pages */
	uint32_t usable, free; /* pages; the header is usable, never free */
	uint64_t is_usable[PAGES / 64], is_free[PAGES / 64];
};

struct frame_stats frame_stats;

static uint16_t *block; /* one for each 2 MiB of the physical address space */
static uint64_t blocks;
static uint64_t lowest;  /* no block below is free */
static uint64_t highest; /* nor from here on */
static struct frame_range metadata;
static struct list *partial; /* struct kernel_block */
static uint32_t spares;      /* kernel blocks with nothing in them */
static bool mapping;         /* kernel_block_mapped runs */

static bool bit(const uint64_t *map, uint64_t n)
{
	return map[n / 64] >> n % 64 & 1;
}

static void flip(uint64_t *map, uint64_t n)
{
	map[n / 64] ^= 1ull << n % 64;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

static uint64_t end_of(const struct frame_range *range)
{
	uint64_t end = range->base + range->size;

	return end < range->base || end > TOP ? TOP : end;
}

/* --- kernel pages --- */

/* Pages that come to the kernel's, and to its free ones; or leave them. */
static void count_pages(int64_t usable, int64_t free)
{
	frame_stats.kernel_bytes += (uint64_t)usable * FRAME_PAGE;
	frame_stats.kernel_free_bytes += (uint64_t)free * FRAME_PAGE;
}

static struct kernel_block *header(uint64_t b)
{
	return (struct kernel_block *)(uintptr_t)(b * FRAME_BLOCK +
						  (block[b] % PAGES) * FRAME_PAGE);
}

/* Block b, in which the pages of the bitmap are usable (two at least), becomes
 * the kernel's. */
static void adopt(uint64_t b, const uint64_t *usable)
{
	struct kernel_block *kb;
	uint16_t first = 0;

	while (!bit(usable, first))
		first++;
	block[b] = (uint16_t)(KERNEL | first);
	kb = header(b);
	kb->usable = 0;
	__builtin_memcpy(kb->is_usable, usable, sizeof(kb->is_usable));
	__builtin_memcpy(kb->is_free, usable, sizeof(kb->is_free));
	for (unsigned i = 0; i < PAGES; i++)
		kb->usable += bit(usable, i);
	flip(kb->is_free, first);
	kb->free = kb->usable - 1;
	count_pages(kb->usable, kb->free);
	list_add(&partial, &kb->list);
}

static bool map_block(uint64_t base, bool mapped)
{
	bool done;

	mapping = true;
	done = kernel_block_mapped(base, mapped);
	mapping = false;
	return done;
}

static void grow(void)
{
	static const uint64_t whole[PAGES / 64] = {[0 ... PAGES / 64 - 1] = ~0ull};

	while (lowest < blocks && block[lowest] != FREE)
		lowest++;
	if (lowest >= highest)
		return;
	uint64_t b = lowest;

	/* Mapping it allocates pages, from the reserve. */
	block[b] = GIVEN;
	if (!map_block(b * FRAME_BLOCK, true)) {
		block[b] = FREE;
		return;
	}
	frame_stats.free_bytes -= FRAME_BLOCK;
	adopt(b, whole);
	spares++;
}

static void shrink(struct kernel_block *kb)
{
	uint64_t base = (uint64_t)(uintptr_t)kb & ~(FRAME_BLOCK - 1);

	list_remove(&partial, &kb->list);
	count_pages(-(int64_t)PAGES, -(int64_t)kb->free);
	block[base / FRAME_BLOCK] = GIVEN;
	map_block(base, false);
	frame_free_blocks(base, 1);
}

static bool is_empty(const struct kernel_block *kb)
{
	return kb->usable == PAGES && kb->free == PAGES - 1;
}

/* n free pages in a row: the number of the first, or PAGES. */
static unsigned find_run(const struct kernel_block *kb, unsigned n)
{
	unsigned run = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		if (!kb->is_free[i / 64]) {
			i |= 63;
			run = 0;
			continue;
		}
		run = bit(kb->is_free, i) ? run + 1 : 0;
		if (run == n)
			return i + 1 - n;
	}
	return PAGES;
}

static void *take(struct kernel_block *kb, unsigned first, unsigned n)
{
	uint64_t base = (uint64_t)(uintptr_t)kb & ~(FRAME_BLOCK - 1);
	void *pages = (void *)(uintptr_t)(base + first * FRAME_PAGE);

	if (is_empty(kb))
		spares--;
	for (unsigned i = 0; i < n; i++)
		flip(kb->is_free, first + i);
	kb->free -= n;
	count_pages(0, -(int64_t)n);
	if (!kb->free)
		list_remove(&partial, &kb->list);
	__builtin_memset(pages, 0, n * FRAME_PAGE);
	return pages;
}

/* The reserve is for mapping the next block: without it there would never be
 * another one. */
static bool enough(unsigned n)
{
	if (mapping)
		return true;
	if (frame_stats.kernel_free_bytes < (RESERVE + n) * FRAME_PAGE)
		grow();
	return frame_stats.kernel_free_bytes >= (RESERVE + n) * FRAME_PAGE;
}

void *page_alloc_contig(unsigned n)
{
	if (!n || n > 64 || !enough(n))
		return NULL;
	for (unsigned try = 0; try < 2; try++) {
		for (struct list *at = partial; at; at = at->next) {
			struct kernel_block *kb = (struct kernel_block *)at;
			unsigned first = find_run(kb, n);

			if (first < PAGES)
				return take(kb, first, n);
		}
		if (!mapping)
			grow();
	}
	return NULL;
}

void *page_alloc(void)
{
	struct kernel_block *kb;
	unsigned i = 0;

	if (!enough(1) || !partial)
		return NULL;
	kb = (struct kernel_block *)partial;
	while (!kb->is_free[i])
		i++;
	return take(kb, i * 64 + (unsigned)__builtin_ctzll(kb->is_free[i]), 1);
}

void page_free_contig(void *pages, unsigned n)
{
	uint64_t base = (uint64_t)(uintptr_t)pages, b = base / FRAME_BLOCK;
	uint64_t first = base % FRAME_BLOCK / FRAME_PAGE;
	struct kernel_block *kb;

	ASSERT(base % FRAME_PAGE == 0 && b < blocks && block[b] >= KERNEL);
	ASSERT(first > block[b] % PAGES && first + n <= PAGES);
	kb = header(b);
	for (unsigned i = 0; i < n; i++) {
		ASSERT(bit(kb->is_usable, first + i) && !bit(kb->is_free, first + i));
		flip(kb->is_free, first + i);
	}
	if (!kb->free)
		list_add(&partial, &kb->list);
	kb->free += n;
	count_pages(0, n);
	if (!is_empty(kb))
		return;
	if (spares && !mapping)
		shrink(kb);
	else
		spares++;
}

void page_free(void *page)
{
	page_free_contig(page, 1);
}

void frame_each_kernel(void (*fn)(uint64_t base, uint64_t size, void *ctx), void *ctx)
{
	fn(metadata.base, metadata.size, ctx);
	for (uint64_t b = 0; b < blocks; b++) {
		if (block[b] < KERNEL)
			continue;
		for (unsigned i = 0, run; i < PAGES; i += run + 1) {
			for (run = 0; i + run < PAGES && bit(header(b)->is_usable, i + run);)
				run++;
			if (run)
				fn(b * FRAME_BLOCK + i * FRAME_PAGE, run * FRAME_PAGE, ctx);
		}
	}
}

/* --- blocks --- */

uint64_t frame_alloc_blocks(uint64_t n, uint64_t align, uint64_t limit)
{
	uint64_t top = limit / FRAME_BLOCK, run = 0, b;

	while (highest && block[highest - 1] != FREE)
		highest--;
	for (b = top < highest ? top : highest; n && b-- > lowest;) {
		run = block[b] == FREE ? run + 1 : 0;
		if (run < n || b & (align - 1))
			continue;
		for (uint64_t i = 0; i < n; i++)
			block[b + i] = GIVEN;
		frame_stats.free_bytes -= n * FRAME_BLOCK;
		return b * FRAME_BLOCK;
	}
	return 0;
}

void frame_free_blocks(uint64_t base, uint64_t n)
{
	uint64_t first = base / FRAME_BLOCK;

	ASSERT(base % FRAME_BLOCK == 0 && first < blocks && n <= blocks - first);
	for (uint64_t b = first; b < first + n; b++) {
		ASSERT(block[b] == GIVEN);
		block[b] = FREE;
	}
	frame_stats.free_bytes += n * FRAME_BLOCK;
	lowest = first < lowest ? first : lowest;
	highest = first + n > highest ? first + n : highest;
}

/* --- the memory map --- */

struct map {
	const struct frame_range *usable, *reserved;
	unsigned usable_count, reserved_count;
};

static bool overlaps(const struct frame_range *range, unsigned n, uint64_t base, uint64_t end)
{
	for (unsigned i = 0; i < n; i++)
		if (base < end_of(&range[i]) && end > range[i].base)
			return true;
	return false;
}

static bool is_usable(const struct map *map, uint64_t base, uint64_t end)
{
	if (overlaps(&metadata, 1, base, end) ||
	    overlaps(map->reserved, map->reserved_count, base, end))
		return false;
	for (unsigned i = 0; i < map->usable_count; i++)
		if (base >= map->usable[i].base && end <= end_of(&map->usable[i]))
			return true;
	return false;
}

/* The lowest whole pages that are usable, between two addresses; 0: none. */
static uint64_t find(const struct map *map, uint64_t low, uint64_t high, uint64_t bytes)
{
	for (uint64_t base = low; base + bytes <= high; base += FRAME_PAGE)
		if (is_usable(map, base, base + bytes))
			return base;
	return 0;
}

/* The pages of a block that is not usable as a whole. */
static void add_fragment(const struct map *map, uint64_t b)
{
	uint64_t base = b * FRAME_BLOCK, usable[PAGES / 64] = {0}, count = 0;

	if (base >= HIGH_FRAGMENTS ||
	    !overlaps(map->usable, map->usable_count, base, base + FRAME_BLOCK))
		return;
	for (uint64_t i = 0; i < PAGES; i++, base += FRAME_PAGE) {
		if (base < LOW_MEMORY || !is_usable(map, base, base + FRAME_PAGE))
			continue;
		flip(usable, i);
		count++;
	}
	if (count == PAGES) /* of two ranges that meet */
		block[b] = FREE;
	if (count < 2 || count == PAGES)
		return;
	adopt(b, usable);
	frame_stats.total_bytes += count * FRAME_PAGE;
}

int frame_init(const struct frame_range *usable, unsigned usable_count,
	       const struct frame_range *reserved, unsigned reserved_count)
{
	struct map map = {usable, reserved, usable_count, reserved_count};
	uint64_t bytes;

	for (unsigned i = 0; i < usable_count; i++)
		if (usable[i].base < TOP && end_of(&usable[i]) > blocks * FRAME_BLOCK)
			blocks = round_up(end_of(&usable[i]), FRAME_BLOCK) / FRAME_BLOCK;
	bytes = round_up(blocks * sizeof(*block), FRAME_PAGE);
	metadata.base = find(&map, LOW_MEMORY, HIGH_FRAGMENTS, bytes);
	if (!metadata.base)
		return SAMPO_ENOMEM;
	metadata.size = bytes;
	block = (uint16_t *)(uintptr_t)metadata.base;
	__builtin_memset(block, 0, metadata.size);

	frame_stats.kernel_bytes = frame_stats.total_bytes = metadata.size;
	for (uint64_t b = 0; b < blocks; b++) {
		if (b && is_usable(&map, b * FRAME_BLOCK, (b + 1) * FRAME_BLOCK))
			block[b] = FREE;
		else
			add_fragment(&map, b);
		if (block[b] != FREE)
			continue;
		frame_stats.total_bytes += FRAME_BLOCK;
		frame_stats.free_bytes += FRAME_BLOCK;
		highest = b + 1;
	}
	frame_stats.trampoline = find(&map, 0x8000, 0xa0000, FRAME_PAGE);
	return SAMPO_OK;
}
