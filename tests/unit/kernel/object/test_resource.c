/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/object/resource.c kernel/object/device.c kernel/base/slab.c kernel/base/lock.c arch/iommu/iommu.c arch/ptab.c tests/host/cpu.c tests/unit/panic_stub.c tests/unit/iommu_stub.c */
/* flags: -Wno-missing-field-initializers */
/* What of the machine is given away, byte by byte; and devices by their IDs. */
#include "arch/acpi.h"
#include "boot/boot_info.h"
#include "kernel/abi.h"
#include "kernel/base/log.h"
#include "kernel/base/slab.h"
#include "kernel/console/console.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/resource.h"
#include "tests/unit/iommu_model.h"
#include "tests/unit/unit.h"

#define PAGE 4096ull

extern char image_start[], image_end[];
__asm__(".bss\n.balign 4096\n.globl image_start, image_end\nimage_start: .skip "
	"4096\nimage_end:\n.text");
struct acpi_info acpi;
struct uart console_uart = {.port = 0x3f8};
static struct boot_range map[16];
static unsigned map_entries;
static struct region made;

#define DEVICES 768u
static unsigned charged;
static void *pages[64];
static unsigned pages_used;
static unsigned lines; /* in the log */

void log_print(const char *format, ...)
{
	(void)format;
	lines++;
}

void *page_alloc(void)
{
	void *page = aligned_alloc(PAGE, PAGE);

	assert_in_range(pages_used, 0, 63);
	return pages[pages_used++] = memset(page, 0, PAGE);
}

void *domain_slab_alloc(struct domain *domain, struct slab *slab)
{
	(void)domain;
	return charged == DEVICES ? NULL : (charged++, slab_alloc(slab));
}

void domain_slab_free(struct domain *domain, struct slab *slab, void *object)
{
	(void)domain;
	charged--;
	slab_free(slab, object);
}

void object_queue(struct object *object)
{
	(void)object;
	abort();
}

void page_free(void *page)
{
	(void)page; /* free_pages does */
}

bool boot_next_range(const struct boot_info *info, struct boot_place *at, struct boot_range *range)
{
	(void)info;
	if (at->range == map_entries)
		return false;
	*range = map[at->range++];
	return true;
}

int64_t region_new_fixed(struct domain *owner, enum region_kind kind, uint64_t base, uint64_t size,
			 struct region **region)
{
	(void)owner;
	made = (struct region){.kind = kind, .base = base, .size = size};
	*region = &made;
	return size ? SAMPO_OK : SAMPO_EINVAL;
}

static int64_t get(uint64_t flags, uint64_t base, uint64_t size, uint32_t rights)
{
	struct region *region;

	return resource_region(NULL, flags, base, size, rights, &region);
}

static int64_t ports(uint64_t base, uint64_t size)
{
	return get(SAMPO_REGION_PORTS, base, size, SAMPO_R_ALL);
}

static int64_t memory(uint64_t base, uint64_t size)
{
	return get(SAMPO_REGION_PHYSICAL, base, size, SAMPO_R_ALL);
}

static int setup(void **state)
{
	static const struct boot_range range[] = {
		{0, 0x9fc00, BOOT_RAM},
		{0x9fc00, 0x400, BOOT_RESERVED},
		{0x100000, 0x1fe00000 + 0x123, BOOT_RAM},
		{0x1ff00123, 0x1000, BOOT_RESERVED},
		{0x20000fff, 2, BOOT_RAM}, /* no whole page */
		{0x100000000, 0x40000000, BOOT_RAM},
	};

	(void)state;
	memcpy(map, range, sizeof(range));
	map_entries = sizeof(range) / sizeof(range[0]);
	acpi = (struct acpi_info){
		.smi_command = 0xb8,
		.pm1a_control = 0x604,
		.reset = 0x700,
		.ioapics = 2,
		.ioapic = {{.address = 0xfec00000}, {.address = 0xfec10000}},
	};
	resource_setup(NULL);
	return 0;
}

