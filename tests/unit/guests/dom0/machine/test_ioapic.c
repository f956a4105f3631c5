/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include "tests/unit/mock_vm.h"

#define MASKED     0x10000u
#define LEVEL      0x8000u
#define REMOTE_IRR 0x4000u

static int power_on(void **state)
{
	(void)state;
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static uint32_t get(uint8_t index)
{
	write32(IOAPIC_BASE, index);
	return read32(IOAPIC_BASE + 0x10);
}

static void set(uint8_t index, uint32_t value)
{
	write32(IOAPIC_BASE, index);
	write32(IOAPIC_BASE + 0x10, value);
}

static void route(unsigned pin, uint32_t low, uint32_t high)
{
	set((uint8_t)(0x11 + 2 * pin), high);
	set((uint8_t)(0x10 + 2 * pin), low);
}

static void test_registers(void **state)
{
	(void)state;
	assert_int_equal(get(1), 0x00170011);
	set(0, 0xff000000);
	assert_int_equal(get(0), 0x0f000000);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		assert_int_equal(get((uint8_t)(0x10 + 2 * pin)), MASKED);
	route(5, 0xffffffff, 0xffffffff);
	assert_int_equal(get(0x1a), 0x1afff); /* without the status bits */
	assert_int_equal(get(0x1b), 0xff000000);
	assert_int_equal(get(0x40), 0); /* beyond the table */
	set(0x40, 0xffffffff);
	set(0xff, 0xffffffff);
	assert_int_equal(get(0xff), 0);
	assert_int_equal(read32(IOAPIC_BASE + 0x40), 0);
}

static void test_edge(void **state)
{
	(void)state;
	route(4, 0x31, 0x03000000);
	vm_irq(&mock_vm, 4, true);
	assert_int_equal(mock_seen.msis, 1);
	assert_int_equal(mock_seen.msi[0].address, 0xfee03000);
	assert_int_equal(mock_seen.msi[0].data, 0x4031);
	vm_irq(&mock_vm, 4, true); /* no edge */
	assert_int_equal(mock_seen.msis, 1);
	vm_irq(&mock_vm, 4, false);
	vm_irq(&mock_vm, 4, true);
	assert_int_equal(mock_seen.msis, 2);
	/* An edge while masked is lost. */
	route(4, 0x31 | MASKED, 0);
	vm_irq(&mock_vm, 4, false);
	vm_irq(&mock_vm, 4, true);
	route(4, 0x31, 0);
	assert_int_equal(mock_seen.msis, 2);
}

static void test_message(void **state)
{
	(void)state;
	route(7, 0x31 | 1 << 8 | 1 << 11, 0xff000000); /* lowest priority, logical */
	vm_irq(&mock_vm, 7, true);
	assert_int_equal(mock_seen.msi[0].address, 0xfeeff004);
	assert_int_equal(mock_seen.msi[0].data, 0x4131);
	/* NMI with the level bit is an edge all the same. */
	route(6, 4 << 8 | LEVEL, 0);
	vm_irq(&mock_vm, 6, true);
	assert_int_equal(mock_seen.msi[1].data, 0x4400);
	assert_int_equal(get(0x10 + 12) & REMOTE_IRR, 0);
}

static void test_level(void **state)
{
	(void)state;
	route(16, 0x50 | LEVEL, 0);
	vm_irq(&mock_vm, 16, true);
	assert_int_equal(mock_seen.msis, 1);
	assert_int_equal(mock_seen.msi[0].data, 0xc050);
	assert_int_equal(get(0x30) & REMOTE_IRR, REMOTE_IRR);
	vm_irq(&mock_vm, 16, false);
	vm_irq(&mock_vm, 16, true);
	assert_int_equal(mock_seen.msis, 1); /* being served */
	ioapic_eoi(&mock_vm, 0x51);
	assert_int_equal(mock_seen.msis, 1);
	ioapic_eoi(&mock_vm, 0x50);
	assert_int_equal(mock_seen.msis, 2); /* the line is still up */
	vm_irq(&mock_vm, 16, false);
	ioapic_eoi(&mock_vm, 0x50);
	assert_int_equal(mock_seen.msis, 2);
	assert_int_equal(get(0x30) & REMOTE_IRR, 0);
}

static void test_level_masked(void **state)
{
	(void)state;
	route(16, 0x50 | LEVEL | MASKED, 0);
	vm_irq(&mock_vm, 16, true);
	assert_int_equal(mock_seen.msis, 0);
	route(16, 0x50 | LEVEL, 0);
	assert_int_equal(mock_seen.msis, 1); /* levels wait */
	/* Masked while served: the end of interrupt brings nothing. */
	set(0x30, 0x50 | LEVEL | MASKED);
	ioapic_eoi(&mock_vm, 0x50);
	assert_int_equal(mock_seen.msis, 1);
	set(0x30, 0x50 | LEVEL);
	assert_int_equal(mock_seen.msis, 2);
	/* To edge and back: how drivers clear a stuck remote IRR. */
	set(0x30, 0x50 | MASKED);
	assert_int_equal(get(0x30) & REMOTE_IRR, 0);
}

static void test_shared_vector(void **state)
{
	(void)state;
	route(16, 0x50 | LEVEL, 0);
	route(17, 0x50 | LEVEL, 0);
	vm_irq(&mock_vm, 16, true);
	vm_irq(&mock_vm, 17, true);
	assert_int_equal(mock_seen.msis, 2);
	ioapic_eoi(&mock_vm, 0x50);
	assert_int_equal(mock_seen.msis, 4);
}

static void test_wires(void **state)
{
	(void)state;
	route(2, 0x30, 0);
	route(0, 0x32, 0);
	vm_irq(&mock_vm, 0, false);
	vm_irq(&mock_vm, 0, true); /* GSI 0 is at pin 2 */
	assert_int_equal(mock_seen.msis, 1);
	assert_int_equal(mock_seen.msi[0].data & 0xff, 0x30);
	vm_irq(&mock_vm, 2, true); /* no such line */
	vm_irq(&mock_vm, 24, true);
	vm_irq(&mock_vm, ~0u, true);
	assert_int_equal(mock_seen.msis, 1);
	assert_int_equal(mock_state.pic.chip[0].irr & 1, 1);
	vm_irq(&mock_vm, 17, true); /* not at the PICs */
	assert_int_equal(mock_state.pic.chip[1].line, 0);
}

/* A line that nobody quiets leaves the guest some time. */
static void test_storm(void **state)
{
	unsigned before;

	(void)state;
	route(16, 0x50 | LEVEL, 0);
	vm_irq(&mock_vm, 16, true);
	for (unsigned i = 0; i < 5000; i++)
		ioapic_eoi(&mock_vm, 0x50);
	assert_in_range(mock_seen.msis, 900, 1100);
	before = mock_seen.msis;
	mock_advance(2000000);
	assert_int_equal(mock_seen.msis, before + 1);
	ioapic_eoi(&mock_vm, 0x50);
	assert_int_equal(mock_seen.msis, before + 2);
	/* Lowered in time, it does not come. */
	for (unsigned i = 0; i < 5000; i++)
		ioapic_eoi(&mock_vm, 0x50);
	before = mock_seen.msis;
	vm_irq(&mock_vm, 16, false);
	mock_advance(2000000);
	assert_int_equal(mock_seen.msis, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_registers, power_on),
		cmocka_unit_test_setup(test_edge, power_on),
		cmocka_unit_test_setup(test_message, power_on),
		cmocka_unit_test_setup(test_level, power_on),
		cmocka_unit_test_setup(test_level_masked, power_on),
		cmocka_unit_test_setup(test_shared_vector, power_on),
		cmocka_unit_test_setup(test_wires, power_on),
		cmocka_unit_test_setup(test_storm, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
