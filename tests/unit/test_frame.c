/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/slab.c tests/unit/panic_stub.c */
/*
 * The allocator of physical memory, on memory that is mapped at addresses such
 * as a machine has. What it hands out is marked in a map of pages. The source
 * is included, so that each test can begin with a fresh machine.
 */
#include <sys/mman.h>

#include "kernel/frame.c"
#include "kernel/slab.h"
#include "tests/unit/unit.h"

extern jmp_buf *panic_expected;

/* Memory that is really there; above it only blocks are given out, which
 * nobody touches. */
#define BACKED     0x10000000ull
#define BACKED_END 0x60000000ull
#define GIB        (1ull << 30)
#define MIB        (1ull << 20)

static uint8_t owner[BACKED_END / FRAME_PAGE]; /* of each page: 0: not usable */
enum { USABLE = 1, PAGE_OUT, BLOCK_OUT };

static unsigned mapped_blocks;
static bool refuse_mapping;
static unsigned tables; /* pages that mapping a block takes */

static struct {
	uint64_t base;
	void *page[4];
} mappings[1024];

/* As the kernel's page tables do: needs some pages itself. */
bool kernel_block_mapped(uint64_t base, bool mapped)
{
	for (unsigned i = 0; i < 1024; i++) {
		if (mappings[i].base != (mapped ? 0 : base))
			continue;
		if (mapped && (refuse_mapping || base >= BACKED_END))
			return false;
		for (unsigned t = 0; t < tables; t++) {
			if (mapped)
				assert_non_null(mappings[i].page[t] = page_alloc());
			else if (mappings[i].page[t])
				page_free(mappings[i].page[t]);
		}
		if (!mapped)
			memset(mappings[i].page, 0, sizeof(mappings[i].page));
		mappings[i].base = mapped ? base : 0;
		mapped_blocks += mapped ? 1 : -1u;
		return true;
	}
	fail_msg("unknown block %lx", base);
	return false;
}

static void reset(void)
{
	frame_stats = (struct frame_stats){0};
	metadata = (struct frame_range){0};
	block = NULL;
	blocks = lowest = highest = 0;
	partial = NULL;
	spares = 0;
	mapping = false;
	mapped_blocks = 0;
	refuse_mapping = false;
	tables = 0;
	memset(mappings, 0, sizeof(mappings));
	memset(owner, 0, sizeof(owner));
}

static void mark_usable(const struct frame_range *usable, unsigned n,
			const struct frame_range *reserved, unsigned m)
{
	for (uint64_t p = 256; p < BACKED_END / FRAME_PAGE; p++) {
		uint64_t base = p * FRAME_PAGE, end = base + FRAME_PAGE;

		for (unsigned i = 0; i < n; i++)
			if (base >= usable[i].base && end <= usable[i].base + usable[i].size)
				owner[p] = USABLE;
		for (unsigned i = 0; i < m; i++)
			if (base < reserved[i].base + reserved[i].size && end > reserved[i].base)
				owner[p] = 0;
	}
	for (uint64_t p = metadata.base / FRAME_PAGE;
	     p < (metadata.base + metadata.size) / FRAME_PAGE; p++) {
		assert_int_equal(owner[p], USABLE);
		owner[p] = 0;
	}
}

static void start(const struct frame_range *usable, unsigned n, const struct frame_range *reserved,
		  unsigned m)
{
	reset();
	/* Stale content, which must not come out of page_alloc. */
	memset((void *)(BACKED_END - 64 * MIB), 0xdd, 64 * MIB);
	memset((void *)BACKED, 0xdd, 16 * MIB);
	assert_int_equal(frame_init(usable, n, reserved, m), 0);
	mark_usable(usable, n, reserved, m);
}

static void own(uint64_t base, uint64_t bytes, uint8_t from, uint8_t to)
{
	for (uint64_t p = base / FRAME_PAGE; p < (base + bytes) / FRAME_PAGE; p++) {
		if (p >= BACKED_END / FRAME_PAGE)
			break;
		assert_int_equal(owner[p], from);
		owner[p] = to;
	}
}