static void test_memory(void **state)
{
	(void)state;
	assert_int_equal(memory(0xa0000, 0x60000), SAMPO_OK);
	assert_int_equal(made.kind, REGION_DEVICE);
	assert_int_equal(memory(0x9f000, PAGE), SAMPO_OK); /* the rest of the last page */
	assert_int_equal(memory(0x9e000, PAGE), SAMPO_ERIGHT);
	assert_int_equal(memory(0xff000, 2 * PAGE), SAMPO_ERIGHT);
	assert_int_equal(memory(0x1ff00000, 2 * PAGE), SAMPO_OK); /* a table at RAM's end */
	assert_int_equal(memory(0x1feff000, PAGE), SAMPO_ERIGHT);
	assert_int_equal(memory(0x20000000, 2 * PAGE), SAMPO_OK);
	assert_int_equal(memory(0xfe000000, 0xc00000), SAMPO_OK);
	assert_int_equal(memory(0xfe000000, 0xc01000), SAMPO_ERIGHT);
	assert_int_equal(memory(0xfec01000, 0xf000), SAMPO_OK);
	assert_int_equal(memory(0xfec10000, PAGE), SAMPO_ERIGHT);
	assert_int_equal(memory(0xfed00000, PAGE), SAMPO_OK);
	for (uint64_t at = 0xfee00000; at < 0xfef00000; at += PAGE)
		assert_int_equal(memory(at, PAGE), SAMPO_ERIGHT);
	assert_int_equal(memory(0xfef00000, 0x1100000), SAMPO_OK);
	assert_int_equal(memory(0xfef00000, 0x1101000), SAMPO_ERIGHT);
	assert_int_equal(memory(0x140000000, PAGE), SAMPO_OK);
	assert_int_equal(memory((uint64_t)image_start, PAGE), SAMPO_ERIGHT);
	assert_int_equal(memory(0, ~0ull), SAMPO_EINVAL);
	assert_int_equal(memory(~0ull << 12, PAGE), SAMPO_EINVAL);
	assert_int_equal(memory(0xfef00000, ~0ull << 12), SAMPO_EINVAL);
	assert_int_equal(memory(1ull << 52, PAGE), SAMPO_EINVAL);
}

static void test_ports(void **state)
{
	static const uint16_t kept[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40,  0x43, 0x60,
					0x61, 0x64, 0x92, 0xb2, 0xb3,  0xb8,  0x3f8, 0x3ff};

	(void)state;
	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		assert_int_equal(ports(kept[i], 1), SAMPO_ERIGHT);
	assert_int_equal(ports(0, 0x20), SAMPO_OK);
	assert_int_equal(made.kind, REGION_PORTS);
	assert_int_equal(ports(0x1f, 2), SAMPO_ERIGHT);
	assert_int_equal(ports(0x70, 2), SAMPO_OK);
	assert_int_equal(ports(0xcf8, 8), SAMPO_OK);
	assert_int_equal(ports(0x400, 0xd0), SAMPO_OK);
	assert_int_equal(ports(0xffff, 1), SAMPO_OK);
	assert_int_equal(ports(0xffff, 2), SAMPO_EINVAL);
	assert_int_equal(ports(0x10000, 1), SAMPO_EINVAL);
	assert_int_equal(ports(0, 0x10000), SAMPO_ERIGHT);
	assert_int_equal(ports(0, 0x10001), SAMPO_EINVAL);
	assert_int_equal(ports(0xffff, ~0ull), SAMPO_EINVAL);
}

