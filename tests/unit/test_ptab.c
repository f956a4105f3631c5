/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/ptab.c */
/*
 * The page-table walker against a model: one entry for each 4 KiB page of a
 * stretch of addresses, under random operations with failing allocations.
 */
#include "arch/ptab.h"
#include "kernel/abi.h"
#include "tests/unit/unit.h"

#define KIB4  4096ull
#define MIB2  (2ull << 20)
#define GIB1  (1ull << 30)
#define PAGES (3 * GIB1 / KIB4)
#define FLAGS (PTAB_R | PTAB_W | PTAB_X | PTAB_U | PTAB_CACHE)

struct model_page {
	uint64_t pa; /* | 1 if mapped */
	uint32_t flags;
	bool dirty;
};

static struct model_page *model;
static uint64_t base; /* address of model[0] */
static struct ptab pt;
static unsigned live;    /* tables allocated */
static unsigned fail_in; /* the nth allocation from now fails, 0: none */

static void *alloc(void *ctx)
{
	(void)ctx;
	if (fail_in && !--fail_in)
		return NULL;
	live++;
	return memset(aligned_alloc(KIB4, KIB4), 0, KIB4);
}

static void release(void *ctx, void *page)
{
	(void)ctx;
	live--;
	free(page);
}

static const struct {
	const char *name;
	const struct ptab_format *format;
	int levels, max_page;
	uint32_t flags; /* that the format can express */
	uint64_t leaf;  /* of a 4 KiB R W X page, without the address */
} formats[] = {
	{"host", &ptab_host, 4, PTAB_1G, FLAGS, 0x3},
	{"host, 5 levels, 2 MiB", &ptab_host, 5, PTAB_2M, FLAGS, 0x3},
	{"NPT", &ptab_npt, 4, PTAB_1G, FLAGS & ~PTAB_U, 0x7},
	{"EPT", &ptab_ept, 4, PTAB_1G, FLAGS & ~PTAB_U, 0x37},
	{"EPT without A/D, 4 KiB", &ptab_ept_no_ad, 4, PTAB_4K, FLAGS & ~PTAB_U, 0x37},
	{"VT-d, 3 levels", &ptab_vtd, 3, PTAB_1G, PTAB_R | PTAB_W, 0x3},
	{"AMD-Vi", &ptab_amdvi, 4, PTAB_1G, PTAB_R | PTAB_W, 0x7000000000000001},
	{"AMD-Vi, 6 levels", &ptab_amdvi, 6, PTAB_1G, PTAB_R | PTAB_W, 0x7000000000000001},
};
#define FORMATS (sizeof(formats) / sizeof(*formats))
static unsigned current;

/* What a lookup says when these flags were asked for. */
static uint32_t expressed(uint32_t flags)
{
	uint32_t said = flags & formats[current].flags;

	if (!(formats[current].flags & PTAB_X))
		said |= PTAB_X; /* formats without an execute bit */
	return said;
}

static uint32_t random_flags(void)
{
	uint32_t flags = (uint32_t)random_below(16) | PTAB_R;

	return flags | (uint32_t)random_below(3) << 4;
}

/* The entry that maps an address, found without the walker. */
static uint64_t *raw(uint64_t va, int *at_level)
{
	uint64_t *table = (uint64_t *)pt.root;

	for (int level = pt.levels;; level--) {
		uint64_t *entry = &table[va >> (3 + 9 * level) & 511];
		bool page = level == 1 || (pt.format->next ? !(*entry >> 9 & 7) : *entry >> 7 & 1);

		assert_true(*entry & pt.format->present);
		if (pt.format->next && !page)
			assert_int_equal(*entry >> 9 & 7, level - 1);
		*at_level = level;
		if (page)
			return entry;
		table = (uint64_t *)(*entry & 0x000ffffffffff000ull);
	}
}

/* Tables reachable; none is empty. */
static unsigned count_tables(uint64_t *table, int level)
{
	unsigned tables = 1, used = 0;

	for (unsigned i = 0; i < 512; i++) {
		uint64_t entry = table[i];

		if (!(entry & pt.format->present))
			continue;
		used++;
		if (level == 1 || (pt.format->next ? !(entry >> 9 & 7) : entry >> 7 & 1))
			continue;
		tables += count_tables((uint64_t *)(entry & 0x000ffffffffff000ull), level - 1);
	}
	assert_true(used || table == (uint64_t *)pt.root);
	return tables;
}