static void *get_pages(unsigned n)
{
	uint64_t *pages = n == 1 ? page_alloc() : page_alloc_contig(n);

	if (!pages)
		return NULL;
	assert_int_equal((uintptr_t)pages % FRAME_PAGE, 0);
	own((uint64_t)pages, n * FRAME_PAGE, USABLE, PAGE_OUT);
	for (unsigned i = 0; i < n * FRAME_PAGE / 8; i++)
		assert_int_equal(pages[i], 0);
	memset(pages, 0xbb, n * FRAME_PAGE);
	return pages;
}

static void put_pages(void *pages, unsigned n)
{
	own((uint64_t)pages, n * FRAME_PAGE, PAGE_OUT, USABLE);
	page_free_contig(pages, n);
}

static const struct frame_range pc[] = {
	{0, 0x9fc00}, {BACKED, BACKED_END - BACKED}, {4 * GIB, 9 * GIB}};

static void test_small_machine(void **state)
{
	const struct frame_range ram = {BACKED + 0x1800, 3 * MIB};
	unsigned pages = 0;

	(void)state;
	/* No whole block at all: fragments only. */
	start(&ram, 1, NULL, 0);
	assert_int_equal(frame_stats.free_bytes, 0);
	while (get_pages(1))
		pages++;
	/* 3 MiB less the cut ends, the metadata, two headers and the reserve. */
	assert_in_range(pages, 3 * 256 - 14, 3 * 256 - 11);
	assert_int_equal(frame_stats.kernel_free_bytes, 8 * FRAME_PAGE);
	assert_int_equal(frame_alloc_blocks(1, 1, FRAME_ANY), 0);

	reset();
	assert_int_equal(frame_init(NULL, 0, NULL, 0), SAMPO_ENOMEM);
	reset();
	assert_int_equal(frame_init(pc, 1, NULL, 0), SAMPO_ENOMEM);
	reset();
	assert_int_equal(frame_init(&ram, 1, &ram, 1), SAMPO_ENOMEM);
}

static void test_stats(void **state)
{
	uint64_t before, block_base;
	void *page;

	(void)state;
	start(pc, 3, NULL, 0);
	assert_int_equal(frame_stats.total_bytes, BACKED_END - BACKED + 9 * GIB);
	assert_int_equal(frame_stats.trampoline, 0x8000);
	assert_int_equal(frame_stats.kernel_bytes + frame_stats.free_bytes,
			 frame_stats.total_bytes);
	before = frame_stats.free_bytes;
	page = get_pages(1);
	assert_int_equal(frame_stats.kernel_bytes + frame_stats.free_bytes,
			 frame_stats.total_bytes);
	put_pages(page, 1);
	block_base = frame_alloc_blocks(512, 512, FRAME_ANY);
	assert_int_equal(block_base, 12 * GIB);
	assert_int_equal(frame_stats.free_bytes, before - GIB);
	assert_int_equal(frame_alloc_blocks(512, 512, 12 * GIB), 11 * GIB);
	frame_free_blocks(block_base, 512);
	frame_free_blocks(11 * GIB, 512);
	assert_int_equal(frame_stats.free_bytes, before);
	/* Below 4 GiB there is the backed part only. */
	block_base = frame_alloc_blocks(32, 1, 4 * GIB);
	assert_int_equal(block_base, BACKED_END - 64 * MIB);
	frame_free_blocks(block_base, 32);
	assert_int_equal(frame_alloc_blocks(0, 1, FRAME_ANY), 0);
	assert_int_equal(frame_alloc_blocks(~0ull, 1, FRAME_ANY), 0);
	assert_int_equal(frame_alloc_blocks(1, 0, FRAME_ANY), 0);
	/* All of it, singly, and back. */
	for (unsigned i = 0; i < before / FRAME_BLOCK; i++)
		assert_int_not_equal(frame_alloc_blocks(1, 1, FRAME_ANY), 0);
	assert_int_equal(frame_stats.free_bytes, 0);
	assert_int_equal(frame_alloc_blocks(1, 1, FRAME_ANY), 0);
}

