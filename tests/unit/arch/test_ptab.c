/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/ptab.c */
/*
 * The page-table walker against a model: one entry for each 4 KiB page of a
 * stretch of addresses, under random operations with failing allocations.
 */
#include "arch/ptab.h"
#include "kernel/abi.h"
#include "tests/unit/ptab_look.h"
#include "tests/unit/unit.h"

#define KIB4  4096ull
#define MIB2  (2ull << 20)
#define GIB1  (1ull << 30)
#define PAGES (3 * GIB1 / KIB4)
#define FLAGS (PTAB_R | PTAB_W | PTAB_X | PTAB_CACHE)

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

static void *alloc(struct domain *owner)
{
	(void)owner;
	if (fail_in && !--fail_in)
		return NULL;
	live++;
	return memset(aligned_alloc(KIB4, KIB4), 0, KIB4);
}

static void release(struct domain *owner, void *page)
{
	(void)owner;
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
	{"NPT", &ptab_npt, 4, PTAB_1G, FLAGS, 0x7},
	{"EPT", &ptab_ept, 4, PTAB_1G, FLAGS, 0x37},
	{"EPT without A/D, 4 KiB", &ptab_ept_no_ad, 4, PTAB_4K, FLAGS, 0x37},
	{"VT-d, 3 levels", &ptab_vtd, 3, PTAB_1G, PTAB_R | PTAB_W, 0x3},
	{"AMD-Vi", &ptab_amdvi, 4, PTAB_1G, PTAB_R | PTAB_W, 0x7000000000000001},
	{"AMD-Vi, 5 levels", &ptab_amdvi, 5, PTAB_1G, PTAB_R | PTAB_W, 0x7000000000000001},
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

/* Clean pages are not to be written, so that a fault tells of it. */
static bool by_protection(void)
{
	return pt.format->dirty == pt.format->w;
}

static uint32_t random_flags(void)
{
	uint32_t flags = (uint32_t)random_below(8) | PTAB_R;

	return flags | (uint32_t)random_below(3) << 4;
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
		if (look_is_page(pt.format, entry, level))
			continue;
		tables += count_tables((uint64_t *)(entry & 0x000ffffffffff000ull), level - 1);
	}
	assert_true(used || table == (uint64_t *)pt.root);
	return tables;
}

