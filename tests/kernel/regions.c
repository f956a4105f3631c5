/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in a region, and where. */
#include <string.h>

#include "tests/kernel/abi.h"

#define PAGES 16u

static uint8_t *here(unsigned slot)
{
	return (uint8_t *)(uintptr_t)slot_address(slot);
}

static int64_t map_at(uint32_t region, unsigned slot, uint64_t offset, uint64_t bytes)
{
	return sampo_region_map(region, 0, slot_address(slot), offset, SAMPO_MAP_R | SAMPO_MAP_W,
				bytes);
}

static bool all_zero(const uint8_t *at, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i += 8)
		if (*(const volatile uint64_t *)(at + i))
			return false;
	return true;
}

/* Memory comes back zeroed after somebody has had it. */
static void zeroed(uint64_t flags, uint64_t bytes, const char *name)
{
	bool zero = true;
	uint32_t region;

	for (unsigned round = 0; round < 3; round++) {
		must(sampo_region_create(self, bytes, flags, &region), "region_create");
		must(map_at(region, 0, 0, bytes), "region_map");
		zero &= all_zero(here(0), bytes);
		memset(here(0), 0xa5, bytes);
		must(sampo_region_unmap(self, slot_address(0), bytes), "region_unmap");
		must(sampo_handle_close(region), "handle_close");
	}
	check(zero, name, "somebody's bytes are in it");
}

static void twice(void)
{
	uint32_t region;

	must(sampo_region_create(self, PAGES * PAGE, 0, &region), "region_create");
	must(map_at(region, 0, 0, PAGES * PAGE), "region_map");
	must(map_at(region, 1, 3 * PAGE, 2 * PAGE), "region_map");
	strcpy((char *)here(0) + 4 * PAGE, "written here");
	check(!strcmp((char *)here(1) + PAGE, "written here"), "regions: two mappings, one memory",
	      "not the same");
	must(sampo_region_unmap(self, slot_address(0), PAGES * PAGE), "region_unmap");
	strcpy((char *)here(1), "and there");
	must(sampo_handle_close(region), "handle_close");
	check(!strcmp((char *)here(1) + PAGE, "written here"),
	      "regions: a mapping keeps its memory", "it does not");
	must(sampo_region_unmap(self, slot_address(1), PAGE), "region_unmap");
}

/* With an IOMMU a bus address is the guest-physical one, without one it is not. */
static void bus(uint64_t flags, uint64_t bytes, uint64_t block, const char *name)
{
	bool own = sampo_boot_info->flags & SAMPO_BOOT_IOMMU, good = true;
	uint64_t address[PAGES], gpa = slot_address(0), beyond = 0;
	uint32_t region;

	must(sampo_region_create(self, bytes, flags, &region), "region_create");
	must(map_at(region, 0, 0, bytes), "region_map");
	for (uint64_t i = 0; i < bytes / block; i++) {
		must(sampo_object_info(self, SAMPO_INFO_BUS, &address[i], 8, gpa + i * block + 24,
				       NULL),
		     "BUS");
		good &= address[i] % block == 24 && (address[i] == gpa + i * block + 24) == own;
		for (uint64_t j = 0; j < i; j++)
			good &= address[i] != address[j];
	}
	check(good, name, "%llx %llx", (unsigned long long)address[0],
	      (unsigned long long)address[1]);
	expect(sampo_object_info(self, SAMPO_INFO_BUS, &beyond, 8, gpa + bytes, NULL), SAMPO_EINVAL,
	       "regions: BUS of nothing");
	expect(sampo_object_info(region, SAMPO_INFO_BUS, &beyond, 8, 0, NULL), SAMPO_EHANDLE,
	       "regions: BUS of a region");
	must(sampo_region_unmap(self, gpa, bytes), "region_unmap");
	must(sampo_handle_close(region), "handle_close");
}