/* A block of the kernel's is given back when it is empty, but for one. */
static void test_grow_and_shrink(void **state)
{
	static void *pages[3000];

	(void)state;
	start(pc, 3, NULL, 0);
	for (unsigned round = 0; round < 6; round++) {
		/* Pages that map a block may pin the one before it. */
		tables = round < 3 ? 0 : 3;
		for (unsigned i = 0; i < 3000; i++)
			assert_non_null(pages[i] = get_pages(1));
		assert_in_range(mapped_blocks, 5, 7);
		for (unsigned i = 0; i < 3000; i++)
			put_pages(pages[i * 7 % 3000], 1);
		assert_in_range(mapped_blocks, 1, tables ? 7 : 2);
	}
	/* The first block cannot be mapped: what is left is given out, not more. */
	refuse_mapping = true;
	unsigned got = 0;

	while (got < 3000 && (pages[got] = get_pages(1)))
		got++;
	assert_in_range(got, 400, 2999);
	assert_null(get_pages(2));
	refuse_mapping = false;
	assert_non_null(pages[got++] = get_pages(1));
	while (got)
		put_pages(pages[--got], 1);
}

static bool panics(void (*what)(void *), void *argument)
{
	jmp_buf here;
	bool did = true;

	panic_expected = &here;
	if (!setjmp(here)) {
		what(argument);
		did = false;
	}
	panic_expected = NULL;
	return did;
}

static void free_page(void *page)
{
	page_free(page);
}

static void free_block(void *base)
{
	frame_free_blocks((uint64_t)base, 1);
}

static void test_misuse(void **state)
{
	void *page;
	uint64_t base;

	(void)state;
	start(pc, 3, NULL, 0);
	page = page_alloc();
	assert_true(panics(free_page, (char *)page + 8));
	assert_true(panics(free_page, (char *)page + FRAME_PAGE));
	assert_true(panics(free_page, (void *)((uintptr_t)page & ~(FRAME_BLOCK - 1))));
	assert_true(panics(free_block, (void *)((uintptr_t)page & ~(FRAME_BLOCK - 1))));
	page_free(page);
	assert_true(panics(free_page, page));
	assert_true(panics(free_page, (void *)metadata.base));
	assert_true(panics(free_page, (void *)(1ull << 50)));
	base = frame_alloc_blocks(1, 1, FRAME_ANY);
	assert_true(panics(free_page, (void *)base));
	assert_true(panics(free_block, (void *)(base + FRAME_PAGE)));
	frame_free_blocks(base, 1);
	assert_true(panics(free_block, (void *)base));
	assert_true(panics(free_block, (void *)(100 * GIB)));
}

static uint64_t listed;

static void list(uint64_t base, uint64_t size, void *ctx)
{
	(void)ctx;
	assert_int_equal((base | size) % FRAME_PAGE, 0);
	for (uint64_t p = base / FRAME_PAGE; p < (base + size) / FRAME_PAGE; p++)
		if (base != metadata.base)
			assert_true(owner[p] == USABLE || owner[p] == PAGE_OUT);
	listed += size;
}

