/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device edu tries to reach memory that is not for it. Each check has a control: after the
 * device was blocked it still reaches memory that is for it, so it was not blocked by another
 * cause. In each write that must be blocked the device writes the magic number. The test looks for
 * the number in all memory of the machine at the end, so a write that went astray is found, too.
 */
#include <string.h>

#include "tests/kernel/abi.h"
#include "tests/kernel/edu.h"
#include "tests/kernel/iommu.h"

#define LONELY       0x800000ull /* bus address in one of them */
#define MOVES        100u
#define OBJECT_EVERY 4u /* a function is cut off after 16 faults of one object */

static void map(uint32_t region, uint64_t gpa, uint64_t perms, uint64_t bytes)
{
	must(sampo_region_map(region, 0, gpa, 0, perms, bytes), "region_map");
}

static void check_closed(const struct place *p, uint64_t bus, const uint64_t *victim,
			 const char *name)
{
	uint64_t before[DMA_WORDS];
	bool kept = true, nothing, control;

	if (victim)
		memcpy(before, victim, DMA_BYTES);
	dma_load_magic(p);
	edu_load(bus, DMA_BYTES);
	nothing = dma_has_nothing(p);
	dma_load_magic(p);
	edu_store(bus, DMA_BYTES);
	if (victim)
		kept = dma_same(before, victim);
	control = dma_reaches(p);
	check(kept && nothing && control, name, "written %u, read %u, control %u", !kept, !nothing,
	      control);
}

/* Addresses as a domain has them, and as the machine has them: the kernel's image. The second load
 * is of half as many bytes, so it does not hide the first one. */
static void load_both(void)
{
	edu_load(own.bus, DMA_BYTES);
	edu_load(KERNEL_PHYSICAL, DMA_BYTES / 2);
}

/* The device is a master of its bus, and belongs to nobody. Its buffer is empty. */
static void before_anybody(void)
{
	edu_set_master(true);
	dma_fill(place_page(&own, 0));
	dma_fill(place_page(&own, 1));
	edu_store(own.bus + PAGE, DMA_BYTES);
	load_both();
	check(place_page(&own, 1)[0], "iommu: a device of nobody does not write", "it does");
	device_give(self, "before");
	check(dma_has_nothing(&own), "iommu: a device of nobody does not read", "it does");
	check(dma_reaches(&own), "iommu: a device reaches its domain's RAM", "it does not");
	device_take();
}

static void after_closing(void)
{
	device_give(self, "closed");
	check(dma_reaches(&own), "iommu: before its handle is closed", "it reaches nothing");
	dma_load_magic(&own);
	device_take();
	dma_fill(place_page(&own, 0));
	dma_fill(place_page(&own, 1));
	edu_store(own.bus + PAGE, DMA_BYTES);
	check(place_page(&own, 1)[0] != option("magic", 0) && place_page(&own, 1)[0],
	      "iommu: a device whose handle is closed does not write", "it does");
	load_both();
	device_give(self, "closed");
	check(dma_has_nothing(&own), "iommu: a device whose handle is closed does not read",
	      "it does");
	device_take();
}

/* dom0's RAM is at 0 for its devices: what is there physically, they do not see. */
static void own_ram(void)
{
	uint64_t end = sampo_boot_info->ram_bytes;
	struct place last = {.bus = end - 2 * PAGE, .here = (void *)(uintptr_t)(end - 2 * PAGE)};
	/* Below the image, and above what the kernel tells. */
	struct place low = {.bus = KERNEL_PHYSICAL, .here = (void *)(uintptr_t)KERNEL_PHYSICAL};

	device_give(self, "own");
	check(dma_reaches(&last), "iommu: the last pages of RAM", "it reaches them not");
	check(dma_reaches(&low), "iommu: the kernel's address is the domain's", "it is not");
	check_closed(&own, end, NULL, "iommu: the event page");
	check_closed(&own, end + PAGE, NULL, "iommu: the log");
	device_take();
	device_give(self, "own");
	check_closed(&own, edu_bar, NULL, "iommu: a device's registers");
	check_closed(&own, option("unit", 0), NULL, "iommu: the unit's own registers");
	check_closed(&own, 1ull << 38, NULL, "iommu: far above");
	/* QEMU's AMD-Vi drops bits that are beyond its tables. */
	check_closed(&own, option_word("vt-d") ? 1ull << 52 : 1ull << 47, NULL,
		     "iommu: beyond all tables");
	device_take();
}

