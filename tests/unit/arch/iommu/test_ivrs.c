/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/iommu/ivrs.c */
/* IVRS tables: an emulator's, one like those of Ryzen machines, then broken ones. */
#include "arch/iommu/iommu.h"
#include "kernel/base/log.h"
#include "unit.h"

static struct iommu_info info;
static uint8_t table[0x10000];
static uint32_t end;
static unsigned logged;

void log_print(const char *format, ...)
{
	assert_memory_equal(format, LOG_WARNING "iommu: IVRS: ", 16);
	logged++;
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	assert_true(at + bytes <= sizeof(table));
	memcpy(table + at, &value, bytes);
}

static void begin(void)
{
	memset(table, 0, sizeof(table));
	memset(&info, 0, sizeof(info));
	memcpy(table, "IVRS", 4);
	end = 48;
	logged = 0;
}

/* A block for a unit, whose entries follow; close() says its length. */
static uint32_t open_unit(uint8_t type, uint16_t function, uint64_t base)
{
	uint32_t at = end;

	put(at, type, 1);
	put(at + 4, function, 2);
	put(at + 6, 0x40, 2);
	put(at + 8, base, 8);
	end += type == 0x10 ? 24 : 40;
	return at;
}

static void close_block(uint32_t at)
{
	put(at + 2, end - at, 2);
}

static void select_function(uint16_t function)
{
	put(end, 2, 1);
	put(end + 1, function, 2);
	end += 4;
}

static void select_range(uint16_t first, uint16_t last)
{
	put(end, 3, 1);
	put(end + 1, first, 2);
	put(end + 4, 4, 1);
	put(end + 5, last, 2);
	end += 8;
}

static void alias(uint16_t function, uint16_t source)
{
	put(end, 0x42, 1);
	put(end + 1, function, 2);
	put(end + 5, source, 2);
	end += 8;
}

static void special(uint8_t kind, uint8_t handle, uint16_t source)
{
	put(end, 0x48, 1);
	put(end + 3, 0xd7, 1);
	put(end + 4, handle, 1);
	put(end + 5, source, 2);
	put(end + 7, kind, 1);
	end += 8;
}

static void acpi_device(const char *text)
{
	put(end, 0xf0, 1);
	memcpy(table + end + 4, "AMDI0020", 8);
	put(end + 20, 2, 1);
	put(end + 21, strlen(text), 1);
	memcpy(table + end + 22, text, strlen(text));
	end += 22 + (uint32_t)strlen(text);
}

static uint32_t memory(uint8_t type, uint8_t flags, uint16_t first, uint16_t last, uint64_t base,
		       uint64_t size)
{
	uint32_t at = end;

	put(at, type, 1);
	put(at + 1, flags, 1);
	put(at + 2, 32, 2);
	put(at + 4, first, 2);
	put(at + 6, last, 2);
	put(at + 16, base, 8);
	put(at + 24, size, 8);
	end += 32;
	return at;
}

/* A copy of exactly these bytes, at an odd address, so that reading one byte more is seen. */
static bool parse_bytes(uint32_t bytes)
{
	uint8_t *copy = malloc(bytes + 1);
	bool found;

	put(4, bytes, 4);
	memcpy(copy + 1, table, bytes);
	memset(&info, 0, sizeof(info));
	found = ivrs_parse(&info, copy + 1, bytes);
	free(copy);
	assert_int_equal(found, info.units > 0 && !info.crowded);
	return found;
}

static bool parse(void)
{
	return parse_bytes(end);
}

static bool covers(unsigned function)
{
	return info.covered[function / 64] >> function % 64 & 1;
}

/* As QEMU makes it: an entry for every function, and the I/O APIC. */
static void emulator(void)
{
	uint32_t at;

	begin();
	at = open_unit(0x10, 0x18, 0xfed80000);
	for (uint16_t f = 0; f < 5; f++)
		select_function((uint16_t)(f << 3));
	select_function(0xfa);
	special(1, 0, 0xa0);
	close_block(at);
}