static void test_power(void **state)
{
	const uint32_t weak = SAMPO_R_ALL & ~SAMPO_R_POWER;

	(void)state;
	assert_int_equal(ports(0x604, 2), SAMPO_OK);
	assert_int_equal(get(SAMPO_REGION_PORTS, 0x605, 1, weak), SAMPO_ERIGHT);
	assert_int_equal(get(SAMPO_REGION_PORTS, 0x606, 1, weak), SAMPO_OK);
	assert_int_equal(get(SAMPO_REGION_PORTS, 0x500, 0x200, weak), SAMPO_ERIGHT);
	assert_int_equal(ports(0x700, 1), SAMPO_OK);
	assert_int_equal(get(SAMPO_REGION_PORTS, 0x700, 1, weak), SAMPO_ERIGHT);
	assert_int_equal(ports(0x92, 1), SAMPO_ERIGHT);
}

static void test_flags(void **state)
{
	(void)state;
	for (uint64_t flags = 0; flags < 256; flags++)
		if (flags != SAMPO_REGION_PORTS && flags != SAMPO_REGION_PHYSICAL)
			assert_int_equal(get(flags, 0x80, 1, SAMPO_R_ALL), SAMPO_EINVAL);
	assert_int_equal(get(1ull << 32 | SAMPO_REGION_PORTS, 0x80, 1, SAMPO_R_ALL), SAMPO_EINVAL);
}

static void test_devices(void **state)
{
	static struct device *device[DEVICES + 1];
	struct domain owner = {.object.refs = 1};
	struct device *d;

	(void)state;
	assert_int_equal(device_new(&owner, 0x10000, &owner, 0, &d), SAMPO_EINVAL);
	assert_int_equal(device_new(&owner, ~0ull, &owner, 0, &d), SAMPO_EINVAL);
	for (unsigned i = 0; i < DEVICES; i++) /* three of them in a chain */
		assert_int_equal(device_new(&owner, i * 85, &owner, 0, &device[i]), SAMPO_OK);
	assert_int_equal(device_new(&owner, 1, &owner, 0, &device[DEVICES]), SAMPO_ENOMEM);
	assert_int_equal(owner.object.refs, 1 + 2 * DEVICES);
	for (unsigned i = 0; i < DEVICES; i++) {
		assert_int_equal(device[i]->object.refs, 1);
		assert_int_equal(device_new(&owner, i * 85, &owner, 0, &d), SAMPO_EEXIST);
		assert_false(device_take_apart(&device[i]->object));
		assert_int_equal(device_new(&owner, i * 85, &owner, 0, &device[i]), SAMPO_OK);
	}
	for (unsigned i = 0; i < DEVICES; i++)
		device_take_apart(&device[i]->object);
	assert_int_equal(owner.object.refs, 1);
	assert_int_equal(charged, 0);
}

/* With an IOMMU a function reaches the memory of one domain at a time, or nobody's. */
static void test_isolated(void **state)
{
	struct domain dom0 = {.object.refs = 1, .lock.rank = LOCK_DOMAIN}, guest = dom0;
	struct device *d;

	(void)state;
	assert_int_equal(device_new(&dom0, 0x18, &guest, 0, &d), SAMPO_ENODEV);
	model_there = true;
	iommu_setup();
	assert_ptr_equal(iommu.ops, &vtd_ops);
	assert_int_equal(device_new(&dom0, 0x18, &guest, 0, &d), SAMPO_OK);
	assert_int_equal(model_id[0x18], guest.io.id);
	assert_int_equal(device_new(&dom0, 0x18, &dom0, 0, &d), SAMPO_EEXIST);
	assert_int_equal(guest.object.refs, 2);
	assert_false(device_take_apart(&d->object));
	assert_int_equal(model_id[0x18], 0);
	assert_int_equal(device_new(&dom0, 0x18, &dom0, 0x30657468746520ull, &d), SAMPO_OK);
	assert_int_not_equal(dom0.io.id, guest.io.id);
	assert_int_equal(model_id[0x18], dom0.io.id);
	guest.state = SAMPO_DOM_DEAD;
	assert_int_equal(device_new(&dom0, 0x20, &guest, 0, &d), SAMPO_EDEAD);
	iommu_close(&dom0.io);
	iommu_close(&guest.io);
	iommu.ops = NULL;
}

