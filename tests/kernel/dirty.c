/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages a guest has written. */
#include <string.h>

#include "tests/kernel/abi.h"

#define PAGES 512u
#define LIST  0x7000u /* page 7 */
#define MANY  1000u

static uint64_t bitmap[2 * PAGES / 64 + 1];

static bool read_bits(struct guest *g, uint64_t first, uint64_t pages)
{
	memset(bitmap, 0, sizeof(bitmap));
	return !sampo_region_dirty(g->domain, first * PAGE, pages, bitmap, SAMPO_DIRTY_READ);
}

static unsigned count_bits(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 2 * PAGES / 64; i++)
		n += (unsigned)__builtin_popcountll(bitmap[i]);
	return n;
}

static bool bit(unsigned page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* The guest writes these pages: ES has no base, so addresses up to 2 MiB. */
static void write_pages(struct guest *g, const uint32_t *pages, unsigned n)
{
	uint32_t *list = (uint32_t *)(g->ram + LIST);

	for (unsigned i = 0; i < n; i++)
		list[i] = pages[i] * (uint32_t)PAGE + 8;
	list[n] = 0;
	guest_answer(g, g->exit->reason == SAMPO_EXIT_IO ? SAMPO_DIRTY_ADVANCE : g->exit->dirty);
	check(guest_at_port(g), "dirty: the guest writes", "exit %u gpa %llx", g->exit->reason,
	      (unsigned long long)g->exit->gpa);
}

/* Real mode, but ES without an end. */
static void prepare(struct guest *g)
{
	guest_load(g, pages, CODE);
	guest_prepare(g);
	g->exit->seg[SAMPO_ES].limit = ~0u;
	g->exit->seg[SAMPO_ES].attrib |= 0x800;
}

static void tracking(void)
{
	static const uint32_t first[] = {3, 64, 65, 300, 511}, second[] = {4, 300};
	bool exact = true;
	struct guest g;

	must(guest_create(&g, 0, KERNEL_PAGES, BLOCK), "making a guest");
	prepare(&g);
	write_pages(&g, first, 1);
	expect(sampo_region_dirty(g.domain, 0, PAGES, NULL, SAMPO_DIRTY_START), SAMPO_OK,
	       "dirty: START of a block");
	check(read_bits(&g, 0, PAGES), "dirty: READ", "failed");

	write_pages(&g, first, 5);
	check(read_bits(&g, 0, PAGES), "dirty: READ", "failed");
	for (unsigned i = 0; i < 5; i++)
		exact &= bit(first[i]);
	check(exact && count_bits() == 5, "dirty: exactly these", "%u pages", count_bits());
	check(read_bits(&g, 0, PAGES) && !count_bits(), "dirty: cleared", "%u pages", count_bits());
	write_pages(&g, second, 2);
	check(read_bits(&g, 300, 1) && bit(0) && count_bits() == 1, "dirty: READ of one",
	      "%u pages", count_bits());
	check(read_bits(&g, 0, PAGES) && bit(4) && count_bits() == 1, "dirty: the rest", "%u pages",
	      count_bits());
	expect(sampo_region_dirty(g.domain, 0, PAGES, NULL, SAMPO_DIRTY_STOP), SAMPO_OK,
	       "dirty: STOP");
	write_pages(&g, first, 5);
	check(*(volatile uint32_t *)(g.ram + 3 * PAGE + 8) == 3, "dirty: no write was lost", "%u",
	      *(volatile uint32_t *)(g.ram + 3 * PAGE + 8));

	/* Small pages are missing among others: they come back one by one. */
	expect(sampo_region_dirty(g.domain, 0, PAGES, NULL, SAMPO_DIRTY_START), SAMPO_OK,
	       "dirty: START once more");
	check(read_bits(&g, 0, PAGES), "dirty: READ", "failed");
	expect(sampo_region_dirty(g.domain, 60, 10, NULL, SAMPO_DIRTY_STOP), SAMPO_EINVAL,
	       "dirty: STOP off a page");
	expect(sampo_region_dirty(g.domain, 60 * PAGE, 10, NULL, SAMPO_DIRTY_STOP), SAMPO_OK,
	       "dirty: STOP of a part");
	write_pages(&g, first, 5);
	check(read_bits(&g, 0, PAGES) && count_bits() == 5, "dirty: exactly these", "%u pages",
	      count_bits());
	guest_remove(&g);
}

/* More than a log of the CPU's holds, in two blocks; then in one of them, whose parts are read. */
static void many(void)
{
	static const uint32_t later[] = {600, 700, 1023};
	static uint32_t pages[MANY];
	bool all = true;
	uint32_t region;
	struct guest g;

	must(guest_create(&g, 0, KERNEL_PAGES, BLOCK), "making a guest");
	prepare(&g);
	must(sampo_region_create(g.domain, BLOCK, SAMPO_REGION_2M, &region), "region_create");
	must(sampo_region_map(region, g.domain, BLOCK, 0, SAMPO_MAP_RWX, BLOCK), "region_map");
	must(sampo_handle_close(region), "handle_close");
	for (unsigned i = 0; i < MANY; i++)
		pages[i] = 8 + i;
	write_pages(&g, pages, MANY);
	expect(sampo_region_dirty(g.domain, 0, 2 * PAGES, NULL, SAMPO_DIRTY_START), SAMPO_OK,
	       "dirty: START of two blocks");
	/* As a whole, where large pages were still large; some are split when they are executed. */
	check(read_bits(&g, 0, 2 * PAGES) && count_bits() >= MANY, "dirty: what was written before",
	      "%u pages", count_bits());
	for (unsigned i = 0; i < MANY; i++)
		all &= bit(pages[i]);
	for (unsigned round = 0; round < 2; round++) {
		write_pages(&g, pages, MANY);
		check(read_bits(&g, 0, 2 * PAGES) && count_bits() == MANY, "dirty: many pages",
		      "%u pages", count_bits());
		for (unsigned i = 0; i < MANY; i++)
			all &= bit(pages[i]);
	}
	check(all, "dirty: exactly the many", "others");
	write_pages(&g, later, 3);
	check(read_bits(&g, 512, 100) && bit(88) && count_bits() == 1, "dirty: a part of a block",
	      "%u pages", count_bits());
	check(read_bits(&g, 0, 2 * PAGES) && bit(700) && bit(1023) && count_bits() == 2,
	      "dirty: the other part", "%u pages", count_bits());
	check(read_bits(&g, 0, 2 * PAGES) && !count_bits(), "dirty: nothing more", "%u pages",
	      count_bits());
	guest_remove(&g);
}

static void poor(void)
{
	static const uint32_t blocks[] = {3, PAGES, 2 * PAGES, 3 * PAGES};
	uint64_t small = 0;
	uint32_t region;
	struct guest g;

	must(guest_create(&g, 0, 20, BLOCK), "making a poor guest");
	prepare(&g);
	/* Three blocks more, and then at most two pages left of the quota. */
	must(sampo_region_create(g.domain, 3 * BLOCK, SAMPO_REGION_2M, &region), "region_create");
	must(sampo_region_map(region, g.domain, BLOCK, 0, SAMPO_MAP_RWX, 3 * BLOCK), "region_map");
	must(sampo_handle_close(region), "handle_close");
	write_pages(&g, blocks, 4);
	while (!sampo_region_create(g.domain, PAGE, 0, &region)) {
		must(sampo_region_map(region, g.domain, 4 * BLOCK + small * PAGE, 0, 1, PAGE),
		     "region_map");
		must(sampo_handle_close(region), "handle_close");
		small++;
	}
	expect(sampo_region_dirty(g.domain, 0, 4 * PAGES, NULL, SAMPO_DIRTY_START), SAMPO_ENOMEM,
	       "dirty: no page for small pages");
	write_pages(&g, blocks, 4);
	guest_remove(&g);
}

void test_dirty(void)
{
	tracking();
	many();
	poor();
}