static void check_page(uint64_t n)
{
	struct ptab_entry entry;
	bool mapped = ptab_lookup(&pt, base + n * KIB4 + 0x123, &entry);

	assert_int_equal(mapped, model[n].pa & 1);
	if (!mapped)
		return;
	assert_int_equal(entry.pa, (model[n].pa & ~1ull) + 0x123);
	assert_int_equal(entry.flags & FLAGS, expressed(model[n].flags));
	if (pt.format->dirty)
		assert_int_equal(!!(entry.flags & PTAB_DIRTY), model[n].dirty);
}

static void check(uint64_t first, uint64_t pages)
{
	check_page(first);
	check_page(first + pages - 1);
	if (first)
		check_page(first - 1);
	if (first + pages < PAGES)
		check_page(first + pages);
	for (unsigned i = 0; i < 8; i++) {
		check_page(first + random_below(pages));
		check_page(random_below(PAGES));
	}
}

static bool any_mapped(uint64_t first, uint64_t pages)
{
	for (uint64_t n = first; n < first + pages; n++)
		if (model[n].pa)
			return true;
	return false;
}

static void do_map(uint64_t first, uint64_t pages, uint64_t pa)
{
	uint32_t flags = random_flags();
	bool taken = any_mapped(first, pages);
	bool was_stale = pt.stale;
	int status = ptab_map(&pt, base + first * KIB4, pa, pages * KIB4, flags);

	if (status == SAMPO_ENOMEM) {
		check(first, pages);
		return;
	}
	assert_int_equal(status, taken ? SAMPO_EEXIST : 0);
	if (taken)
		return;
	assert_int_equal(pt.stale, was_stale);
	for (uint64_t n = 0; n < pages; n++)
		model[first + n] = (struct model_page){(pa + n * KIB4) | 1, flags, false};
}

static void do_unmap(uint64_t first, uint64_t pages)
{
	bool some = any_mapped(first, pages);

	if (ptab_unmap(&pt, base + first * KIB4, pages * KIB4))
		return;
	assert_true(pt.stale || !some);
	memset(&model[first], 0, pages * sizeof(*model));
}

static void do_protect(uint64_t first, uint64_t pages)
{
	uint32_t flags = random_flags();

	pt.stale = false;
	if (ptab_protect(&pt, base + first * KIB4, pages * KIB4, flags))
		return;
	for (uint64_t n = first; n < first + pages; n++) {
		if (model[n].pa && expressed(model[n].flags) != expressed(flags))
			assert_true(pt.stale);
		model[n].flags = model[n].pa ? flags : 0;
	}
}

/* As hardware does when a guest writes. */
static void do_write(uint64_t n)
{
	int level;
	uint64_t *entry, first, pages;

	if (!model[n].pa || !pt.format->dirty)
		return;
	entry = raw(base + n * KIB4, &level);
	*entry |= pt.format->dirty;
	pages = 1ull << 9 * (level - 1);
	first = ((base / KIB4 + n) & ~(pages - 1)) - base / KIB4;
	for (uint64_t i = first; i < first + pages; i++)
		model[i].dirty = true;
}

static void do_dirty(uint64_t first, uint64_t pages)
{
	uint64_t *bitmap = calloc(pages / 64 + 1, 8);
	bool clear = random_below(2);
	bool cleared = false;
	int status;

	pt.stale = false;
	status = ptab_dirty(&pt, base + first * KIB4, pages, bitmap, clear);
	assert_int_equal(status, pt.format->dirty ? 0 : SAMPO_ENODEV);
	for (uint64_t n = 0; n < pages && !status; n++) {
		struct ptab_entry entry;
		uint64_t va = base + (first + n) * KIB4, start;

		assert_int_equal(bitmap[n / 64] >> n % 64 & 1, model[first + n].dirty);
		if (!clear || !model[first + n].dirty)
			continue;
		assert_true(ptab_lookup(&pt, va, &entry));
		start = va & ~(entry.size - 1);
		if (start >= base + first * KIB4 &&
		    start + entry.size <= base + (first + pages) * KIB4)
			cleared = true, model[first + n].dirty = false;
	}
	assert_int_equal(pt.stale, cleared);
	free(bitmap);
}

