/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/nodedev.c */
/* The machine's devices: a bridge, a function behind it, and a virtual one of that. */
#include "tests/unit/unit.h"

#include "drivers/pci.h"
#include "guests/dom0/assign/assign.h"
#include "guests/dom0/manage/nodedev.h"

static struct pci_device one = {.bdf = 0x101, .physical = NULL, .endpoint = true};
static struct pci_device card = {.next = &one, .bdf = 0x100, .vendor = 0x8086, .endpoint = true};
static struct pci_device port = {.next = &card, .bdf = 0xe4, .header = PCI_HEADER_BRIDGE};
static unsigned looks; /* at registers */

struct pci_device *pci_first(void)
{
	return &port;
}

struct pci_device *pci_at(uint16_t bdf)
{
	return bdf == card.bdf ? &card : NULL;
}

struct pci_device *pci_parent(const struct pci_device *dev)
{
	return dev == &port ? NULL : &port;
}

unsigned pci_find_capability(struct pci_device *dev, uint8_t id)
{
	looks++;
	return dev == &card && id == PCI_CAP_EXPRESS ? 0x70 : 0;
}

uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	looks++;
	assert_ptr_equal(dev, &card);
	return offset == 0x7c && bytes == 4 ? 0x00437c83 : 0x1041;
}

unsigned pci_virtual_most(struct pci_device *dev)
{
	looks++;
	return dev == &card ? 7 : 0;
}

unsigned pci_virtual_count(const struct pci_device *dev)
{
	return dev == &card;
}

bool assign_group(const struct pci_device *dev, unsigned *group)
{
	*group = dev->bdf;
	return true;
}

const char *assign_owner(const struct pci_device *dev)
{
	return dev == &one ? "guest" : NULL;
}

const char *assign_reset_function(struct pci_device *dev, void (*done)(const char *failure))
{
	(void)dev;
	(void)done;
	return "no";
}

const char *assign_virtual_make(struct pci_device *dev, unsigned count,
				void (*done)(struct pci_device *dev, const char *failure))
{
	(void)dev;
	(void)count;
	(void)done;
	return "no";
}

/* dom0 lists a machine's hundreds of functions in one go, so it reads no register of theirs. */
static void test_all(void **state)
{
	unsigned count = 0;
	struct nodedev *all;

	(void)state;
	one.physical = &card;
	looks = 0;
	all = nodedev_all(&count);
	assert_non_null(all);
	assert_int_equal(count, 4);
	assert_int_equal(looks, 0);
	assert_string_equal(all[0].name, "computer");
	assert_string_equal(all[0].parent, "");
	assert_string_equal(all[1].name, "pci_0000_00_1c_4");
	assert_string_equal(all[1].parent, "computer");
	assert_true(all[1].bridge);
	assert_string_equal(all[2].name, "pci_0000_01_00_0");
	assert_string_equal(all[2].parent, "pci_0000_00_1c_4");
	assert_int_equal(all[2].vfs, 1);
	assert_null(all[2].driver);
	assert_true(all[3].is_virtual);
	assert_int_equal(all[3].physical, 0x100);
	assert_string_equal(all[3].driver, "sampo-guest");
	free(all);
}

static void test_find(void **state)
{
	struct nodedev device;

	(void)state;
	one.physical = &card;
	assert_true(nodedev_find("pci_0000_01_00_0", &device));
	assert_int_equal(device.vendor, 0x8086);
	assert_int_equal(device.max_vfs, 7);
	assert_int_equal(device.can.speed, 3);
	assert_int_equal(device.can.width, 8);
	assert_int_equal(device.does.speed, 1);
	assert_int_equal(device.does.width, 4);
	assert_int_equal(device.group, 0x100);
	assert_true(nodedev_find("computer", &device));
	assert_false(*device.parent);
	assert_string_equal(nodedev_reset(&device, NULL), "it is not a PCI device");
	assert_false(nodedev_find("pci_0000_01_00_7", &device));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