/*
 * Physical addresses, one of each 2 MiB: the place of a mark within 2 MiB, so the sweep meets the
 * mark wherever dom0's RAM is.
 */
static void sweep(const struct place *p, uint64_t from, const char *name)
{
	static uint64_t mark[PAGE / 8] __attribute__((aligned(4096)));
	uint64_t offset = sampo_gpa(mark) % BLOCK, end = option("ram", 0) << 20;
	unsigned n = 0, read = 0, lost = 0;

	dma_fill(mark);
	for (uint64_t at = from + offset; at < end; at += BLOCK) {
		if (n++ % OBJECT_EVERY == 0) {
			device_give(p->domain, "sweep");
			dma_load_magic(p);
		}
		edu_load(at, DMA_BYTES);
		read += !dma_has_nothing(p);
		dma_load_magic(p);
		edu_store(at, DMA_BYTES);
		if (n % OBJECT_EVERY && at + BLOCK < end)
			continue;
		lost += !dma_reaches(p);
		device_take();
	}
	check(n && !read && !lost, name, "%u addresses, %u read, control failed %u times", n, read,
	      lost);
}

static void physical(void)
{
	struct place p = place_new(0, SHARED);

	device_give(p.domain, "kernel");
	check_closed(&p, KERNEL_PHYSICAL, NULL, "iommu: the kernel's image");
	check_closed(&p, 0, NULL, "iommu: the first page");
	device_take();
	sweep(&p, 0, "iommu: physical addresses, for a domain's device");
	sweep(&own, sampo_boot_info->ram_bytes, "iommu: physical addresses, for dom0's device");
	place_end(&p, 0);
}

/* Memory that is mapped, and nobody has asked for its bus addresses. */
static void never_asked(void)
{
	struct place p = place_new(0, SHARED);
	uint32_t region;

	must(sampo_region_create(self, 2 * PAGE, 0, &region), "region_create");
	map(region, slot_address(1), READ_WRITE, 2 * PAGE);
	dma_fill(slot_page(1, 0));
	dma_fill(slot_page(1, 1));
	dma_fill(place_page(&p, 2));
	device_give(self, "asked");
	check_closed(&own, slot_address(1), slot_page(1, 0), "iommu: memory never asked for");
	bus_ask(self, slot_address(1));
	check_closed(&own, slot_address(1) + PAGE, slot_page(1, 1), "iommu: the page behind");
	check_closed(&own, slot_address(0), place_page(&p, 0),
		     "iommu: a domain's memory, where we see it");
	device_take();
	device_give(p.domain, "asked");
	check_closed(&p, SHARED + 2 * PAGE, place_page(&p, 2),
		     "iommu: a domain's, never asked for");
	check_closed(&p, slot_address(1), slot_page(1, 0), "iommu: ours, for a domain's device");
	check_closed(&p, own.bus, place_page(&own, 0), "iommu: our RAM, for a domain's device");
	device_take();
	slot_unmap(1);
	must(sampo_handle_close(region), "handle_close");
	place_end(&p, 0);
}

/* Another mapping keeps the region. */
static void unmapped(uint64_t flags, uint64_t bytes, const char *name)
{
	struct place p = {.bus = slot_address(1), .here = slot_page(2, 0)};
	uint32_t region, other;

	must(sampo_region_create(self, bytes, flags, &region), "region_create");
	must(sampo_region_create(self, bytes, flags, &other), "region_create");
	map(region, slot_address(1), READ_WRITE, bytes);
	map(region, slot_address(2), READ_WRITE, bytes);
	map(other, slot_address(3), READ_WRITE, bytes);
	bus_ask(self, slot_address(1));
	bus_ask(self, slot_address(1) + PAGE);
	device_give(self, "unmapped");
	check(dma_reaches(&p), name, "mapped, and not reached");
	slot_unmap(1);
	check_closed(&own, p.bus, place_page(&p, 0), name);
	check(dma_reaches(&own), name, "control");
	map(other, slot_address(1), READ_WRITE, bytes);
	dma_fill(slot_page(3, 0));
	check_closed(&own, p.bus, slot_page(3, 0), name);
	check_closed(&own, p.bus, place_page(&p, 0), name);
	bus_ask(self, slot_address(1));
	bus_ask(self, slot_address(1) + PAGE);
	p.here = slot_page(3, 0);
	check(dma_reaches(&p), name, "mapped again, and not reached");
	device_take();
	for (unsigned slot = 1; slot <= 3; slot++)
		slot_unmap(slot);
	must(sampo_handle_close(region) | sampo_handle_close(other), "handle_close");
}

