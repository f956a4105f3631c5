/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include "tests/unit/mock_vm.h"

#define MASTER 0x20
#define SLAVE  0xa0

/* The usual initialization: vectors 0x20 and 0x28, all unmasked but IRQ 0. */
static int power_on(void **state)
{
	(void)state;
	mock_power_on();
	out8(MASTER, 0x11);
	out8(MASTER + 1, 0x20);
	out8(MASTER + 1, 0x04);
	out8(MASTER + 1, 0x01);
	out8(SLAVE, 0x11);
	out8(SLAVE + 1, 0x28);
	out8(SLAVE + 1, 0x02);
	out8(SLAVE + 1, 0x01);
	out8(MASTER + 1, 0x01);
	out8(SLAVE + 1, 0x00);
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static bool intr(void)
{
	assert_int_equal(mock_seen.extint, mock_state.pic.intr);
	return mock_seen.extint;
}

static void pulse(unsigned irq)
{
	pic_set(&mock_vm, irq, true);
	pic_set(&mock_vm, irq, false);
}

static int ack(void)
{
	return pic_ack(&mock_vm);
}

static void test_priority_and_eoi(void **state)
{
	(void)state;
	assert_false(intr());
	pulse(5);
	pulse(3);
	assert_true(intr());
	assert_int_equal(ack(), 0x23);
	assert_false(intr()); /* 5 is less important */
	pulse(1);
	assert_true(intr()); /* 1 is more */
	assert_int_equal(ack(), 0x21);
	out8(MASTER, 0x0b);
	assert_int_equal(in8(MASTER), 0x0a);
	out8(MASTER, 0x0a);
	assert_int_equal(in8(MASTER), 0x20);
	out8(MASTER, 0x20); /* ends 1 */
	assert_false(intr());
	out8(MASTER, 0x63); /* ends 3 */
	assert_true(intr());
	assert_int_equal(ack(), 0x25);
	out8(MASTER, 0x20);
	assert_false(intr());
}

static void test_cascade(void **state)
{
	(void)state;
	pulse(12);
	assert_true(intr());
	assert_int_equal(ack(), 0x2c);
	pulse(8); /* more important on the same slave: blocked by the master */
	assert_false(intr());
	out8(SLAVE, 0x20);
	out8(MASTER, 0x20);
	assert_true(intr());
	assert_int_equal(ack(), 0x28);
	out8(SLAVE, 0x20);
	out8(MASTER, 0x20);
	assert_false(intr());
	pic_set(&mock_vm, 2, true); /* not an input */
	assert_false(intr());
}

static void test_mask(void **state)
{
	(void)state;
	out8(MASTER + 1, 0xff);
	assert_int_equal(in8(MASTER + 1), 0xff);
	pulse(4);
	assert_false(intr());
	out8(MASTER + 1, 0xef);
	assert_true(intr());
	/* Masked between request and acknowledge: spurious. */
	out8(MASTER + 1, 0xff);
	assert_false(intr());
	assert_int_equal(ack(), 0x27);
	out8(MASTER, 0x0b);
	assert_int_equal(in8(MASTER), 0);
}

static void test_level(void **state)
{
	(void)state;
	out8(0x4d1, 0xff);
	assert_int_equal(in8(0x4d1), 0xde);
	assert_int_equal(in16(0x4d0), 0xde00);
	pic_set(&mock_vm, 10, true);
	assert_int_equal(ack(), 0x2a);
	out8(SLAVE, 0x20);
	out8(MASTER, 0x20);
	assert_true(intr()); /* the line is still up */
	pic_set(&mock_vm, 10, false);
	assert_false(intr());
	assert_int_equal(ack(), 0x27);
	/* Edge: a line that stays up asks once. */
	pic_set(&mock_vm, 3, true);
	assert_int_equal(ack(), 0x23);
	out8(MASTER, 0x20);
	assert_false(intr());
}

static void test_auto_eoi_and_rotation(void **state)
{
	(void)state;
	out8(MASTER, 0x13); /* single: no ICW3 */
	out8(MASTER + 1, 0x40);
	out8(MASTER + 1, 0x03);
	out8(MASTER + 1, 0x00);
	out8(MASTER, 0x80); /* rotate in auto EOI mode */
	pulse(3);
	pulse(4);
	assert_int_equal(ack(), 0x43);
	out8(MASTER, 0x0b);
	assert_int_equal(in8(MASTER), 0);
	pulse(3); /* now of the lowest priority */
	assert_int_equal(ack(), 0x44);
	assert_int_equal(ack(), 0x43);
	out8(MASTER, 0xc5); /* 5 is lowest: 6 is highest */
	pulse(1);
	pulse(7);
	assert_int_equal(ack(), 0x47);
	assert_int_equal(ack(), 0x41);
}

static void test_rotate_on_eoi(void **state)
{
	(void)state;
	pulse(4);
	assert_int_equal(ack(), 0x24);
	out8(MASTER, 0xa0); /* end it, and 4 becomes the lowest */
	pulse(4);
	pulse(6);
	assert_int_equal(ack(), 0x26);
	out8(MASTER, 0x20);
	assert_int_equal(ack(), 0x24);
}

static void test_special_mask(void **state)
{
	(void)state;
	pulse(3);
	assert_int_equal(ack(), 0x23);
	pulse(6);
	assert_false(intr());
	out8(MASTER, 0x68);
	out8(MASTER + 1, 0x09);
	assert_true(intr()); /* 3 is masked and blocks nobody */
	assert_int_equal(ack(), 0x26);
	out8(MASTER, 0x20); /* leaves 3 alone */
	out8(MASTER, 0x0b);
	assert_int_equal(in8(MASTER), 0x08);
}

static void test_fully_nested(void **state)
{
	(void)state;
	out8(MASTER, 0x11);
	out8(MASTER + 1, 0x20);
	out8(MASTER + 1, 0x04);
	out8(MASTER + 1, 0x11);
	pulse(12);
	assert_int_equal(ack(), 0x2c);
	pulse(8);
	assert_true(intr());
	assert_int_equal(ack(), 0x28);
}

static void test_poll(void **state)
{
	(void)state;
	out8(MASTER, 0x0c);
	assert_int_equal(in8(MASTER), 0);
	pulse(6);
	out8(MASTER, 0x0c);
	assert_int_equal(in8(MASTER), 0x86);
	assert_false(intr());
	out8(MASTER, 0x20);
	assert_int_equal(in8(MASTER), 0);
}

static void test_vectors_wrap(void **state)
{
	(void)state;
	out8(SLAVE, 0x11);
	out8(SLAVE + 1, 0xff);
	out8(SLAVE + 1, 0x02);
	out8(SLAVE + 1, 0x01);
	pulse(15);
	assert_int_equal(ack(), 0xff);
}

/* Each call costs a way into the kernel: only changes are told. */
static void test_calls(void **state)
{
	unsigned before = mock_seen.extints;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		pulse(4);
	assert_int_equal(mock_seen.extints, before + 1);
	ack();
	assert_int_equal(mock_seen.extints, before + 2);
	out8(MASTER, 0x20);
	assert_int_equal(mock_seen.extints, before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_priority_and_eoi, power_on),
		cmocka_unit_test_setup(test_cascade, power_on),
		cmocka_unit_test_setup(test_mask, power_on),
		cmocka_unit_test_setup(test_level, power_on),
		cmocka_unit_test_setup(test_auto_eoi_and_rotation, power_on),
		cmocka_unit_test_setup(test_rotate_on_eoi, power_on),
		cmocka_unit_test_setup(test_special_mask, power_on),
		cmocka_unit_test_setup(test_fully_nested, power_on),
		cmocka_unit_test_setup(test_poll, power_on),
		cmocka_unit_test_setup(test_vectors_wrap, power_on),
		cmocka_unit_test_setup(test_calls, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
