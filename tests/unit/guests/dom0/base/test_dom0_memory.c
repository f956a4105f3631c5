/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/memory.c guests/dom0/base/dma.c */
/* flags: -include tests/unit/sampo_fake.h */
/* dom0's memory: pages for DMA, the window for what it maps, modules. */
#include "tests/unit/unit.h"

#include "drivers/env.h"
#include "guests/dom0/base/dma.h"
#include "guests/dom0/base/memory.h"
#include "guests/lib/guest.h"

#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define POOL (1u << 20)

struct sampo_fake fake;
char guest_image[1], guest_end[1];
uint64_t guest_pdpt[GUEST_MAPPED_GIB];
static uint8_t pool[POOL] __attribute__((aligned(POOL)));
static struct sampo_boot info;

void heap_set(uintptr_t start, uintptr_t end)
{
	(void)start;
	(void)end;
}

size_t heap_used(void)
{
	return 0;
}

void memory_protect(void)
{
}

static int start(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	memset(guest_pdpt, 0xff, sizeof(guest_pdpt));
	info.ram_bytes = 0; /* the pool for DMA comes from us */
	info.map_base = 256 * GIB;
	info.map_end = 768 * GIB;
	memory_init(&info);
	dma_init(pool, POOL, 0x10000000);
	return 0;
}

static void test_dma(void **state)
{
	uint64_t bus[3];
	void *p[3];

	(void)state;
	p[0] = dma_alloc(1, &bus[0]);
	p[1] = dma_alloc(5000, &bus[1]);
	p[2] = dma_alloc(64, &bus[2]);
	assert_ptr_equal(p[0], pool);
	assert_int_equal(bus[1] % 8192, 0);
	assert_int_equal(bus[1] - bus[0], (uint8_t *)p[1] - (uint8_t *)p[0]);
	assert_int_equal((uint8_t *)p[2] - (uint8_t *)p[0], 256);
	assert_int_equal(dma_used(), 256 + 5120 + 256);
	memset(p[1], 1, 5000);
	dma_free(p[1], 5000);
	p[1] = dma_alloc(4096, &bus[1]);
	assert_int_equal(*(uint8_t *)p[1], 0);
	assert_null(dma_alloc(POOL, &bus[2]));
	assert_null(dma_alloc(0, &bus[2]));
	dma_free(p[0], 1);
	dma_free(p[1], 4096);
	dma_free(p[2], 64);
	dma_free(NULL, 5);
	assert_int_equal(dma_used(), 0);
	assert_ptr_equal(dma_alloc(POOL, &bus[0]), pool);
	assert_null(dma_alloc(1, &bus[1]));
}

static void test_window(void **state)
{
	uint64_t a, b, c;

	(void)state;
	a = window_alloc(4096, 4096);
	b = window_alloc(5 * MIB, 2 * MIB);
	c = window_alloc(1, 4096);
	assert_int_equal(a, 256 * GIB);
	assert_int_equal(b, 256 * GIB + 2 * MIB);
	assert_int_equal(c, 256 * GIB + 4096);
	assert_false(window_take(b + MIB, 4096));
	assert_false(window_take(0xfeb00000, 4096));
	assert_false(window_take(767 * GIB, 2 * GIB));
	assert_true(window_take(b - 4096, 4096));
	assert_int_equal(window_alloc(6 * MIB, 2 * MIB), 256 * GIB + 8 * MIB);
	window_free(b);
	assert_int_equal(window_alloc(6 * MIB, 2 * MIB), b);
	assert_int_equal(window_alloc(600 * GIB, 4096), 0);
	assert_int_equal(window_alloc(0, 4096), 0);
	for (uint64_t at = 256 * GIB; at < 257 * GIB; at += 4096)
		window_free(at);
	assert_int_equal(window_alloc(512 * GIB, 4096), 256 * GIB);
	window_free(256 * GIB);
}

/* As many windows as 1,000 guests need; what was given back can be had again. */
#define MANY 4000u

static void test_window_many(void **state)
{
	static uint64_t at[MANY];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		at[i] = window_alloc(4096, 4096);
		assert_int_equal(at[i], 256 * GIB + i * 4096ull);
	}
	for (unsigned i = 0; i < MANY; i += 2)
		window_free(at[i]);
	for (unsigned i = 0; i < MANY; i += 2)
		assert_int_equal(window_alloc(4096, 4096), at[i]);
	for (unsigned i = 0; i < MANY; i++)
		window_free(at[i]);
}

/* 1,000 guests of 2 GiB, on a machine of 2 TiB. */
static void test_window_large(void **state)
{
	(void)state;
	info.map_base = 1024 * GIB;
	info.map_end = 3 * 1024 * GIB;
	memory_init(&info);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(window_alloc(2 * GIB, 2 * MIB), (1024 + 2 * i) * GIB);
	for (uint64_t i = 0; i < 1000; i++)
		window_free((1024 + 2 * i) * GIB);
}

/* Without pages of 1 GiB a directory is made for each GiB that is used. */
static void test_page_tables(void **state)
{
	const uint64_t *table;

	(void)state;
	memset(guest_pdpt, 0, sizeof(guest_pdpt));
	assert_int_equal(window_alloc(2 * GIB, GIB), 256 * GIB);
	assert_int_equal(guest_pdpt[255], 0);
	assert_int_equal(guest_pdpt[258], 0);
	table = (const uint64_t *)(uintptr_t)(guest_pdpt[257] & 0x000ffffffffff000);
	assert_int_equal(table[3], 257 * GIB + 3 * 2 * MIB + 0x83);
	window_free(256 * GIB);
	/* no memory for the table: no window */
	while (dma_alloc(4096, &(uint64_t){0}))
		;
	assert_int_equal(window_alloc(3 * GIB, GIB), 0);
	assert_int_equal(window_alloc(GIB, GIB), 256 * GIB);
	window_free(256 * GIB);
}

static void test_modules(void **state)
{
	static const struct sampo_module table[] = {
		{0x1000, 5, "dir/a.xml"},
		{0x2000, 6, "a.xml"},
	};
	struct module module;

	(void)state;
	info.modules = 2;
	info.module_table = (uint64_t)(uintptr_t)table;
	memory_init(&info);
	assert_true(module_find("a.xml", &module));
	assert_int_equal(module.size, 6);
	assert_true(module_find("dir/a.xml", &module));
	assert_int_equal(module.size, 5);
	assert_true(module_find("/elsewhere/a.xml", &module));
	assert_false(module_find("b.xml", &module));
	assert_true(module_get(1, &module));
	assert_false(module_get(2, &module));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dma, start),
		cmocka_unit_test_setup(test_window, start),
		cmocka_unit_test_setup(test_window_many, start),
		cmocka_unit_test_setup(test_window_large, start),
		cmocka_unit_test_setup(test_page_tables, start),
		cmocka_unit_test_setup(test_modules, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