/* The device has loaded from it before, so the unit has a translation. */
static void read_only(void)
{
	uint64_t *here = slot_page(2, 0), before[DMA_WORDS];
	uint32_t region;

	must(sampo_region_create(self, PAGE, 0, &region), "region_create");
	map(region, slot_address(1), SAMPO_MAP_R, PAGE);
	map(region, slot_address(2), READ_WRITE, PAGE);
	bus_ask(self, slot_address(1));
	dma_fill(here);
	memcpy(before, here, DMA_BYTES);
	device_give(self, "readonly");
	for (unsigned i = 0; i < 2; i++) {
		dma_load_magic(&own);
		edu_store(slot_address(1), DMA_BYTES);
		check(dma_same(here, before), "iommu: a read-only mapping is not written", "it is");
		edu_load(slot_address(1), DMA_BYTES);
		edu_store(own.bus + PAGE, DMA_BYTES);
		check(dma_same(place_page(&own, 1), before), "iommu: a read-only mapping is read",
		      "not");
	}
	device_take();
	slot_unmap(1);
	slot_unmap(2);
	must(sampo_handle_close(region), "handle_close");
}

/* The device's object keeps the domain's, and its memory stays where this domain sees it. */
static void destroyed(void)
{
	struct place p = place_new(0, SHARED);
	uint64_t before[DMA_WORDS];

	device_give(p.domain, "dead");
	check(dma_reaches(&p), "iommu: before its domain is destroyed", "it reaches nothing");
	dma_load_magic(&p);
	dma_fill(place_page(&p, 0));
	memcpy(before, place_page(&p, 0), DMA_BYTES);
	must(sampo_domain_ctl(p.domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	edu_store(SHARED, DMA_BYTES);
	check(dma_same(place_page(&p, 0), before),
	      "iommu: a destroyed domain's memory is not written", "it is");
	edu_load(SHARED, DMA_BYTES);
	device_take();
	device_give(self, "dead");
	check(dma_has_nothing(&own), "iommu: a destroyed domain's memory is not read", "it is");
	device_take();
	must(sampo_handle_close(p.region) | sampo_handle_close(p.domain), "handle_close");
	slot_unmap(0);
}

/* Stores what it loads, both of its own domain. Is the other's memory as before? */
static bool right_one(const struct place *mine, const struct place *others)
{
	uint64_t before[DMA_WORDS];

	dma_fill(place_page(others, 0));
	dma_fill(place_page(others, 1));
	memcpy(before, place_page(others, 1), DMA_BYTES);
	return dma_reaches(mine) && dma_same(before, place_page(others, 1)) &&
	       !dma_same(place_page(mine, 1), place_page(others, 0));
}

static void moves(void)
{
	struct place p[2] = {place_new(0, SHARED), place_new(1, SHARED)};
	unsigned wrong = 0;

	must(sampo_region_map(p[1].region, p[1].domain, LONELY, 4 * PAGE, READ_WRITE, PAGE),
	     "region_map");
	bus_ask(p[1].domain, LONELY);
	device_give(p[1].domain, "moves");
	edu_load(LONELY, DMA_BYTES); /* the unit has a translation */
	device_take();
	dma_fill(place_page(&p[1], 4));
	device_give(p[0].domain, "moves");
	check_closed(&p[0], LONELY, place_page(&p[1], 4), "iommu: where it was before");
	device_take();
	for (unsigned i = 0; i < MOVES; i++) {
		device_give(p[i % 2].domain, "moves");
		wrong += !right_one(&p[i % 2], &p[1 - i % 2]);
		device_take();
	}
	check(!wrong, "iommu: moves between two domains", "%u times another's memory", wrong);
	place_end(&p[0], 0);
	place_end(&p[1], 1);
}

void test_iommu_dma(void)
{
	before_anybody();
	after_closing();
	own_ram();
	physical();
	never_asked();
	unmapped(SAMPO_REGION_4K, 4 * PAGE, "iommu: unmapped pages");
	unmapped(SAMPO_REGION_2M, BLOCK, "iommu: an unmapped block");
	read_only();
	destroyed();
	moves();
}