/* Pieces of a block, at any page. Devices reach a block where it lies as in its region. */
static void pieces(void)
{
	uint64_t at = slot_address(0), bus;
	uint32_t region;

	must(sampo_region_create(self, 2 * BLOCK, SAMPO_REGION_2M, &region), "region_create");
	must(map_at(region, 1, 0, 2 * BLOCK), "region_map");
	strcpy((char *)here(1) + 5 * PAGE, "page 5");
	strcpy((char *)here(1) + BLOCK, "block 1");
	expect(map_at(region, 0, 5 * PAGE, PAGE), SAMPO_OK, "regions: a page of a block");
	check(!strcmp((char *)here(0), "page 5"), "regions: that page", "it is another one");
	expect(sampo_object_info(self, SAMPO_INFO_BUS, &bus, 8, at, NULL), SAMPO_OK,
	       "regions: BUS of a page of a block");
	must(sampo_region_unmap(self, at, PAGE), "region_unmap");
	must(map_at(region, 0, 0, 3 * PAGE), "region_map");
	must(sampo_region_map(region, 0, at + 6 * PAGE, 6 * PAGE, SAMPO_MAP_R | SAMPO_MAP_W,
			      2 * BLOCK - 6 * PAGE),
	     "region_map");
	check(!strcmp((char *)here(0) + BLOCK, "block 1"), "regions: a hole in a block",
	      "what is behind it is something else");
	expect(sampo_region_map(region, 0, at + 3 * PAGE, 5 * PAGE, SAMPO_MAP_R, 3 * PAGE),
	       SAMPO_OK, "regions: something else in the hole");
	check(!strcmp((char *)here(0) + 3 * PAGE, "page 5"), "regions: that page in the hole",
	      "it is another one");
	expect(sampo_object_info(self, SAMPO_INFO_BUS, &bus, 8, at, NULL), SAMPO_OK,
	       "regions: BUS of a piece of a block");
	must(sampo_region_unmap(self, at, 2 * BLOCK), "region_unmap");
	must(sampo_region_unmap(self, slot_address(1), 2 * BLOCK), "region_unmap");
	must(sampo_handle_close(region), "handle_close");
}

static void alignment(void)
{
	uint32_t region;

	must(sampo_region_create(self, BLOCK, SAMPO_REGION_2M, &region), "region_create");
	expect(sampo_region_map(region, 0, slot_address(0) + 8, 0, 1, PAGE), SAMPO_EINVAL,
	       "regions: not at a page's boundary");
	expect(sampo_region_map(region, 0, slot_address(0), PAGE, 1, BLOCK), SAMPO_EINVAL,
	       "regions: a block from its middle on");
	expect(sampo_region_map(region, 0, 0, 0, 1, BLOCK), SAMPO_EEXIST,
	       "regions: over our own memory");
	must(sampo_handle_close(region), "handle_close");
}

/* Calls copy through mappings, and not to where they may not write. */
static void buffers(void)
{
	uint64_t at = slot_address(0), end = at + PAGE;
	uint32_t region;

	must(sampo_region_create(self, 2 * PAGE, 0, &region), "region_create");
	must(sampo_region_map(region, 0, at, 0, SAMPO_MAP_R, PAGE), "region_map");
	expect(sampo_call(SAMPO_CALL_object_info, self, SAMPO_INFO_TYPE, at, 8, 0, NULL),
	       SAMPO_EFAULT, "buffers: read-only");
	expect(sampo_call(SAMPO_CALL_log, machine, SAMPO_LOG_WRITE, end - 4, 8, 0, NULL),
	       SAMPO_EFAULT, "buffers: over the end");
	must(sampo_region_unmap(self, at, PAGE), "region_unmap");
	must(sampo_region_map(region, 0, at, PAGE, SAMPO_MAP_R | SAMPO_MAP_W, PAGE), "region_map");
	must(sampo_region_map(region, 0, end, 0, SAMPO_MAP_R | SAMPO_MAP_W, PAGE), "region_map");
	expect(sampo_call(SAMPO_CALL_object_info, self, SAMPO_INFO_TYPE, end - 4, 8, 0, NULL),
	       SAMPO_OK, "buffers: over two mappings");
	check(*(volatile uint32_t *)(uintptr_t)(end - 4) == SAMPO_T_DOMAIN, "buffers: in both",
	      "not there");
	must(sampo_region_unmap(self, at, 2 * PAGE), "region_unmap");
	must(sampo_handle_close(region), "handle_close");
}

void test_regions(void)
{
	zeroed(SAMPO_REGION_4K, PAGES * PAGE, "regions: pages are zeroed");
	zeroed(SAMPO_REGION_2M, BLOCK, "regions: blocks are zeroed");
	twice();
	bus(SAMPO_REGION_4K, PAGES * PAGE, PAGE, "regions: BUS of pages");
	bus(SAMPO_REGION_2M, 4 * BLOCK, BLOCK, "regions: BUS of blocks");
	pieces();
	alignment();
	buffers();
}