static void check_page(uint64_t n)
{
	struct look found;
	bool mapped = look_up(&pt, base + n * KIB4 + 0x123, &found);

	assert_int_equal(mapped, model[n].pa & 1);
	if (!mapped)
		return;
	assert_int_equal(found.pa, (model[n].pa & ~1ull) + 0x123);
	assert_int_equal(found.flags,
			 expressed(by_protection() && !model[n].dirty ? model[n].flags & ~PTAB_W
								      : model[n].flags));
	if (pt.format->dirty)
		assert_int_equal(found.dirty, model[n].dirty);
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

/* The parts, one after the other; returns in how many calls. */
static unsigned unmap_all(uint64_t va, uint64_t size)
{
	unsigned calls = 1;

	for (; ptab_unmap(&pt, va, size) == SAMPO_EAGAIN; calls++) {
		assert_true(pt.reached > va && pt.reached < va + size);
		size -= pt.reached - va;
		va = pt.reached;
	}
	return calls;
}

static int split_all(uint64_t va, uint64_t size)
{
	int status;

	while ((status = ptab_split(&pt, va, size)) == SAMPO_EAGAIN) {
		assert_true(pt.reached > va && pt.reached < va + size);
		size -= pt.reached - va;
		va = pt.reached;
	}
	return status;
}

static void dirty_all(uint64_t va, uint64_t pages, uint64_t *bitmap, bool clear)
{
	uint64_t *part = calloc(pages / 64 + 1, 8), done = 0;
	int status;

	do {
		memset(part, 0, (pages / 64 + 1) * 8);
		status = ptab_dirty(&pt, va + done * KIB4, pages - done, part, clear);
		for (uint64_t n = 0; n < pages - done; n++)
			if (part[n / 64] >> n % 64 & 1)
				bitmap[(done + n) / 64] |= 1ull << (done + n) % 64;
		done = (pt.reached - va) / KIB4;
	} while (status == SAMPO_EAGAIN);
	assert_int_equal(status, 0);
	free(part);
}

/* Pages of which any part is in the range go as a whole. */
static void do_unmap(uint64_t first, uint64_t pages)
{
	uint64_t start = base + first * KIB4, end = start + pages * KIB4;
	bool some = any_mapped(first, pages);
	struct look found;

	if (look_up(&pt, start, &found))
		start &= ~(found.size - 1);
	if (look_up(&pt, end - 1, &found))
		end = (end + found.size - 1) & ~(found.size - 1);
	pt.stale = false;
	unmap_all(base + first * KIB4, pages * KIB4);
	assert_true(pt.stale || !some);
	memset(&model[(start - base) / KIB4], 0, (end - start) / KIB4 * sizeof(*model));
}

static void do_map(uint64_t first, uint64_t pages, uint64_t pa)
{
	uint32_t flags = random_flags();
	bool taken = any_mapped(first, pages);
	bool was_stale = pt.stale;
	int status = ptab_map(&pt, base + first * KIB4, pa, pages * KIB4, flags);
	struct look found;

	assert_int_equal(pt.stale, was_stale);
	for (uint64_t n = first; n < first + pages && status; n++) {
		/* What was there is still there; the rest may have been mapped. */
		if (model[n].pa)
			check_page(n);
		else if (look_up(&pt, base + n * KIB4, &found))
			assert_int_equal(found.pa, pa + (n - first) * KIB4);
	}
	if (status) {
		assert_int_equal(status,
				 taken && status != SAMPO_ENOMEM ? SAMPO_EEXIST : SAMPO_ENOMEM);
		do_unmap(first, pages);
		return;
	}
	assert_false(taken);
	for (uint64_t n = 0; n < pages; n++)
		model[first + n] = (struct model_page){(pa + n * KIB4) | 1, flags,
						       by_protection() && flags & PTAB_W};
}

/* As hardware does when a guest writes. */
static void do_write(uint64_t n)
{
	struct look found;
	uint64_t first, pages;

	if (!model[n].pa || !pt.format->dirty)
		return;
	assert_true(look_up(&pt, base + n * KIB4, &found));
	if (by_protection() && !(model[n].flags & PTAB_W))
		return;
	if (by_protection())
		ptab_dirtied(&pt, base + n * KIB4);
	else
		*found.entry |= pt.format->dirty;
	pages = found.size / KIB4;
	first = ((base / KIB4 + n) & ~(pages - 1)) - base / KIB4;
	for (uint64_t i = first; i < first + pages; i++)
		model[i].dirty = true;
}

static void do_dirty(uint64_t first, uint64_t pages)
{
	uint64_t *bitmap = calloc(pages / 64 + 1, 8);
	bool clear = random_below(2);
	bool cleared = false;

	pt.stale = false;
	dirty_all(base + first * KIB4, pages, bitmap, clear);
	for (uint64_t n = 0; n < pages; n++) {
		struct look found;
		uint64_t va = base + (first + n) * KIB4, start;

		assert_int_equal(bitmap[n / 64] >> n % 64 & 1, model[first + n].dirty);
		if (!clear || !model[first + n].dirty)
			continue;
		assert_true(look_up(&pt, va, &found));
		start = va & ~(found.size - 1);
		if (start >= base + first * KIB4 &&
		    start + found.size <= base + (first + pages) * KIB4)
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

	switch (random_below(7)) {
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
		do_dirty(first, pages < 4096 ? pages : 4096);
		break;
	case 5:
		if (pages < 4096)
			split_all(base + first * KIB4, pages * KIB4);
		break;
	case 6:
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
		unmap_all(0, ptab_limit(&pt));
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
		struct look found;
		uint64_t largest[] = {KIB4, MIB2, GIB1};

		start(f);
		base = 0;
		/* One page, then up to 2 MiB, to 1 GiB, 1 GiB, 2 MiB, one page. */
		assert_int_equal(ptab_map(&pt, GIB1 - MIB2 - KIB4, 3 * GIB1 - MIB2 - KIB4,
					  GIB1 + 2 * MIB2 + 2 * KIB4, PTAB_R | PTAB_W | PTAB_X),
				 0);
		assert_true(look_up(&pt, GIB1, &found));
		assert_int_equal(found.size, largest[formats[f].max_page - 1]);
		assert_int_equal(found.pa, 3 * GIB1);
		assert_true(look_up(&pt, 2 * GIB1 + 5, &found));
		assert_int_equal(found.size,
				 largest[formats[f].max_page > 2 ? 1 : formats[f].max_page - 1]);
		assert_true(look_up(&pt, GIB1 - MIB2 - 1, &found));
		assert_int_equal(found.size, KIB4);
		assert_true(look_up(&pt, GIB1 - MIB2 - KIB4, &found));
		assert_int_equal(*found.entry, (3 * GIB1 - MIB2 - KIB4) | formats[f].leaf);
		assert_false(look_up(&pt, GIB1 - MIB2 - KIB4 - 1, &found));
		assert_false(look_up(&pt, 2 * GIB1 + MIB2 + KIB4, &found));
		/* A hole of one page in the middle of the largest one. */
		pt.stale = false;
		assert_int_equal(ptab_split(&pt, GIB1 + 77 * KIB4, KIB4), 0);
		assert_int_equal(pt.stale, formats[f].max_page > 1);
		assert_true(look_up(&pt, GIB1 + 76 * KIB4, &found));
		assert_int_equal(*found.entry, (3 * GIB1 + 76 * KIB4) | formats[f].leaf);
		ptab_unmap(&pt, GIB1 + 77 * KIB4, KIB4);
		assert_false(look_up(&pt, GIB1 + 77 * KIB4, &found));
		assert_true(look_up(&pt, GIB1 + 78 * KIB4, &found));
		assert_int_equal(found.pa, 3 * GIB1 + 78 * KIB4);
		assert_int_equal(found.size, KIB4);
		assert_true(look_up(&pt, GIB1 + MIB2, &found));
		assert_int_equal(found.size,
				 largest[formats[f].max_page > 2 ? 1 : formats[f].max_page - 1]);
		ptab_destroy(&pt);
		assert_int_equal(live, 0);
	}
}

/* One page of a large one becomes executable; what was written stays known. */
static void test_execute(void **state)
{
	(void)state;
	for (unsigned f = 0; f < FORMATS; f++) {
		const struct ptab_format *format = formats[f].format;
		struct look found, other;
		uint64_t bits;

		start(f);
		assert_int_equal(ptab_map(&pt, GIB1, 3 * GIB1, MIB2, PTAB_R | PTAB_W), 0);
		assert_true(look_up(&pt, GIB1, &found));
		*found.entry |= format->dirty;
		assert_int_equal(ptab_execute(&pt, GIB1 + 5 * KIB4), 0);
		assert_true(look_up(&pt, GIB1 + 5 * KIB4, &found));
		assert_true(look_up(&pt, GIB1 + 6 * KIB4, &other));
		bits = *found.entry ^ *other.entry ^ (found.pa ^ other.pa);
		assert_int_equal(found.size, KIB4);
		assert_true(bits == (format->x | format->nx)); /* nothing else differs */
		assert_true((*found.entry & format->x) == format->x &&
			    !(*found.entry & format->nx));
		assert_true((*found.entry & format->dirty) == format->dirty);
		/* Once more does nothing, and nothing is where nothing was. */
		bits = *found.entry;
		assert_int_equal(ptab_execute(&pt, GIB1 + 5 * KIB4), 0);
		assert_true(*found.entry == bits);
		assert_int_equal(ptab_execute(&pt, 2 * GIB1), 0);
		assert_false(look_up(&pt, 2 * GIB1, &found));
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
		struct look found;

		/* Each allocation of a map and of a split fails in turn. */
		start(f);
		base = GIB1;
		for (n = 1; status; n++) {
			fail_in = n;
			status = ptab_map(&pt, 2 * GIB1 - KIB4, 5 * GIB1 - KIB4, MIB2 * 3, PTAB_R);
			fail_in = 0;
			if (!status)
				break;
			assert_int_equal(status, SAMPO_ENOMEM);
			unmap_all(2 * GIB1 - KIB4, MIB2 * 3);
			ptab_flushed(&pt);
			assert_int_equal(live, 1);
			assert_int_equal(count_tables((uint64_t *)pt.root, pt.levels), 1);
		}
		assert_true(n > 2);
		unmap_all(0, ptab_limit(&pt));
		assert_int_equal(ptab_map(&pt, GIB1, 7 * GIB1, GIB1, PTAB_R), 0);
		for (n = 1, status = SAMPO_ENOMEM; status; n++) {
			fail_in = n;
			status = split_all(GIB1 + MIB2 - KIB4, 2 * KIB4);
			fail_in = 0;
			for (unsigned i = 0; i < 2; i++) {
				assert_true(look_up(&pt, GIB1 + MIB2 - i * KIB4, &found));
				assert_int_equal(found.pa, 7 * GIB1 + MIB2 - i * KIB4);
				assert_true(status || found.size == KIB4);
			}
		}
		ptab_destroy(&pt);
		assert_int_equal(live, 0);
	}
}

static void test_in_the_way(void **state)
{
	(void)state;
	for (unsigned f = 0; f < FORMATS; f++) {
		start(f);
		assert_int_equal(ptab_map(&pt, GIB1 + MIB2 + KIB4, KIB4, KIB4, PTAB_R), 0);
		assert_int_equal(ptab_map(&pt, GIB1 + MIB2 + KIB4, 0, KIB4, PTAB_R), SAMPO_EEXIST);
		assert_int_equal(ptab_map(&pt, GIB1 + MIB2, 0, MIB2, PTAB_R), SAMPO_EEXIST);
		assert_int_equal(ptab_map(&pt, GIB1, 0, GIB1, PTAB_R), SAMPO_EEXIST);
		unmap_all(GIB1, GIB1);
		assert_int_equal(ptab_map(&pt, GIB1, 0, GIB1, PTAB_R), 0);
		assert_int_equal(ptab_map(&pt, GIB1 + MIB2 + KIB4, 0, KIB4, PTAB_R), SAMPO_EEXIST);
		assert_int_equal(ptab_map(&pt, GIB1 + MIB2, 0, MIB2, PTAB_R), SAMPO_EEXIST);
		ptab_destroy(&pt);
		assert_int_equal(live, 0);
	}
}

static void test_ends(void **state)
{
	uint64_t limit, bitmap[2] = {0};
	struct look found;

	(void)state;
	start(2);
	limit = ptab_limit(&pt);
	assert_int_equal(limit, 1ull << 48);
	assert_int_equal(ptab_map(&pt, limit - KIB4, 0, KIB4, PTAB_R), 0);
	assert_true(look_up(&pt, limit - 1, &found));
	ptab_unmap(&pt, limit - KIB4, KIB4);
	assert_false(look_up(&pt, limit - 1, &found));
	assert_int_equal(ptab_map(&pt, 0, (1ull << 52) - KIB4, KIB4, PTAB_R), 0);
	assert_true(look_up(&pt, 0, &found));
	assert_int_equal(found.pa, (1ull << 52) - KIB4);
	dirty_all(0, 128, bitmap, true);
	ptab_destroy(&pt);
	assert_int_equal(live, 0);
	fail_in = 1;
	assert_int_equal(ptab_init(&pt), SAMPO_ENOMEM);
}

/* No call looks at more than some entries: what is absent costs nothing, and what is there is done
 * in parts. */
static void test_parts(void **state)
{
	uint64_t limit;

	(void)state;
	start(2);
	limit = ptab_limit(&pt);
	assert_int_equal(unmap_all(0, limit), 1);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(ptab_map(&pt, i * GIB1, i * GIB1, MIB2 + KIB4, PTAB_R), 0);
	assert_true(unmap_all(0, limit) > 50);
	ptab_flushed(&pt);
	assert_int_equal(live, 1);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(ptab_map(&pt, i * GIB1, i * GIB1, GIB1, PTAB_R), 0);
	assert_int_equal(ptab_split(&pt, 0, 4 * GIB1), SAMPO_EAGAIN);
	assert_true(pt.reached <= 2 * MIB2);
	assert_int_equal(split_all(0, 2 * GIB1), SAMPO_OK);
	assert_true(unmap_all(0, limit) > 500);
	ptab_destroy(&pt);
	assert_int_equal(live, 0);
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
		cmocka_unit_test(test_ends),       cmocka_unit_test(test_parts),
		cmocka_unit_test(test_in_the_way), cmocka_unit_test(test_sizes_and_bits),
		cmocka_unit_test(test_execute),    cmocka_unit_test(test_every_failure),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("ptab", tests, setup, teardown);
}
