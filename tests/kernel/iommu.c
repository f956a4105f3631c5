/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bad days with a device, behind an IOMMU, and the same device without one. Words on the command
 * line: magic=NUMBER, unit=ADDRESS (of an IOMMU's registers), ram=MIB of the machine, `records` for
 * a unit that records faults, and those of iommu_interrupts.c.
 */
#include <string.h>

#include "tests/kernel/abi.h"
#include "tests/kernel/edu.h"
#include "tests/kernel/iommu.h"

#define ROUNDS      100u
#define PAGES       8u
#define WARM        4u
#define MANY        1100u /* more than the kernel has ids for I/O tables */
#define UNIT_PAGES  5u
#define FAULTS_MOST 300u /* in half a minute */

static uint64_t own_pages[2][PAGE / 8] __attribute__((aligned(4096)));
struct place own;
static uint32_t device;
static uint64_t seed = 1;

uint64_t *place_page(const struct place *p, unsigned n)
{
	return p->here + n * (PAGE / 8);
}

uint64_t *slot_page(unsigned slot, unsigned n)
{
	return (uint64_t *)(uintptr_t)(slot_address(slot) + n * PAGE);
}

/* --- the device --- */

void device_give(uint32_t domain, const char *name)
{
	uint64_t letters = 0;

	memcpy(&letters, name, strnlen(name, sizeof(letters)));
	must(sampo_device_create(machine, edu_requester, domain, letters, &device), name);
	edu_set_master(true);
}

uint32_t device_handle(void)
{
	return device;
}

void device_take(void)
{
	must(sampo_handle_close(device), "handle_close of the device");
}

void dma_fill(uint64_t *at)
{
	for (unsigned i = 0; i < DMA_WORDS; i++)
		at[i] = random_next(&seed) | 1;
}

bool dma_same(const uint64_t *a, const uint64_t *b)
{
	return !memcmp(a, b, DMA_BYTES);
}

bool dma_reaches(const struct place *p)
{
	dma_fill(place_page(p, 0));
	memset(place_page(p, 1), 0, DMA_BYTES);
	edu_load(p->bus, DMA_BYTES);
	edu_store(p->bus + PAGE, DMA_BYTES);
	return dma_same(place_page(p, 0), place_page(p, 1));
}

void dma_load_magic(const struct place *p)
{
	uint64_t magic = option("magic", 0);

	for (unsigned i = 0; i < DMA_WORDS; i++)
		*(volatile uint64_t *)(place_page(p, 0) + i) = magic;
	edu_load(p->bus, DMA_BYTES);
	memset(place_page(p, 0), 0, DMA_BYTES);
}

bool dma_has_nothing(const struct place *p)
{
	uint64_t magic = option("magic", 0);
	bool nothing = true;

	memset(place_page(p, 1), 0xff, DMA_BYTES);
	edu_store(p->bus + PAGE, DMA_BYTES);
	for (unsigned i = 0; i < DMA_WORDS; i++)
		nothing &= !place_page(p, 1)[i] || place_page(p, 1)[i] == magic;
	memset(place_page(p, 1), 0, DMA_BYTES);
	return nothing;
}

/* --- places --- */

void bus_ask(uint32_t domain, uint64_t gpa)
{
	uint64_t bus = 0;

	must(sampo_object_info(domain, SAMPO_INFO_BUS, &bus, sizeof(bus), gpa, NULL), "BUS");
	if (bus != gpa)
		must(SAMPO_EFAULT, "a bus address that is not the guest-physical one");
}

static void map(uint32_t region, uint32_t domain, uint64_t gpa, uint64_t offset, uint64_t perms,
		uint64_t bytes)
{
	must(sampo_region_map(region, domain, gpa, offset, perms, bytes), "region_map");
}

struct place place_new(unsigned slot, uint64_t gpa)
{
	struct place p = {.bus = gpa, .here = slot_page(slot, 0)};

	must(sampo_domain_create(machine, 0, KERNEL_PAGES, 1024, &p.domain), "domain_create");
	must(sampo_region_create(p.domain, PAGES * PAGE, 0, &p.region), "region_create");
	map(p.region, p.domain, gpa, 0, READ_WRITE, PAGES * PAGE);
	map(p.region, 0, slot_address(slot), 0, READ_WRITE, PAGES * PAGE);
	bus_ask(p.domain, gpa);
	bus_ask(p.domain, gpa + PAGE);
	return p;
}

void slot_unmap(unsigned slot)
{
	must(sampo_region_unmap(self, slot_address(slot), BLOCK), "region_unmap");
}

void place_end(const struct place *p, unsigned slot)
{
	must(sampo_domain_ctl(p->domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	must(sampo_handle_close(p->region) | sampo_handle_close(p->domain), "handle_close");
	slot_unmap(slot);
}

/* --- the kernel's own --- */

static void unit_refused(void)
{
	uint64_t unit = option("unit", 0);
	uint32_t region;

	for (unsigned i = 0; i < UNIT_PAGES; i++)
		expect(sampo_region_of_machine(machine, SAMPO_REGION_PHYSICAL, unit + i * PAGE,
					       PAGE, &region),
		       SAMPO_ERIGHT, "iommu: the unit's registers are the kernel's");
	expect(sampo_region_of_machine(machine, SAMPO_REGION_PHYSICAL, unit - PAGE, 2 * PAGE,
				       &region),
	       SAMPO_ERIGHT, "iommu: up to the unit's registers");
	expect(sampo_region_of_machine(machine, SAMPO_REGION_PHYSICAL,
				       unit + UNIT_PAGES * PAGE - PAGE, 2 * PAGE, &region),
	       SAMPO_ERIGHT, "iommu: from the unit's registers on");
	expect(sampo_region_of_machine(machine, SAMPO_REGION_PHYSICAL, unit + UNIT_PAGES * PAGE,
				       PAGE, &region),
	       SAMPO_OK, "iommu: behind the unit's registers");
	must(sampo_handle_close(region), "handle_close");
}

/* The test counts the log's lines. A unit that records no faults cuts nobody off. */
static void cut_off(void)
{
	uint64_t nothing = sampo_boot_info->ram_bytes + 64 * BLOCK;
	unsigned n = 0;
	bool cut;

	device_give(self, "edu");
	dma_load_magic(&own);
	for (; n < FAULTS_MOST && edu_is_master(); n++)
		edu_store(nothing, DMA_BYTES);
	cut = n < FAULTS_MOST;
	check(cut || !option_word("records"), "iommu: a device is cut off", "it still is a master");
	check(dma_reaches(&own) != cut, "iommu: a device that is cut off reaches nothing", "%u",
	      cut);
	for (unsigned i = 0; i < FAULTS_MOST / 10; i++)
		edu_store(nothing, DMA_BYTES);
	device_take();
	device_give(self, "again");
	check(dma_reaches(&own), "iommu: the device is taken up again", "it reaches nothing");
	device_take();
}

/* --- nothing is lost --- */

static uint64_t kernel_bytes(void)
{
	static struct sampo_domain_info info;

	must(sampo_object_info(self, SAMPO_INFO_DOMAIN, &info, sizeof(info), 0, NULL),
	     "domain info");
	return info.kernel_bytes;
}

/* The device's object goes before its domain, or behind it. */
static void round_of(unsigned n)
{
	struct place p = place_new(0, SHARED);

	device_give(p.domain, "round");
	if (!dma_reaches(&p))
		check(false, "iommu: a round", "nothing is reached");
	if (n % 2)
		device_take();
	place_end(&p, 0);
	if (n % 2 == 0)
		device_take();
}

static void expect_same(struct machine_use before, uint64_t bytes, const char *name)
{
	struct machine_use now = machine_use();

	check(now.bytes == before.bytes && now.domains == before.domains &&
		      now.handles == before.handles && kernel_bytes() == bytes,
	      name, "free %llu -> %llu, domains %u -> %u, handles %u -> %u, kernel %llu -> %llu",
	      (unsigned long long)before.bytes, (unsigned long long)now.bytes, before.domains,
	      now.domains, before.handles, now.handles, (unsigned long long)bytes,
	      (unsigned long long)kernel_bytes());
}

static void rounds(void)
{
	struct machine_use before;
	uint64_t bytes;

	for (unsigned i = 0; i < WARM; i++)
		round_of(i);
	before = machine_use();
	bytes = kernel_bytes();
	for (unsigned i = 0; i < ROUNDS; i++)
		round_of(i);
	expect_same(before, bytes, "iommu: nothing is lost");
	for (unsigned i = 0; i < MANY; i++) {
		struct place p = place_new(0, SHARED);

		device_give(p.domain, "many");
		device_take();
		place_end(&p, 0);
	}
	expect_same(before, bytes, "iommu: nothing is lost of many");
}

/* --- without an IOMMU --- */

/* A device reaches everything: so the checks above would fail. */
static void without(void)
{
	uint64_t start = sampo_boot_info->dma_offset;
	uint32_t domain, region, other;

	must(sampo_domain_create(machine, 0, KERNEL_PAGES, 1024, &domain), "domain_create");
	expect(sampo_device_create(machine, edu_requester, domain, 0, &other), SAMPO_ENODEV,
	       "iommu: without one no device is given away");
	expect(sampo_device_create(machine, edu_requester, self, 0, &device), SAMPO_OK,
	       "iommu: without one a device is its owner's");
	edu_set_master(true);
	own.bus += start;
	check(start && dma_reaches(&own), "iommu: without one a bus address is physical",
	      "offset %llx", (unsigned long long)start);
	dma_load_magic(&own);
	edu_load(KERNEL_PHYSICAL, DMA_BYTES);
	check(!dma_has_nothing(&own), "iommu: without one the kernel can be read", "it cannot");
	expect(sampo_region_of_machine(machine, SAMPO_REGION_PHYSICAL, option("unit", 0), PAGE,
				       &region),
	       SAMPO_OK, "iommu: without one nothing is a unit's");
	must(sampo_handle_close(device) | sampo_handle_close(domain), "handle_close");
}

void test_iommu(void)
{
	own = (struct place){.domain = self, .bus = sampo_gpa(own_pages), .here = own_pages[0]};
	check(edu_find(20), "iommu: edu is there", "it is not");
	if (!(sampo_boot_info->flags & SAMPO_BOOT_IOMMU)) {
		without();
		return;
	}
	test_iommu_dma();
	unit_refused();
	cut_off();
	test_iommu_interrupts();
	rounds();
	edu_set_master(false);
}
