/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/iommu/dmar.c */
/* What the kernel reads of DMAR tables: QEMU's, a server's, and broken ones. Each is parsed in
 * memory of its own of exactly its size, so that reading more is seen. */
#include "arch/iommu/iommu.h"
#include "kernel/base/log.h"
#include "tests/unit/unit.h"

#define HEADER   48
#define DRHD     0
#define RMRR     1
#define ENDPOINT 1
#define BRIDGE   2
#define IOAPIC   3

static uint8_t table[0x4000];
static uint32_t end, part; /* of what has been built, and where its last structure begins */
static unsigned lines;     /* that were logged */
static struct iommu_info info;

void log_print(const char *format, ...)
{
	(void)format;
	lines++;
}

/* 00:1c.4 is a bridge to bus 5, where 05:00.0 is one to bus 9; all else is no bridge. */
uint32_t iommu_pci_read(uint16_t requester, unsigned offset)
{
	bool bridge = requester == 0x00e4 || requester == 0x0500;

	if (requester == 0x00f8)
		return UINT32_MAX; /* there is nothing */
	if (offset == 0x0c)
		return bridge ? 0x00810010 : 0x00800010;
	assert_int_equal(offset, 0x18);
	assert_true(bridge || requester % 0x4000 == 0x10); /* the server's root ports: not set up */
	if (!bridge)
		return 0;
	return requester == 0x0500 ? 0x00090905 : 0x000a0500;
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	memcpy(table + at, &value, bytes);
}

static void begin(void)
{
	memset(table, 0, sizeof(table));
	memcpy(table, "DMAR", 4);
	end = HEADER;
	lines = 0;
	info = (struct iommu_info){0};
}

static void add(unsigned type, unsigned segment, uint64_t base, uint32_t bytes)
{
	part = end;
	put(part, type, 2);
	put(part + 2, bytes, 2);
	put(part + 6, segment, 2);
	put(part + 8, base, 8);
	end += bytes;
}

static void add_drhd(uint64_t base)
{
	add(DRHD, 0, base, 16);
}

static void add_rmrr(uint64_t base, uint64_t limit)
{
	add(RMRR, 0, base, 24);
	put(part + 16, limit, 8);
}

/* To the last structure: a path of so many steps, each of device << 3 | function. */
static void add_scope(unsigned type, unsigned id, unsigned bus, unsigned steps, const uint8_t *step)
{
	put(end, type, 1);
	put(end + 1, 6 + 2 * steps, 1);
	put(end + 4, id, 1);
	put(end + 5, bus, 1);
	for (unsigned i = 0; i < steps; i++) {
		put(end + 6 + 2 * i, step[i] >> 3, 1);
		put(end + 7 + 2 * i, step[i] & 7, 1);
	}
	end += 6 + 2 * steps;
	put(part + 2, end - part, 2);
}

#define STEPS(...)                                    \
	sizeof((uint8_t[]){__VA_ARGS__}), (uint8_t[]) \
	{                                             \
		__VA_ARGS__                           \
	}

static bool parse(void)
{
	uint8_t *copy = malloc(end);
	bool usable;

	put(4, end, 4);
	memcpy(copy, table, end);
	usable = dmar_parse(&info, copy, end);
	free(copy);
	return usable;
}

static void check_range(unsigned i, uint16_t requester, uint64_t base, uint64_t size)
{
	assert_true(i < info.ranges);
	assert_int_equal(info.range[i].requester, requester);
	assert_int_equal(info.range[i].base, base);
	assert_int_equal(info.range[i].size, size);
	assert_int_equal(info.range[i].flags, PTAB_R | PTAB_W);
}

static void check_ioapic(unsigned i, uint32_t id, uint16_t requester)
{
	assert_true(i < info.ioapics);
	assert_int_equal(info.ioapic[i].id, id);
	assert_int_equal(info.ioapic[i].requester, requester);
}

static bool covers(unsigned function)
{
	return info.covered[function / 64] >> function % 64 & 1;
}