static void test_emulator(void **state)
{
	(void)state;
	emulator();
	assert_true(parse());
	assert_int_equal(info.units, 1);
	assert_int_equal(info.unit[0], 0xfed80000);
	assert_int_equal(info.ioapics, 1);
	assert_int_equal(info.ioapic[0].id, 0);
	assert_int_equal(info.ioapic[0].requester, 0xa0);
	assert_int_equal(info.ioapic[0].settings, 0xd7);
	assert_int_equal(info.ranges, 0);
	assert_int_equal(logged, 0);
	for (unsigned f = 0; f < IOMMU_REQUESTERS; f++)
		assert_int_equal(covers(f), f == 0xfa || (f < 0x28 && f % 8 == 0));
}

/* Every type of entry that names functions. */
static void test_covered(void **state)
{
	static const uint8_t one[] = {0x02, 0x42, 0x46}, first[] = {0x03, 0x43, 0x47};
	uint32_t at;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(one); i++) {
		begin();
		at = open_unit(0x10, 0x18, 0xfed80000);
		put(end, one[i], 1);
		put(end + 1, 0x310, 2);
		end += i ? 8 : 4;
		put(end, first[i], 1);
		put(end + 1, 0x7f0, 2);
		end += i ? 8 : 4;
		put(end, 4, 1);
		put(end + 1, 0x8ff, 2);
		end += 4;
		close_block(at);
		assert_true(parse());
		for (unsigned f = 0; f < IOMMU_REQUESTERS; f++)
			assert_int_equal(covers(f), f == 0x310 || (f >= 0x7f0 && f <= 0x8ff));
	}
	begin();
	at = open_unit(0x10, 0x18, 0xfed80000);
	put(end, 1, 1);
	end += 4;
	close_block(at);
	assert_true(parse());
	assert_true(covers(0) && covers(0xffff));
}

static void entries_of_ryzen(bool new)
{
	select_range(0x0003, 0xfffe);
	alias(0xff00, 0x00a5);
	put(end, 0, 4); /* padding */
	end += 4;
	if (new)
		acpi_device("\\_SB.FUR0 H\x48\x48\x48\x48\x48\x48\x01"); /* not special */
	special(1, 33, 0x00a0);
	special(2, 0, 0x00a0);
	special(1, 34, 0x0001);
}

static void ryzen(void)
{
	static const uint8_t types[] = {0x10, 0x11, 0x40};

	begin();
	for (unsigned i = 0; i < 3; i++) {
		uint32_t at = open_unit(types[i], 2, 0xfeb80000);

		if (i)
			memset(table + at + 24, 0x48, 16); /* features, no entries */
		entries_of_ryzen(types[i] == 0x40);
		close_block(at);
	}
	memory(0x21, 7, 0x0210, 0, 0x9d000000, 0x20000);
	memory(0x22, 8, 0x0300, 0x0302, 0xab000000, 0x1000);
	memory(0x21, 3, 0x0210, 0xffff, 0x9d100000, 0x1000);
	memory(0x21, 5, 0x0210, 0, 0x9d200000, 0x1000);
}

static void check_range(unsigned i, uint16_t function, uint64_t base, uint64_t size, uint32_t flags)
{
	assert_int_equal(info.range[i].requester, function);
	assert_int_equal(info.range[i].base, base);
	assert_int_equal(info.range[i].size, size);
	assert_int_equal(info.range[i].flags, flags);
}

static void test_ryzen(void **state)
{
	(void)state;
	ryzen();
	assert_true(parse());
	assert_int_equal(info.units, 1);
	assert_int_equal(info.unit[0], 0xfeb80000);
	assert_int_equal(info.ioapics, 2);
	assert_int_equal(info.ioapic[0].id, 33);
	assert_int_equal(info.ioapic[0].requester, 0x00a0);
	assert_int_equal(info.ioapic[1].id, 34);
	assert_int_equal(info.ioapic[1].requester, 0x0001);
	assert_int_equal(info.ranges, 6);
	check_range(0, 0x0210, 0x9d000000, 0x20000, PTAB_R | PTAB_W);
	check_range(1, 0x0210, 0x9d100000, 0x1000, PTAB_R);
	check_range(2, 0x0210, 0x9d200000, 0x1000, PTAB_W);
	for (unsigned i = 0; i < 3; i++) /* not unity, but an exclusion range */
		check_range(3 + i, (uint16_t)(0x0300 + i), 0xab000000, 0x1000, PTAB_R | PTAB_W);
	assert_int_equal(logged, 0);
}