static void random_operation(void)
{
	static const uint64_t grain[] = {1, 1, 512, 262144};
	unsigned kind = (unsigned)random_below(random_below(16) ? 3 : 4);
	uint64_t pages = (1 + random_below(kind == 3 ? 2 : 6)) * grain[kind];
	uint64_t first;

	if (!random_below(4))
		pages += random_below(600);
	first = random_below(PAGES - pages);
	if (random_below(4))
		first &= ~(grain[kind] - 1);
	fail_in = random_below(4) ? 0 : 1 + (unsigned)random_below(6);

	switch (random_below(8)) {
	case 0:
	case 1:
	case 2: {
		uint64_t pa = random_below(1ull << 10) * GIB1 + (base + first * KIB4) % GIB1;

		do_map(first, pages, random_below(4) ? pa : pa + random_below(512) * KIB4);
		break;
	}
	case 3:
		do_unmap(first, pages);
		break;
	case 4:
		do_protect(first, pages);
		break;
	case 5:
		do_dirty(first, pages < 4096 ? pages : 4096);
		break;
	case 6:
		if (pages < 4096)
			ptab_split(&pt, base + first * KIB4, pages * KIB4);
		break;
	case 7:
		for (unsigned i = 0; i < 50; i++)
			do_write(random_below(PAGES));
		break;
	}
	fail_in = 0;
	check(first, pages);
}

static void start(unsigned format)
{
	current = format;
	live = 0;
	pt = (struct ptab){
		.format = formats[format].format,
		.levels = formats[format].levels,
		.max_page = formats[format].max_page,
		.alloc = alloc,
		.free = release,
	};
	assert_int_equal(ptab_init(&pt), 0);
	memset(model, 0, PAGES * sizeof(*model));
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned f = 0; f < FORMATS; f++) {
		start(f);
		/* Across the ends of upper tables, where there are any. */
		base = pt.levels > 3 ? (512 - 1) * GIB1 : 5 * GIB1;
		for (unsigned i = 0; i < 6000; i++) {
			random_operation();
			if (i % 100 == 0) {
				ptab_flushed(&pt);
				assert_int_equal(live,
						 count_tables((uint64_t *)pt.root, pt.levels));
			}
		}
		for (uint64_t n = 0; n < PAGES; n++)
			check_page(n);
		assert_int_equal(ptab_unmap(&pt, 0, ptab_limit(&pt)), 0);
		assert_true(pt.stale);
		ptab_flushed(&pt);
		assert_false(pt.stale);
		assert_int_equal(live, 1);
		ptab_destroy(&pt);
		assert_int_equal(live, 0);
	}
}

static void test_sizes_and_bits(void **state)
{
	(void)state;
	for (unsigned f = 0; f < FORMATS; f++) {
		struct ptab_entry entry;
		uint64_t largest[] = {KIB4, MIB2, GIB1};
		int level;

		start(f);
		base = 0;
		/* One page, then up to 2 MiB, to 1 GiB, 1 GiB, 2 MiB, one page. */
		assert_int_equal(ptab_map(&pt, GIB1 - MIB2 - KIB4, 3 * GIB1 - MIB2 - KIB4,
					  GIB1 + 2 * MIB2 + 2 * KIB4, PTAB_R | PTAB_W | PTAB_X),
				 0);
		assert_true(ptab_lookup(&pt, GIB1, &entry));
		assert_int_equal(entry.size, largest[formats[f].max_page - 1]);
		assert_int_equal(entry.pa, 3 * GIB1);
		assert_true(ptab_lookup(&pt, 2 * GIB1 + 5, &entry));
		assert_int_equal(entry.size,
				 largest[formats[f].max_page > 2 ? 1 : formats[f].max_page - 1]);
		assert_true(ptab_lookup(&pt, GIB1 - MIB2 - 1, &entry));
		assert_int_equal(entry.size, KIB4);
		assert_int_equal(*raw(GIB1 - MIB2 - KIB4, &level),
				 (3 * GIB1 - MIB2 - KIB4) | formats[f].leaf);
		assert_false(ptab_lookup(&pt, GIB1 - MIB2 - KIB4 - 1, &entry));
		assert_false(ptab_lookup(&pt, 2 * GIB1 + MIB2 + KIB4, &entry));
		/* A hole of one page in the middle of the largest one. */
		pt.stale = false;
		assert_int_equal(ptab_split(&pt, GIB1 + 77 * KIB4, KIB4), 0);
		assert_int_equal(pt.stale, formats[f].max_page > 1);
		assert_int_equal(*raw(GIB1 + 76 * KIB4, &level),
				 (3 * GIB1 + 76 * KIB4) | formats[f].leaf);
		assert_int_equal(ptab_unmap(&pt, GIB1 + 77 * KIB4, KIB4), 0);
		assert_false(ptab_lookup(&pt, GIB1 + 77 * KIB4, &entry));
		assert_true(ptab_lookup(&pt, GIB1 + 78 * KIB4, &entry));
		assert_int_equal(entry.pa, 3 * GIB1 + 78 * KIB4);
		assert_int_equal(entry.size, KIB4);
		assert_true(ptab_lookup(&pt, GIB1 + MIB2, &entry));
		assert_int_equal(entry.size,
				 largest[formats[f].max_page > 2 ? 1 : formats[f].max_page - 1]);
		ptab_destroy(&pt);
		assert_int_equal(live, 0);
	}
}