/* One unit, with each function of the machine and the I/O APIC, which is at ff:00.0. */
static void test_qemu(void **state)
{
	(void)state;
	begin();
	add_drhd(0xfed90000);
	add_scope(IOAPIC, 0, 0xff, STEPS(0));
	add_scope(ENDPOINT, 0, 0, STEPS(0));
	add_scope(ENDPOINT, 0, 0, STEPS(0xfa));
	add(2, 0, 0, 8); /* an ATSR */
	assert_true(parse());
	assert_int_equal(info.units, 1);
	assert_int_equal(info.unit[0], 0xfed90000);
	assert_int_equal(info.ranges, 0);
	assert_int_equal(info.ioapics, 1);
	check_ioapic(0, 0, 0xff00);
	assert_int_equal(lines, 0);
	for (unsigned f = 0; f < IOMMU_REQUESTERS; f++)
		assert_int_equal(covers(f), f == 0 || f == 0xfa);
	table[HEADER + 4] = 1; /* all others, too */
	assert_true(parse());
	assert_true(covers(1) && covers(0xffff));
}

/* A bridge has all that is behind it, a function behind bridges has its bus, a function of a root
 * bus has itself alone, and a unit that is ignored has nothing. */
static void test_covered(void **state)
{
	(void)state;
	begin();
	add_drhd(0xfed90800);
	table[part + 4] = 1;
	add_scope(ENDPOINT, 0, 0, STEPS(0x08));
	add_drhd(0xfed90000);
	add_scope(BRIDGE, 0, 0, STEPS(0xe4));
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_scope(4, 0, 0, STEPS(0x18)); /* an HPET */
	add_scope(0, 0, 0, STEPS(0x20));
	add_scope(ENDPOINT, 0, 0x80, STEPS(0x10));
	assert_true(parse());
	for (unsigned f = 0; f < IOMMU_REQUESTERS; f++)
		assert_int_equal(covers(f), f == 0xe4 || f == 0x10 || f == 0x8010 ||
						    (f >= 0x500 && f <= 0xaff));
	begin();
	add_drhd(0xfed90000);
	add_scope(ENDPOINT, 0, 0, STEPS(0xe4, 0x08));
	assert_true(parse());
	for (unsigned f = 0; f < IOMMU_REQUESTERS; f++)
		assert_int_equal(covers(f), f >= 0x500 && f <= 0x5ff);
}

static void add_server(void)
{
	static const uint64_t base[] = {0xd37fc000, 0xe0ffc000, 0xee7fc000, 0xfbffc000};

	for (unsigned i = 0; i < 4; i++) {
		add_drhd(base[i]);
		add_scope(BRIDGE, 0, 0x40 * i, STEPS(0x10));
		add_scope(IOAPIC, 8 + i, 0x40 * i + 1, STEPS(0x2c));
	}
	/* The management controller behind two bridges, and two USB controllers. */
	add_rmrr(0x6a3d6000, 0x6a3d8fff);
	add_scope(ENDPOINT, 0, 0, STEPS(0xe4, 0x00, 0x02));
	add_rmrr(0x6f7dd000, 0x6f7ecfff);
	add_scope(ENDPOINT, 0, 0, STEPS(0xa0));
	add_scope(ENDPOINT, 0, 0, STEPS(0xe8));
	add(3, 0, 0, 20); /* an RHSA */
}

static void check_server(void)
{
	assert_int_equal(info.units, 4);
	assert_int_equal(info.unit[3], 0xfbffc000);
	assert_int_equal(info.ioapics, 4);
	check_ioapic(0, 8, 0x012c);
	check_ioapic(3, 11, 0xc12c);
	assert_int_equal(info.ranges, 3);
	check_range(0, 0x0902, 0x6a3d6000, 0x3000);
	check_range(1, 0x00a0, 0x6f7dd000, 0x10000);
	check_range(2, 0x00e8, 0x6f7dd000, 0x10000);
}

static void test_server(void **state)
{
	(void)state;
	begin();
	add_server();
	assert_true(parse());
	check_server();
	assert_int_equal(lines, 0);
}

