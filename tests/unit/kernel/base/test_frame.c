/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/base/slab.c tests/unit/panic_stub.c kernel/base/lock.c tests/host/cpu.c */
/*
 * The allocator of physical memory, on memory that is mapped at addresses such
 * as a machine has. What it hands out is marked in a map of pages. The source
 * is included, so that each test can begin with a fresh machine.
 */
#include <sys/mman.h>

#include "kernel/base/frame.c"
#include "kernel/base/slab.h"
#include "kernel/cpu/percpu.h"
#include "tests/unit/unit.h"

/* The manage lock's, which nobody takes here. */
struct cpu *cpu_table[CPUS];
uint32_t cpu_count;
uint64_t tsc_ticks_per_ns;

extern jmp_buf *panic_expected;

/* Memory that is really there; above it only blocks are given out, which
 * nobody touches. */
#define BACKED     0x10000000ull
#define BACKED_END 0x60000000ull
#define GIB        (1ull << 30)
#define MIB        (1ull << 20)

struct range {
	uint64_t base, size;
};

static uint8_t owner[BACKED_END / FRAME_PAGE]; /* of each page: 0: not usable */
enum { USABLE = 1, PAGE_OUT, BLOCK_OUT };

static unsigned mapped_blocks;
static bool refuse_mapping;
static unsigned tables; /* pages that mapping a block takes */

/* As the kernel's page tables do: needs some pages itself. */
bool kernel_map_block(uint64_t base)
{
	if (refuse_mapping || base >= BACKED_END)
		return false;
	for (unsigned t = 0; t < tables; t++)
		assert_non_null(page_alloc_reserved());
	mapped_blocks++;
	return true;
}

/* How much of each block has been zeroed since it was freed, from its begin on. */
static uint32_t zeroed_bytes[16 * GIB / FRAME_BLOCK];

void window_zero(uint64_t pa, uint64_t bytes)
{
	uint32_t *done = &zeroed_bytes[pa / FRAME_BLOCK];

	assert_true(pa < 16 * GIB && pa % FRAME_BLOCK + bytes <= FRAME_BLOCK);
	assert_true(pa % FRAME_BLOCK == 0 || pa % FRAME_BLOCK == *done);
	*done = (uint32_t)(pa % FRAME_BLOCK + bytes);
}

/* If it is said to be zeroed, all of it was, and since it was free. */
static uint64_t get_block(void)
{
	bool zeroed;
	uint64_t base = frame_alloc_block(&zeroed);

	if (base && zeroed)
		assert_int_equal(zeroed_bytes[base / FRAME_BLOCK], FRAME_BLOCK);
	if (base < 16 * GIB)
		zeroed_bytes[base / FRAME_BLOCK] = 0;
	return base;
}

static void reset(void)
{
	frame_stats = (struct frame_stats){0};
	frame_first = 0;
	block = NULL;
	blocks = 0;
	dirty_block = zero_block = 0;
	zero_bytes = 0;
	memset(&zeroing, 0, sizeof(zeroing));
	memset(zeroed_bytes, 0, sizeof(zeroed_bytes));
	free_page = NULL;
	mapped_blocks = 0;
	refuse_mapping = false;
	tables = 0;
	memset(owner, 0, sizeof(owner));
}

static void mark_usable(const struct range *usable, unsigned n, const struct range *reserved,
			unsigned m)
{
	for (uint64_t p = 0; p < BACKED_END / FRAME_PAGE; p++) {
		uint64_t from = p * FRAME_PAGE & ~(FRAME_BLOCK - 1), end = from + FRAME_BLOCK;

		for (unsigned i = 0; i < n; i++)
			if (from >= usable[i].base && end <= usable[i].base + usable[i].size)
				owner[p] = USABLE;
		for (unsigned i = 0; i < m; i++)
			if (from < reserved[i].base + reserved[i].size && end > reserved[i].base)
				owner[p] = 0;
	}
	for (uint64_t p = (uint64_t)block / FRAME_PAGE; p * FRAME_PAGE < (uint64_t)(block + blocks);
	     p++) {
		assert_int_equal(owner[p], USABLE);
		owner[p] = 0;
	}
}