/* Machines of several units; the second one is described once, by a block of the old type. */
static void test_units(void **state)
{
	static const uint64_t bases[] = {0xd8100000, 0xfd0000000000, 0xb0100000};
	uint32_t at;

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++) {
		at = open_unit(0x10, (uint16_t)(i << 13), bases[i]);
		special(1, (uint8_t)i, (uint16_t)(i << 13 | 1));
		close_block(at);
	}
	at = open_unit(0x11, 0, bases[0]);
	special(1, 0x70, 0xa0);
	close_block(at);
	at = open_unit(0x40, 2 << 13, bases[2]);
	close_block(at);
	assert_true(parse());
	assert_int_equal(info.units, 3);
	assert_int_equal(info.unit[0], bases[2]);
	assert_int_equal(info.unit[1], bases[0]);
	assert_int_equal(info.unit[2], bases[1]);
	assert_int_equal(info.ioapics, 2);
	assert_int_equal(info.ioapic[0].id, 0x70);
	assert_int_equal(info.ioapic[1].id, 1);
	assert_int_equal(logged, 0);
}

static void test_ignored_units(void **state)
{
	static const uint64_t bases[] = {0, 0xfed80001, 0xfed81000};
	uint32_t at;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bases); i++) {
		begin();
		close_block(open_unit(0x10, 2, bases[i]));
		assert_false(parse());
		assert_int_equal(logged, 1);
	}
	emulator();
	at = open_unit(0x10, 2, 0xfd000000);
	put(at + 16, 1, 2); /* another PCI segment */
	special(1, 9, 9);
	close_block(at);
	assert_true(parse());
	assert_int_equal(info.units, 1);
	assert_int_equal(info.ioapics, 1);
	assert_int_equal(logged, 1);
	begin();
	put(end, 0x10, 1); /* too short */
	put(end + 2, 23, 2);
	end += 23;
	close_block(open_unit(0x10, 2, 0xfed80000));
	assert_true(parse());
	assert_int_equal(info.units, 1);
	assert_int_equal(logged, 1);
}

static void test_full(void **state)
{
	uint32_t at;

	(void)state;
	begin();
	for (unsigned i = 0; i < IOMMU_UNITS; i++) {
		at = open_unit(0x11, (uint16_t)i, 0xd0000000 + i * 0x4000);
		for (unsigned k = 0; k < 3; k++)
			special(1, (uint8_t)(3 * i + k), (uint16_t)i);
		close_block(at);
	}
	memory(0x22, 7, 0, IOMMU_RANGES, 0x10000000, 0x1000); /* one too many */
	memory(0x22, 7, 1, IOMMU_RANGES - 1, 0x10000000, 0x1000);
	memory(0x22, 7, 0x300, 0x301, 0x10000000, 0x1000);
	memory(0x22, 7, 0x400, 0x400, 0x10000000, 0x1000);
	memory(0x22, 7, 0x500, 0x500, 0x10000000, 0x1000);
	assert_true(parse());
	assert_int_equal(info.units, IOMMU_UNITS);
	assert_int_equal(info.ioapics, IOMMU_IOAPICS);
	assert_int_equal(info.ioapic[IOMMU_IOAPICS - 1].id, IOMMU_IOAPICS - 1);
	assert_int_equal(info.ranges, IOMMU_RANGES);
	check_range(IOMMU_RANGES - 1, 0x400, 0x10000000, 0x1000, PTAB_R | PTAB_W);
	assert_int_equal(logged, 3);
	close_block(open_unit(0x11, 0, 0xd0000000)); /* known */
	assert_true(parse());
	close_block(open_unit(0x11, 0, 0xe0000000)); /* what is behind it would be open */
	assert_false(parse());
	assert_true(info.crowded);
	assert_int_equal(info.units, IOMMU_UNITS);
}