static void test_every_failure(void **state)
{
	(void)state;
	for (unsigned f = 0; f < FORMATS; f++) {
		unsigned n;
		int status = SAMPO_ENOMEM;

		/* Each allocation of a map and of an unmap fails in turn. */
		start(f);
		base = GIB1;
		for (n = 1; status; n++) {
			fail_in = n;
			status = ptab_map(&pt, 2 * GIB1 - KIB4, 5 * GIB1 - KIB4, MIB2 * 3, PTAB_R);
			fail_in = 0;
			ptab_flushed(&pt);
			if (!status)
				break;
			assert_int_equal(status, SAMPO_ENOMEM);
			assert_int_equal(live, 1);
			assert_int_equal(count_tables((uint64_t *)pt.root, pt.levels), 1);
		}
		assert_true(n > 2);
		assert_int_equal(ptab_unmap(&pt, 0, ptab_limit(&pt)), 0);
		assert_int_equal(ptab_map(&pt, GIB1, 7 * GIB1, GIB1, PTAB_R), 0);
		for (n = 1, status = SAMPO_ENOMEM; status; n++) {
			struct ptab_entry entry;

			fail_in = n;
			status = ptab_unmap(&pt, GIB1 + 3 * KIB4, GIB1 - 6 * KIB4);
			fail_in = 0;
			assert_true(ptab_lookup(&pt, GIB1 + 2 * KIB4, &entry));
			assert_int_equal(ptab_lookup(&pt, GIB1 + 3 * KIB4, &entry), !!status);
			assert_int_equal(ptab_lookup(&pt, 2 * GIB1 - 4 * KIB4, &entry), !!status);
			assert_true(ptab_lookup(&pt, 2 * GIB1 - 3 * KIB4, &entry));
			assert_int_equal(entry.pa, 8 * GIB1 - 3 * KIB4);
		}
		ptab_destroy(&pt);
		assert_int_equal(live, 0);
	}
}

static void test_refusals(void **state)
{
	uint64_t limit, bitmap[2] = {0};
	struct ptab_entry entry;

	(void)state;
	start(2);
	limit = ptab_limit(&pt);
	assert_int_equal(limit, 1ull << 48);
	assert_int_equal(ptab_map(&pt, 1, 0, KIB4, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 1, KIB4, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 0, 1, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 0, 0, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 0, KIB4, 0), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 0, KIB4, PTAB_R | PTAB_CACHE), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 0, KIB4, PTAB_R | 0x1000), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, limit, 0, KIB4, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, limit - KIB4, 0, 2 * KIB4, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, KIB4, 0, ~0ull & ~(KIB4 - 1), PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, 1ull << 52, KIB4, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_map(&pt, 0, (1ull << 52) - KIB4, 2 * KIB4, PTAB_R), SAMPO_EINVAL);
	assert_int_equal(ptab_unmap(&pt, limit, KIB4), SAMPO_EINVAL);
	assert_int_equal(ptab_protect(&pt, 0, KIB4, 0), SAMPO_EINVAL);
	assert_int_equal(ptab_split(&pt, 0, 5), SAMPO_EINVAL);
	assert_int_equal(ptab_dirty(&pt, 0, 1ull << 60, bitmap, true), SAMPO_EINVAL);
	assert_int_equal(ptab_dirty(&pt, 0, 0, bitmap, true), SAMPO_EINVAL);
	assert_false(ptab_lookup(&pt, ~0ull, &entry));
	assert_int_equal(ptab_map(&pt, limit - KIB4, 0, KIB4, PTAB_R), 0);
	assert_true(ptab_lookup(&pt, limit - 1, &entry));
	assert_int_equal(ptab_unmap(&pt, limit - KIB4, KIB4), 0);
	assert_int_equal(ptab_map(&pt, 0, (1ull << 52) - KIB4, KIB4, PTAB_R), 0);
	assert_int_equal(ptab_dirty(&pt, 0, limit / KIB4, bitmap, true), 0);
	ptab_destroy(&pt);
	assert_int_equal(live, 0);
	fail_in = 1;
	assert_int_equal(ptab_init(&pt), SAMPO_ENOMEM);
}

static int setup(void **state)
{
	(void)state;
	model = calloc(PAGES, sizeof(*model));
	return !model;
}

static int teardown(void **state)
{
	(void)state;
	free(model);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_sizes_and_bits),
		cmocka_unit_test(test_every_failure),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("ptab", tests, setup, teardown);
}