/* The memory map, as boot/multiboot.c would tell it. */
static struct boot_range map[4096];
static unsigned map_entries;

bool boot_next_range(const struct boot_info *info, struct boot_place *at, struct boot_range *range)
{
	(void)info;
	if (at->range == map_entries)
		return false;
	*range = map[at->range++];
	return true;
}

static int init(const struct range *usable, unsigned n, const struct range *reserved, unsigned m)
{
	/* What is not RAM, be it before or after the RAM. */
	for (unsigned i = 0; i < n + m; i++) {
		const struct range *r = i < m ? &reserved[i] : &usable[i - m];

		map[i] =
			(struct boot_range){r->base, r->size, i < m ? BOOT_RESERVED + i : BOOT_RAM};
	}
	map_entries = n + m;
	return frame_init(NULL);
}

static void start(const struct range *usable, unsigned n, const struct range *reserved, unsigned m)
{
	reset();
	/* Stale content, which must not come out of page_alloc. */
	memset((void *)(BACKED_END - 64 * MIB), 0xdd, 64 * MIB);
	memset((void *)BACKED, 0xdd, 16 * MIB);
	assert_int_equal(init(usable, n, reserved, m), 0);
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

static void *get_page(void)
{
	uint64_t *page = page_alloc();

	if (!page)
		return NULL;
	assert_int_equal((uintptr_t)page % FRAME_PAGE, 0);
	own((uint64_t)page, FRAME_PAGE, USABLE, PAGE_OUT);
	for (unsigned i = 0; i < FRAME_PAGE / 8; i++)
		assert_int_equal(page[i], 0);
	memset(page, 0xbb, FRAME_PAGE);
	return page;
}

static void put_page(void *page)
{
	own((uint64_t)page, FRAME_PAGE, PAGE_OUT, USABLE);
	page_free(page);
}

static const struct range pc[] = {{0, 0x9fc00}, {BACKED, BACKED_END - BACKED}, {4 * GIB, 9 * GIB}};

static void test_small_machine(void **state)
{
	/* Odd ends: there is one whole block. */
	const struct range ram = {BACKED + 0x1800, 5 * MIB};
	const struct range meeting[] = {{BACKED, 5 * MIB}, {BACKED + 5 * MIB, 3 * MIB}};
	unsigned pages = 0;

	(void)state;
	start(&ram, 1, NULL, 0);
	assert_int_equal(frame_stats.total_bytes, FRAME_BLOCK);
	assert_int_equal(frame_stats.kernel_bytes, FRAME_BLOCK);
	assert_int_equal(frame_stats.free_bytes, 0);
	assert_int_equal(frame_stats.trampoline, 0);
	while (get_page())
		pages++;
	assert_int_equal(pages, 512 - 1 - 16); /* the states, the reserve */
	assert_int_equal(get_block(), 0);
	assert_int_equal(frame_alloc_run(1, FRAME_ANY), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_non_null(page_alloc_reserved());
	assert_null(page_alloc_reserved());

	start(meeting, 2, NULL, 0);
	assert_int_equal(frame_stats.total_bytes, 3 * FRAME_BLOCK);

	reset();
	assert_int_equal(init(NULL, 0, NULL, 0), SAMPO_ENOMEM);
	reset();
	assert_int_equal(init(pc, 1, NULL, 0), SAMPO_ENOMEM);
	reset();
	assert_int_equal(init(&pc[2], 1, NULL, 0), SAMPO_ENOMEM);
	reset();
	assert_int_equal(init(&ram, 1, &ram, 1), SAMPO_ENOMEM);
}

static void test_stats(void **state)
{
	uint64_t before, base;
	void *page;

	(void)state;
	start(pc, 3, NULL, 0);
	assert_int_equal(frame_stats.total_bytes, BACKED_END - BACKED + 9 * GIB);
	assert_int_equal(frame_stats.trampoline, 0x8000);
	assert_int_equal(frame_first, BACKED);
	assert_int_equal(frame_stats.kernel_bytes, FRAME_BLOCK);
	assert_int_equal(frame_stats.kernel_bytes + frame_stats.free_bytes,
			 frame_stats.total_bytes);
	page = get_page();
	assert_int_equal(frame_stats.kernel_bytes, FRAME_BLOCK);
	put_page(page);
	before = frame_stats.free_bytes;
	/* Below 4 GiB there is the backed part only; the highest place is taken. */
	base = frame_alloc_run(32, 4 * GIB);
	assert_int_equal(base, BACKED_END - 64 * MIB);
	assert_int_equal(frame_alloc_run(512, FRAME_ANY), 12 * GIB);
	assert_int_equal(frame_alloc_run(512, 12 * GIB), 11 * GIB);
	assert_int_equal(frame_stats.free_bytes, before - 2 * GIB - 64 * MIB);
	for (uint64_t at = 0; at < 2 * GIB; at += FRAME_BLOCK)
		frame_free_block(11 * GIB + at);
	for (uint64_t at = 0; at < 64 * MIB; at += FRAME_BLOCK)
		frame_free_block(base + at);
	assert_int_equal(frame_stats.free_bytes, before);
	assert_int_equal(frame_alloc_run(0, FRAME_ANY), 0);
	assert_int_equal(frame_alloc_run(~0ull, FRAME_ANY), 0);
	assert_int_equal(frame_alloc_run(1, BACKED), 0);
	/* All of it, singly. */
	for (unsigned i = 0; i < before / FRAME_BLOCK; i++)
		assert_int_not_equal(get_block(), 0);
	assert_int_equal(frame_stats.free_bytes, 0);
	assert_int_equal(get_block(), 0);
	assert_int_equal(frame_alloc_run(1, FRAME_ANY), 0);
}

/* 2 TiB in 1,000 ranges, with 1,100 modules: as a large server shows itself. */
static void test_large_machine(void **state)
{
	static struct range ram[1000], used[1100];
	const uint64_t each = 2048 * GIB / 1000 & ~(FRAME_BLOCK - 1);

	(void)state;
	ram[0] = (struct range){BACKED, BACKED_END - BACKED};
	for (unsigned i = 1; i < 1000; i++)
		ram[i] = (struct range){4 * GIB + i * each, each - FRAME_PAGE};
	for (unsigned i = 0; i < 1100; i++)
		used[i] = (struct range){BACKED + i * FRAME_PAGE, i ? FRAME_PAGE : 0};
	start(ram, 1000, used, 1100);
	/* The last block of each range lacks a page. */
	assert_int_equal(frame_stats.total_bytes,
			 BACKED_END - BACKED - 3 * FRAME_BLOCK + 999 * (each - FRAME_BLOCK));
	assert_int_equal(frame_first, BACKED + 3 * FRAME_BLOCK);
	assert_int_equal(get_block(), 4 * GIB + 1000 * each - 2 * FRAME_BLOCK);
}

/* The kernel takes as many blocks as it needs at one time, and no more. */
static void test_grow(void **state)
{
	static void *pages[3000];
	unsigned got = 0;

	(void)state;
	start(pc, 2, NULL, 0);
	tables = 3;
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 3000; i++)
			assert_non_null(pages[i] = get_page());
		assert_int_equal(mapped_blocks, 5);
		assert_int_equal(frame_stats.kernel_bytes, 6 * FRAME_BLOCK);
		for (unsigned i = 0; i < 3000; i++)
			put_page(pages[i * 7 % 3000]);
	}
	/* Where nothing can be mapped, what is there is given out but for the reserve. */
	start(pc, 2, NULL, 0);
	refuse_mapping = true;
	while (got < 3000 && (pages[got] = get_page()))
		got++;
	assert_int_equal(got, 512 - 1 - 16);
	refuse_mapping = false;
	tables = 3;
	assert_non_null(pages[got++] = get_page());
	while (got)
		put_page(pages[--got]);
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

static void do_free_page(void *page)
{
	page_free(page);
}

static void do_free_block(void *base)
{
	frame_free_block((uint64_t)base);
}

static void test_misuse(void **state)
{
	void *page;
	uint64_t base;

	(void)state;
	start(pc, 3, NULL, 0);
	page = page_alloc();
	base = get_block();
	assert_true(panics(do_free_page, (char *)page + 8));
	assert_true(panics(do_free_page, (void *)base));
	assert_true(panics(do_free_page, (void *)(base - FRAME_BLOCK)));
	assert_true(panics(do_free_page, (void *)(BACKED - FRAME_PAGE)));
	assert_true(panics(do_free_page, (void *)(1ull << 50)));
	assert_true(panics(do_free_block, (void *)((uintptr_t)page & ~(FRAME_BLOCK - 1))));
	assert_true(panics(do_free_block, (void *)(base + FRAME_PAGE)));
	assert_true(panics(do_free_block, NULL));
	assert_true(panics(do_free_block, (void *)(100 * GIB)));
	frame_free_block(base);
	assert_true(panics(do_free_block, (void *)base));
	page_free(page);
}

static void give_back(uint64_t base, uint64_t n)
{
	if (!n)
		put_page((void *)base);
	own(base, n * FRAME_BLOCK, BLOCK_OUT, USABLE);
	for (uint64_t i = 0; i < n; i++)
		frame_free_block(base + i * FRAME_BLOCK);
}

/* Any memory map, then any sequence of operations. */
static void test_random(void **state)
{
	(void)state;
	for (unsigned machine = 0; machine < 40; machine++) {
		struct range usable[40], reserved[40];
		unsigned n = 1 + (unsigned)random_below(40), m = (unsigned)random_below(40);
		static struct {
			uint64_t base, blocks; /* 0: a page */
		} out[2000];
		uint64_t free_bytes;
		unsigned outs = 0;

		for (unsigned i = 0; i < n; i++) {
			usable[i].base = BACKED + random_below(BACKED_END - BACKED);
			usable[i].size = random_below(random_below(2) ? 64 * MIB : MIB);
			if (usable[i].base + usable[i].size > BACKED_END)
				usable[i].size = BACKED_END - usable[i].base;
			if (random_below(2))
				usable[i].base &= ~(FRAME_PAGE - 1);
		}
		usable[0] = (struct range){BACKED + 0x100000, 40 * MIB};
		if (n > 1)
			usable[1] =
				(struct range){4 * GIB + random_below(GIB), random_below(8 * GIB)};
		for (unsigned i = 0; i < m; i++) {
			reserved[i].base = BACKED + 8 * MIB + random_below(BACKED_END - BACKED);
			reserved[i].size = random_below(random_below(2) ? 32 * MIB : 100000);
		}
		if (m > 2) {
			reserved[0] = (struct range){~0ull - 5000, 100000};
			reserved[1] = (struct range){0, 5 * MIB};
		}
		start(usable, n, reserved, m);
		assert_int_equal(frame_stats.kernel_bytes + frame_stats.free_bytes,
				 frame_stats.total_bytes);
		tables = (unsigned)random_below(5);
		for (unsigned op = 0; op < 4000; op++) {
			unsigned kind = (unsigned)random_below(8), i;

			refuse_mapping = !random_below(10);
			if (kind < 5 && outs < 2000) {
				uint64_t limit =
					random_below(2) ? FRAME_ANY : random_below(8 * GIB);

				out[outs].blocks = kind == 3 ? 1 : 2 + random_below(8);
				if (kind < 3) {
					out[outs].blocks = 0;
					out[outs].base = (uint64_t)get_page();
				} else if (kind == 3) {
					uint64_t base = get_block();
					uint64_t other = base ? frame_exchange(base) : 0;

					if (other < 16 * GIB)
						zeroed_bytes[other / FRAME_BLOCK] = 0;
					out[outs].base = other ? other : base;
				} else {
					for (uint64_t j = random_below(600); j; j--)
						frame_zero_some();
					out[outs].base = frame_alloc_run(out[outs].blocks, limit);
					assert_true(out[outs].base + out[outs].blocks *
									     FRAME_BLOCK <=
							    limit ||
						    !out[outs].base);
				}
				if (!out[outs].base)
					continue;
				assert_true(kind < 3 || out[outs].base % FRAME_BLOCK == 0);
				own(out[outs].base, out[outs].blocks * FRAME_BLOCK, USABLE,
				    BLOCK_OUT);
				outs++;
			} else if (outs) {
				i = (unsigned)random_below(outs);
				give_back(out[i].base, out[i].blocks);
				out[i] = out[--outs];
			}
		}
		free_bytes = frame_stats.kernel_free_bytes;
		while (outs--) {
			free_bytes += out[outs].blocks ? 0 : FRAME_PAGE;
			give_back(out[outs].base, out[outs].blocks);
		}
		assert_int_equal(frame_stats.kernel_free_bytes, free_bytes);
	}
}

/* Blocks are zeroed piece by piece until 256 MiB are ready; those are given first, and to the
 * kernel for its own pages last. */
static void test_zeroing(void **state)
{
	unsigned pieces = 0;
	uint64_t base;
	bool is;

	(void)state;
	start(pc, 2, NULL, 0);
	while (frame_zero_some())
		pieces++;
	assert_int_equal(pieces, (256 * MIB) / (8 << 10));
	base = frame_alloc_block(&is);
	assert_false(is);
	base = frame_exchange(base);
	assert_int_equal(zeroed_bytes[base / FRAME_BLOCK], FRAME_BLOCK);
	for (unsigned i = 0; i < 100; i++)
		assert_true(frame_zero_some());
	/* What was begun is not mistaken for what is in front of it now. */
	frame_free_block(base);
	zeroed_bytes[base / FRAME_BLOCK] = 0;
	while (frame_zero_some())
		;
	while (get_block())
		;
	assert_int_equal(frame_stats.free_bytes, 0);
	assert_false(frame_zero_some());
	assert_int_equal(get_block(), 0);
	assert_int_equal(frame_exchange(base), 0);
}

static void test_slab(void **state)
{
	static const uint32_t sizes[] = {16, 32, 64, 208, 1008, 2032, 2048, 2064, FRAME_PAGE};
	static uint8_t *object[3000];

	(void)state;
	start(pc, 2, NULL, 0);
	uint64_t used = frame_stats.kernel_bytes - frame_stats.kernel_free_bytes;

	for (unsigned s = 0; s < 9; s++) {
		struct slab slab = {.size = sizes[s]};
		unsigned n = 0, most = 0, each = FRAME_PAGE / sizes[s];

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
				most = ++n > most ? n : most;
			} else if (n) {
				unsigned k = (unsigned)random_below(n);

				assert_int_equal(object[k][0], (uint8_t)s);
				for (unsigned b = 2; b < slab.size; b++)
					assert_int_equal(object[k][b], object[k][1]);
				slab_free(&slab, object[k]);
				object[k] = object[--n];
			}
		}
		while (n)
			slab_free(&slab, object[--n]);
		/* As many pages as the most objects needed, and no more for as many again. */
		used += (most + each - 1) / each * FRAME_PAGE;
		assert_int_equal(frame_stats.kernel_bytes - frame_stats.kernel_free_bytes, used);
		for (unsigned i = 0; i < most; i++)
			object[i] = slab_alloc(&slab);
		assert_int_equal(frame_stats.kernel_bytes - frame_stats.kernel_free_bytes, used);
	}
	/* Out of memory. */
	struct slab slab = SLAB_INIT(uint64_t);

	refuse_mapping = true;
	while (page_alloc())
		;
	assert_null(slab_alloc(&slab));
	assert_null(slab.free);
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
		cmocka_unit_test(test_small_machine), cmocka_unit_test(test_stats),
		cmocka_unit_test(test_large_machine), cmocka_unit_test(test_grow),
		cmocka_unit_test(test_misuse),        cmocka_unit_test(test_slab),
		cmocka_unit_test(test_zeroing),       cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("frame", tests, setup, NULL);
}
