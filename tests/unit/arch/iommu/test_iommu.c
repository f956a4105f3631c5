/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/iommu/iommu.c arch/iommu/dmar.c arch/iommu/ivrs.c arch/ptab.c kernel/base/lock.c tests/host/cpu.c tests/unit/panic_stub.c tests/unit/iommu_stub.c */
/* The start with firmware's tables, by both vendors: which IOMMU is used, which functions its units
 * have, and which registers the kernel keeps. The vendors' code only notes that it is started. The
 * kernel starts once, so each test finds what the tests before it have told. */
#include "arch/acpi.h"
#include "arch/iommu/iommu.h"
#include "kernel/base/options.h"
#include "tests/unit/unit.h"

#define DMAR_HEADER 48
#define IVRS_HEADER 48
#define DRHD_BYTES  16
#define IVHD_BYTES  24

static uint8_t table[0x1000];
static uint32_t end;
static unsigned vtd_started, amdvi_started, units;

const char *option_value(enum option option)
{
	(void)option;
	return NULL;
}

static const char *vtd_start(const struct iommu_info *info)
{
	vtd_started++;
	units = info->units;
	return NULL;
}

static const char *amdvi_start(const struct iommu_info *info)
{
	amdvi_started++;
	units = info->units;
	return NULL;
}

const struct iommu_ops vtd_ops = {.name = "VT-d", .start = vtd_start};
const struct iommu_ops amdvi_ops = {.name = "AMD-Vi", .start = amdvi_start};

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	memcpy(table + at, &value, bytes);
}

static void begin(void)
{
	memset(table, 0, sizeof(table));
	memset(&acpi, 0, sizeof(acpi));
	memset(&iommu, 0, sizeof(iommu));
	vtd_started = amdvi_started = units = 0;
}

/* --- DMAR --- */

static uint32_t add_drhd(uint64_t base)
{
	uint32_t at = end;

	put(at + 2, DRHD_BYTES, 2);
	put(at + 8, base, 8);
	end += DRHD_BYTES;
	return at;
}

/* An endpoint on the bus where the path begins. */
static void add_endpoint(uint32_t drhd, unsigned bus, unsigned device)
{
	put(end, 1, 1);
	put(end + 1, 8, 1);
	put(end + 5, bus, 1);
	put(end + 6, device, 1);
	end += 8;
	put(drhd + 2, end - drhd, 2);
}

static void begin_dmar(void)
{
	begin();
	end = DMAR_HEADER;
	acpi.dmar.data = table;
}

static void start_dmar(void)
{
	acpi.dmar.bytes = end;
	iommu_setup();
}

/* --- IVRS --- */

static uint32_t add_ivhd(uint64_t base)
{
	uint32_t at = end;

	put(at, 0x10, 1);
	put(at + 2, IVHD_BYTES, 2);
	put(at + 8, base, 8);
	end += IVHD_BYTES;
	return at;
}

static void add_function(uint32_t ivhd, unsigned type, unsigned function)
{
	put(end, type, 1);
	put(end + 1, function, 2);
	end += 4;
	put(ivhd + 2, end - ivhd, 2);
}

static void begin_ivrs(void)
{
	begin();
	end = IVRS_HEADER;
	acpi.ivrs.data = table;
}

static void start_ivrs(void)
{
	acpi.ivrs.bytes = end;
	iommu_setup();
}

/* A function of a second root bus that a unit has says nothing of the others on that bus. */
static void test_root_bus(void **state)
{
	(void)state;
	begin_dmar();
	add_endpoint(add_drhd(0xfed90000), 0x80, 4);
	start_dmar();
	assert_int_equal(vtd_started, 1);
	for (unsigned f = 0x8000; f < 0x8100; f++)
		assert_int_equal(iommu_covers((uint16_t)f), f == 0x8020);
}

/* VT-d's records of faults may begin as far as 3ffh * 16 behind the unit's first register. */
static void test_registers(void **state)
{
	(void)state;
	assert_true(iommu_has_registers(0xfed90000, 0x1000));
	assert_true(iommu_has_registers(0xfed90000 + 0x3ff0 + 255 * 16, 16));
	assert_false(iommu_has_registers(0xfed95000, 0x1000));
	assert_false(iommu_has_registers(0xfed8f000, 0x1000));
}

static void test_root_bus_amd(void **state)
{
	uint32_t ivhd;

	(void)state;
	begin_ivrs();
	ivhd = add_ivhd(0xfed80000);
	add_function(ivhd, 2, 0x4020);
	add_function(ivhd, 3, 0x9000);
	add_function(ivhd, 4, 0x9007);
	start_ivrs();
	assert_int_equal(amdvi_started, 1);
	for (unsigned f = 0x4000; f < 0x4100; f++)
		assert_int_equal(iommu_covers((uint16_t)f), f == 0x4020);
	for (unsigned f = 0x9000; f < 0x9100; f++)
		assert_int_equal(iommu_covers((uint16_t)f), f <= 0x9007);
}

/* More units than there is room for: none is used, and the units are not taken for the other
 * vendor's. */
static void test_crowded(void **state)
{
	(void)state;
	begin_dmar();
	for (unsigned i = 0; i <= IOMMU_UNITS; i++)
		add_drhd(0xfe000000 + 0x1000 * i);
	start_dmar();
	assert_int_equal(vtd_started, 0);
	assert_int_equal(amdvi_started, 0);
	assert_null(iommu.ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_bus),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_root_bus_amd),
		cmocka_unit_test(test_crowded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