/* Memory that is none; the unit stays, and so does the memory that follows. */
static void test_broken_memory(void **state)
{
	static const struct {
		uint8_t type, flags;
		uint16_t first, last;
		uint64_t base, size;
	} broken[] = {
		{0x20, 7, 0, 0, 0x9d000000, 0x1000}, /* for all functions */
		{0x21, 7, 5, 0, 0, 1},               /* seen in a Ryzen's table */
		{0x21, 7, 5, 0, 0x9d000000, 0},
		{0x21, 7, 5, 0, 0x9d000800, 0x1000},
		{0x21, 7, 5, 0, 0x9d000000, 0xfff},
		{0x21, 7, 5, 0, 0x9d000000, 0x40001000},
		{0x21, 7, 5, 0, 0xfffffffffffff000, 0x2000},
		{0x21, 7, 5, 0, 0x9d000000, 0xfffffffffffff000},
		{0x21, 0, 5, 0, 0x9d000000, 0x1000}, /* no right */
		{0x21, 1, 5, 0, 0x9d000000, 0x1000},
		{0x21, 6, 5, 0, 0x9d000000, 0x1000}, /* not unity */
		{0x22, 7, 5, 4, 0x9d000000, 0x1000}, /* a range that ends before its begin */
		{0x22, 7, 0, 0xffff, 0x9d000000, 0x1000},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(broken); i++) {
		emulator();
		memory(broken[i].type, broken[i].flags, broken[i].first, broken[i].last,
		       broken[i].base, broken[i].size);
		memory(0x21, 7, 0x0a, 0, 0x9d000000, 0x40000000);
		assert_true(parse());
		assert_int_equal(info.units, 1);
		assert_int_equal(info.ranges, 1);
		check_range(0, 0x0a, 0x9d000000, 0x40000000, PTAB_R | PTAB_W);
		assert_int_equal(logged, 1);
	}
	emulator();
	put(memory(0x21, 7, 5, 0, 0x9d000000, 0x1000) + 8, 3, 2); /* another PCI segment */
	put(memory(0x21, 7, 5, 0, 0x9d000000, 0x1000) + 2, 31, 2);
	end--;
	assert_true(parse());
	assert_int_equal(info.ranges, 0);
	assert_int_equal(logged, 2);
}

static void test_broken_lengths(void **state)
{
	uint32_t at;

	(void)state;
	for (uint32_t bytes = 0; bytes < 48 + 24; bytes++) {
		emulator();
		assert_false(parse_bytes(bytes));
	}
	for (unsigned length = 0; length < 4; length++) { /* the walk ends */
		emulator();
		at = end;
		close_block(open_unit(0x10, 3, 0xfd000000));
		put(at + 2, length, 2);
		close_block(open_unit(0x10, 4, 0xfe000000));
		assert_true(parse());
		assert_int_equal(info.units, 1);
	}
	emulator();
	put(48 + 2, end - 48 + 1, 2); /* beyond the table */
	assert_false(parse());
	emulator();
	at = end; /* an unknown type is passed by */
	put(at, 0x77, 1);
	put(at + 2, 4, 2);
	end += 4;
	close_block(open_unit(0x10, 4, 0xfe000000));
	assert_true(parse());
	assert_int_equal(info.units, 2);
	assert_int_equal(logged, 0);
}

/* Entries that do not end in their block. */
static void test_broken_entries(void **state)
{
	uint32_t at;

	(void)state;
	for (unsigned cut = 1; cut < 8; cut++) {
		emulator();
		end -= cut;
		close_block(48);
		assert_true(parse());
		assert_int_equal(info.ioapics, 0);
	}
	for (unsigned cut = 1; cut < 30; cut++) {
		begin();
		at = open_unit(0x40, 2, 0xfed80000);
		special(1, 1, 1);
		acpi_device("12345678");
		end -= cut;
		close_block(at);
		assert_true(parse());
		assert_int_equal(info.ioapics, 1);
	}
	begin(); /* types of 16 and 32 bytes */
	at = open_unit(0x11, 2, 0xfed80000);
	put(end, 0x80, 1);
	put(end + 8, 0x48, 8);
	put(end + 16, 0xc0, 1);
	put(end + 24, 0x48, 8);
	end += 48;
	special(1, 1, 1);
	close_block(at);
	assert_true(parse());
	assert_int_equal(info.ioapics, 1);
	assert_int_equal(info.ioapic[0].id, 1);
	begin(); /* features without their end */
	at = open_unit(0x11, 2, 0xfed80000);
	end = at + 30;
	close_block(at);
	assert_true(parse());
	assert_int_equal(info.ioapics, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emulator),       cmocka_unit_test(test_ryzen),
		cmocka_unit_test(test_units),          cmocka_unit_test(test_ignored_units),
		cmocka_unit_test(test_full),           cmocka_unit_test(test_broken_memory),
		cmocka_unit_test(test_broken_lengths), cmocka_unit_test(test_broken_entries),
		cmocka_unit_test(test_covered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