/* A function that firmware uses reaches that memory until dom0 takes it, and is given to no other.
 */
static void test_firmware(void **state)
{
	struct domain dom0 = {.object.refs = 1, .lock.rank = LOCK_DOMAIN}, guest = dom0;
	struct device *d;

	(void)state;
	model_there = true;
	model_missing = "memory";
	iommu_setup(); /* units that do not start remap nothing either */
	assert_null(iommu.ops);
	assert_false(iommu.remaps);
	model_missing = NULL;
	model_range = (struct iommu_range){0x7f000000, 0x21000, 0x00e8, PTAB_R | PTAB_W};
	iommu_setup();
	assert_ptr_equal(iommu.ops, &vtd_ops);
	assert_int_not_equal(model_id[0x00e8], 0);
	assert_int_equal(device_new(&dom0, 0x00e8, &guest, 0, &d), SAMPO_EBUSY);
	assert_int_equal(device_new(&dom0, 1, &dom0, 0, &d), SAMPO_ENODEV); /* no unit has it */
	assert_int_equal(device_new(&dom0, 1, &guest, 0, &d), SAMPO_ENODEV);
	assert_int_equal(device_new(&dom0, 0x00e0, &guest, 0, &d), SAMPO_OK);
	device_take_apart(&d->object);
	assert_int_equal(device_new(&dom0, 0x00e8, &dom0, 0, &d), SAMPO_OK);
	assert_int_equal(model_id[0x00e8], dom0.io.id);
	device_take_apart(&d->object);
	assert_int_equal(model_id[0x00e8], 0);
	iommu_close(&dom0.io);
	iommu_close(&guest.io);
	iommu.ops = NULL;
}

/* A device that is blocked again and again is told of some times, and cut off once; one that
 * belongs to nobody is told of once and cut off. */
static void test_faults(void **state)
{
	struct domain dom0 = {.object.refs = 1, .lock.rank = LOCK_DOMAIN};
	struct device *d;

	(void)state;
	device_poll_faults();
	iommu.ops = &vtd_ops;
	assert_int_equal(device_new(&dom0, 0x30, &dom0, 0, &d), SAMPO_OK);
	model_fault_next =
		(struct iommu_fault){.requester = 0x30, .write = true, .address = 0x12a000};
	lines = 0;
	model_faults = 3;
	device_poll_faults();
	assert_int_equal(lines, 3);
	model_faults = 2;
	device_take_apart(&d->object); /* they are told of its owner */
	assert_int_equal(model_faults, 0);
	assert_int_equal(lines, 5);
	assert_int_equal(device_new(&dom0, 0x30, &dom0, 0, &d), SAMPO_OK);
	for (unsigned round = 0; round < 20; round++) {
		model_faults = 10;
		device_poll_faults();
		assert_int_equal(model_faults, 0);
	}
	assert_int_equal(model_silenced, 1);
	assert_int_equal(lines, 5 + 17);
	model_fault_next.text = "a unit's queue has an error";
	model_faults = 1;
	device_poll_faults();
	assert_int_equal(lines, 23);
	model_faults = 30; /* the 2nd to the 31st, of which four are told */
	device_poll_faults();
	assert_int_equal(lines, 27);
	device_take_apart(&d->object);
	model_fault_next.text = NULL;
	model_faults = 1;
	device_poll_faults();
	assert_int_equal(lines, 29);
	assert_int_equal(model_silenced, 2);
	iommu_close(&dom0.io);
	iommu.ops = NULL;
}

static int free_pages(void **state)
{
	(void)state;
	while (pages_used)
		free(pages[--pages_used]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),  cmocka_unit_test(test_ports),
		cmocka_unit_test(test_power),   cmocka_unit_test(test_flags),
		cmocka_unit_test(test_devices), cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_faults),  cmocka_unit_test(test_firmware),
	};

	return cmocka_run_group_tests(tests, setup, free_pages);
}