/* Any memory map, then any sequence of operations. */
static void test_random(void **state)
{
	(void)state;
	for (unsigned machine = 0; machine < 40; machine++) {
		struct frame_range usable[40], reserved[40];
		unsigned n = 1 + (unsigned)random_below(40), m = (unsigned)random_below(40);
		static struct {
			uint64_t base, n;
			bool pages;
		} out[2000];
		unsigned outs = 0;

		for (unsigned i = 0; i < n; i++) {
			usable[i].base = BACKED + random_below(BACKED_END - BACKED);
			usable[i].size = random_below(random_below(2) ? 64 * MIB : MIB);
			if (usable[i].base + usable[i].size > BACKED_END)
				usable[i].size = BACKED_END - usable[i].base;
			if (random_below(2))
				usable[i].base &= ~(FRAME_PAGE - 1);
		}
		usable[0] = (struct frame_range){BACKED + 0x100000, 40 * MIB};
		if (n > 1)
			usable[1] = (struct frame_range){4 * GIB + random_below(GIB),
							 random_below(8 * GIB)};
		for (unsigned i = 0; i < m; i++) {
			reserved[i].base = BACKED + 8 * MIB + random_below(BACKED_END - BACKED);
			reserved[i].size = random_below(random_below(2) ? 32 * MIB : 100000);
		}
		if (m > 2) {
			reserved[0] = (struct frame_range){~0ull - 5000, 100000};
			reserved[1] = (struct frame_range){0, 5 * MIB};
		}
		start(usable, n, reserved, m);
		tables = (unsigned)random_below(5);
		for (unsigned op = 0; op < 4000; op++) {
			unsigned kind = (unsigned)random_below(8), i;

			refuse_mapping = !random_below(10);
			if (kind < 4 && outs < 2000) {
				out[outs].pages = true;
				out[outs].n = kind ? 1 : 1 + random_below(64);
				out[outs].base = (uint64_t)get_pages((unsigned)out[outs].n);
				outs += out[outs].base != 0;
			} else if (kind == 4 && outs < 2000) {
				uint64_t align = 1ull << random_below(4);
				uint64_t limit =
					random_below(2) ? FRAME_ANY : random_below(8 * GIB);

				out[outs].pages = false;
				out[outs].n = 1 + random_below(8);
				out[outs].base = frame_alloc_blocks(out[outs].n, align, limit);
				if (!out[outs].base)
					continue;
				assert_int_equal(out[outs].base % (align * FRAME_BLOCK), 0);
				assert_true(out[outs].base + out[outs].n * FRAME_BLOCK <= limit);
				own(out[outs].base, out[outs].n * FRAME_BLOCK, USABLE, BLOCK_OUT);
				outs++;
			} else if (outs) {
				i = (unsigned)random_below(outs);
				if (out[i].pages) {
					put_pages((void *)out[i].base, (unsigned)out[i].n);
				} else {
					own(out[i].base, out[i].n * FRAME_BLOCK, BLOCK_OUT, USABLE);
					frame_free_blocks(out[i].base, out[i].n);
				}
				out[i] = out[--outs];
			}
		}
		listed = 0;
		frame_each_kernel(list, NULL);
		assert_int_equal(listed, frame_stats.kernel_bytes);
		while (outs--) {
			if (out[outs].pages) {
				put_pages((void *)out[outs].base, (unsigned)out[outs].n);
			} else {
				own(out[outs].base, out[outs].n * FRAME_BLOCK, BLOCK_OUT, USABLE);
				frame_free_blocks(out[outs].base, out[outs].n);
			}
		}
		assert_in_range(mapped_blocks, 0, tables ? 20 : 2);
	}
}

static void test_slab(void **state)
{
	static const uint32_t sizes[] = {1, 8, 17, 64, 200, 1000, 2024, 2040, SLAB_MAX};
	static uint8_t *object[3000];

	(void)state;
	start(pc, 3, NULL, 0);
	uint64_t free_bytes = frame_stats.kernel_free_bytes;

	for (unsigned s = 0; s < 9; s++) {
		struct slab slab = {.size = sizes[s]};
		unsigned n = 0;

		for (unsigned i = 0; i < 20000; i++) {
			if (n < 3000 && random_below(8) < (i < 10000 ? 5 : 3)) {
				uint8_t *o = object[n] = slab_alloc(&slab);

				assert_non_null(o);
				assert_int_equal((uintptr_t)o % 16, 0);
				assert_true((uintptr_t)o % FRAME_PAGE + slab.size <= FRAME_PAGE);
				for (unsigned b = 0; b < slab.size; b++)
					assert_int_equal(o[b], 0);
				memset(o, (uint8_t)n, slab.size);
				o[0] = (uint8_t)s;
				n++;
			} else if (n) {
				unsigned k = (unsigned)random_below(n);

				assert_int_equal(object[k][0], (uint8_t)s);
				for (unsigned b = 2; b < slab.size; b++)
					assert_int_equal(object[k][b], object[k][1]);
				slab_free(&slab, object[k]);
				object[k] = object[--n];
			}
			assert_int_equal(slab.count, n);
		}
		while (n)
			slab_free(&slab, object[--n]);
		assert_int_equal(slab.count, 0);
		assert_int_equal(slab.pages, 0);
		assert_null(slab.partial);
	}
	assert_true(frame_stats.kernel_free_bytes >= free_bytes);
	/* Out of memory. */
	struct slab slab = SLAB_INIT(uint64_t);

	refuse_mapping = true;
	while (page_alloc())
		;
	assert_null(slab_alloc(&slab));
	assert_int_equal(slab.count, 0);
}

static int setup(void **state)
{
	(void)state;
	return mmap((void *)BACKED, BACKED_END - BACKED, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
		    0) != (void *)BACKED;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_machine),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_grow_and_shrink),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_slab),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("frame", tests, setup, NULL);
}