/* Each is left out, with a line in the log, and nothing else is. */
static void test_broken_entries(void **state)
{
	(void)state;
	begin();
	add(DRHD, 0, 0xfeb00000, 12); /* too short */
	add(DRHD, 1, 0xfeb00000, 16); /* of another segment */
	add_drhd(0);
	add_drhd(0xfeb00800);
	add(RMRR, 0, 0x7000, 16); /* too short */
	add(RMRR, 2, 0x7000, 24);
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0x7000, 0x7ffe); /* no whole page */
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0x7800, 0x87ff);
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0x7000, 0x6fff); /* nothing */
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0x7000, 0x5fff);
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0, UINT64_MAX);
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0, 0x3fffffff); /* 1 GiB */
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0xfffffffffffff000, UINT64_MAX);
	add_scope(ENDPOINT, 0, 0, STEPS(0x10));
	add_rmrr(0x7000, 0x7fff);
	add_scope(ENDPOINT, 0, 0, STEPS(0xf8, 0)); /* behind nothing */
	add_scope(ENDPOINT, 0, 0, STEPS(0x10, 0)); /* behind no bridge */
	add_scope(ENDPOINT, 0, 0, 0, NULL);        /* no path */
	assert_int_equal(lines, 0);
	add_server();
	assert_true(parse());
	check_server();
	assert_int_equal(lines, 16);
	add_drhd(0xd37fc000); /* known */
	info = (struct iommu_info){0};
	assert_true(parse());
	check_server();
}

/* The largest range there may be; a path of an odd number of bytes; a scope that is too long. */
static void test_edges(void **state)
{
	(void)state;
	begin();
	add_drhd(0xfed90000);
	add_rmrr(0x40000000, 0x7fffefff);
	add_scope(ENDPOINT, 0, 3, STEPS(0x10));
	end++; /* of the last scope */
	put(part + 2, end - part, 2);
	table[part + 24 + 1]++;
	add_scope(ENDPOINT, 0, 3, STEPS(0x18));
	add_scope(ENDPOINT, 0, 3, STEPS(0x20));
	table[end - 7]++; /* the last one's length */
	assert_true(parse());
	assert_int_equal(info.ranges, 2);
	check_range(0, 0x0310, 0x40000000, 0x3ffff000);
	check_range(1, 0x0318, 0x40000000, 0x3ffff000);
	table[end - 7] = 0;
	info = (struct iommu_info){0};
	assert_true(parse());
	assert_int_equal(info.ranges, 2);
}

/* A length of nothing, or beyond the end, ends the walk. */
static void test_lengths(void **state)
{
	static const uint16_t wrong[] = {0, 7, 17, 0xffff};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
		begin();
		add_drhd(0xfed90000);
		add_drhd(0xfed91000);
		put(part + 2, wrong[i], 2);
		assert_true(parse());
		assert_int_equal(info.units, 1);
		assert_int_equal(lines, 1);
		end += 7; /* too little for another structure */
		put(part + 2, 16, 2);
		info = (struct iommu_info){0};
		assert_true(parse());
		assert_int_equal(info.units, 2);
	}
	for (end = 0; end <= HEADER + 8; end++) {
		info = (struct iommu_info){0};
		assert_false(parse());
	}
}

static void test_full(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < IOMMU_UNITS; i++)
		add_drhd(0xfe000000 + 0x1000 * i);
	for (unsigned i = 0; i < IOMMU_IOAPICS + 2; i++)
		add_scope(IOAPIC, i, 0, STEPS(0xf0));
	add_rmrr(0x1000, 0x1fff);
	for (unsigned i = 0; i < IOMMU_RANGES + 2; i++)
		add_scope(ENDPOINT, 0, i, STEPS(0));
	assert_true(parse());
	assert_int_equal(info.units, IOMMU_UNITS);
	assert_int_equal(info.ioapics, IOMMU_IOAPICS);
	assert_int_equal(info.ranges, IOMMU_RANGES);
	check_range(IOMMU_RANGES - 1, (IOMMU_RANGES - 1) << 8, 0x1000, 0x1000);
	assert_int_equal(lines, 2);
	add_drhd(0xfd000000); /* what is behind it would be open */
	info = (struct iommu_info){0};
	assert_false(parse());
	assert_true(info.crowded);
	assert_int_equal(info.units, IOMMU_UNITS);
}

static void test_no_unit(void **state)
{
	(void)state;
	begin();
	add_rmrr(0x1000, 0x1fff);
	add_scope(ENDPOINT, 0, 0, STEPS(0));
	assert_false(parse());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu),           cmocka_unit_test(test_server),
		cmocka_unit_test(test_broken_entries), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_lengths),        cmocka_unit_test(test_full),
		cmocka_unit_test(test_no_unit),        cmocka_unit_test(test_covered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
