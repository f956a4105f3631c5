/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
/* The registers by which a guest follows devices that come and go. */
#include "tests/unit/unit.h"

#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/hotplug.h"
#include "tests/unit/mock_vm.h"

#define UP    HOTPLUG_PORT
#define DOWN  (HOTPLUG_PORT + 4)
#define EJECT (HOTPLUG_PORT + 8)

#define GPE0_STATUS ACPI_GPE0
#define GPE0_ENABLE (ACPI_GPE0 + 2)

static unsigned ejects;

static void ejected(struct vm *vm, uint32_t instance)
{
	ejects++;
	assert_int_equal(instance, 5);
	pci_remove_function(vm, 9);
	hotplug_removed(vm, 9);
}

static const struct pci_ops with_eject = {.eject = ejected}, without;

static void add(unsigned slot, const struct pci_ops *ops)
{
	const struct pci_ids ids = {.vendor = 0x1af4, .device = 0x1042};

	assert_int_equal(pci_add_function(&mock_vm, slot, &ids, ops, 5), 0);
}

static void test_registers(void **state)
{
	(void)state;
	mock_power_on();
	out8(GPE0_ENABLE, 2);
	add(9, &with_eject);
	hotplug_added(&mock_vm, 9);
	assert_int_equal(mock_state.acpi.sci, 1);
	assert_int_equal(in8(GPE0_STATUS), 2);
	out8(GPE0_STATUS, 2);
	assert_int_equal(mock_state.acpi.sci, 0);
	assert_int_equal(in8(UP), 0); /* no register of bytes */
	assert_int_equal(in32(UP), 1u << 9);
	assert_int_equal(in32(UP), 0);
	assert_int_equal(in32(DOWN), 0);

	/* What nobody has asked for stays. */
	out32(EJECT, ~0u);
	assert_int_equal(ejects, 0);
	hotplug_ask(&mock_vm, 9);
	assert_int_equal(in8(GPE0_STATUS), 2);
	assert_int_equal(in32(DOWN), 1u << 9);
	assert_int_equal(in32(DOWN), 1u << 9);
	out32(EJECT, 1u << 8);
	out8(EJECT, 0xff);
	out32(UP, ~0u);
	out32(DOWN, ~0u);
	assert_int_equal(ejects, 0);
	out32(EJECT, 1u << 9);
	assert_int_equal(ejects, 1);
	assert_int_equal(in32(DOWN), 0);
	out32(EJECT, 1u << 9);
	assert_int_equal(ejects, 1);
	mock_power_off();
}

/* A device that cannot go; the bridge; a slot without a device. */
static void test_others(void **state)
{
	(void)state;
	mock_power_on();
	ejects = 0;
	add(9, &without);
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		hotplug_ask(&mock_vm, slot);
	out32(EJECT, ~0u);
	assert_int_equal(ejects, 0);
	assert_non_null(pci_config(&mock_vm, 9));
	/* A request outlives a reset, news of a device do not. */
	hotplug_added(&mock_vm, 9);
	platform_part.reset(&mock_vm);
	assert_int_equal(in32(UP), 0);
	assert_int_equal(in32(DOWN), ~0u);
	mock_power_off();
}

/* The places of what has gone are given away again, and nothing shares one. */
static void test_places(void **state)
{
	uint64_t first = 0;

	(void)state;
	mock_power_on();
	for (unsigned round = 0; round < 100; round++) {
		add(9, &without);
		assert_int_equal(pci_add_bar(&mock_vm, 9, 0, BUS_PIO, 256), 0);
		assert_int_equal(pci_add_bar(&mock_vm, 9, 1, BUS_MMIO, 4096), 0);
		if (!round)
			first = mock_state.pci.function[9].bar_reset[0];
		assert_int_equal(mock_state.pci.function[9].bar_reset[0], first);
		add(10, &without);
		assert_int_equal(pci_add_bar(&mock_vm, 10, 0, BUS_PIO, 64), 0);
		assert_int_equal(mock_state.pci.function[10].bar_reset[0], first + 256);
		/* They are not decoded until the guest says so. */
		assert_int_equal(mock_state.pci.function[9].bar_base[0], PCI_NO_BASE);
		assert_int_equal(pci_config(&mock_vm, 9)[4], 0);
		assert_int_equal(pci_free_slot(&mock_vm), 1);
		pci_remove_function(&mock_vm, 9);
		pci_remove_function(&mock_vm, 10);
	}
	mock_power_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
