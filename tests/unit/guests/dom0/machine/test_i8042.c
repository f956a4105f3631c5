/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
/* The keyboard controller with a keyboard and a mouse. */
#include "tests/unit/unit.h"

#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/ps2.h"
#include "tests/unit/mock_vm.h"

#define DATA    0x60u
#define COMMAND 0x64u

static int power_on(void **state)
{
	(void)state;
	mock_config.video = true;
	mock_config.video_memory = 4u << 20;
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	mock_config.video = false;
	return 0;
}

/* The next byte, and from which device it is; -1: there is none. */
static int next(bool mouse)
{
	uint8_t status = in8(COMMAND);

	if (!(status & 1))
		return -1;
	assert_int_equal(!!(status & 0x20), mouse);
	return in8(DATA);
}

static void set_mode(uint8_t mode)
{
	out8(COMMAND, 0x60);
	out8(DATA, mode);
}

static void to_mouse(uint8_t byte)
{
	out8(COMMAND, 0xd4);
	out8(DATA, byte);
}

static void test_keys(void **state)
{
	(void)state;
	i8042_key(&mock_vm, 0x1e, true);
	i8042_key(&mock_vm, 0x1e, false);
	i8042_key(&mock_vm, I8042_EXTENDED | 0x48, true);
	assert_int_equal(next(false), 0x1e);
	assert_int_equal(next(false), 0x9e);
	assert_int_equal(next(false), 0xe0);
	assert_int_equal(next(false), 0x48);
	assert_int_equal(next(false), -1);
	/* As the keyboard itself has them. */
	set_mode(0x01);
	i8042_key(&mock_vm, 0x1e, true);
	i8042_key(&mock_vm, I8042_EXTENDED | 0x48, false);
	assert_int_equal(next(false), 0x1c);
	assert_int_equal(next(false), 0xe0);
	assert_int_equal(next(false), 0xf0);
	assert_int_equal(next(false), 0x75);
}

static void test_no_such_keys(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 0x400; code++)
		if ((code & 0x7f) > 0x5d || (code & 0x7f) == 0)
			i8042_key(&mock_vm, code & 0xff, true);
	assert_int_equal(next(false), -1);
}

/* A guest that reads nothing: what does not fit is lost as a whole. */
static void test_keyboard_full(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		i8042_key(&mock_vm, I8042_EXTENDED | 0x48, i % 2 == 0);
	for (; in8(COMMAND) & 1; n++)
		assert_int_equal(in8(DATA) == 0xe0, n % 2 == 0);
	assert_true(n > 32 && n <= PS2_QUEUE + 1);
	assert_int_equal(n % 2, 0);
}

static void test_keyboard_commands(void **state)
{
	(void)state;
	out8(DATA, 0xf2);
	assert_int_equal(next(false), 0xfa);
	assert_int_equal(next(false), 0xab);
	assert_int_equal(next(false), 0x41);
	out8(DATA, 0xed);
	assert_int_equal(next(false), 0xfa);
	out8(DATA, 0x07);
	assert_int_equal(next(false), 0xfa);
	out8(DATA, 0xee);
	assert_int_equal(next(false), 0xee);
	out8(DATA, 0xf5);
	assert_int_equal(next(false), 0xfa);
	i8042_key(&mock_vm, 0x1e, true);
	assert_int_equal(next(false), -1);
	out8(DATA, 0xff);
	assert_int_equal(next(false), 0xfa);
	assert_int_equal(next(false), 0xaa);
	i8042_key(&mock_vm, 0x1e, true);
	assert_int_equal(next(false), 0x1e);
}

static void test_mouse(void **state)
{
	static const uint8_t rates[] = {200, 100, 80};

	(void)state;
	i8042_mouse(&mock_vm, 1, 1, 0, 1);
	assert_int_equal(next(true), -1);
	to_mouse(0xff);
	assert_int_equal(next(true), 0xfa);
	assert_int_equal(next(true), 0xaa);
	assert_int_equal(next(true), 0x00);
	to_mouse(0xf4);
	assert_int_equal(next(true), 0xfa);
	i8042_mouse(&mock_vm, -5, 3, 0, 1);
	assert_int_equal(next(true), 0x19);
	assert_int_equal(next(true), 0xfb);
	assert_int_equal(next(true), 0x03);
	assert_int_equal(next(true), -1);
	/* A driver asks for the wheel. */
	for (unsigned i = 0; i < 3; i++) {
		to_mouse(0xf3);
		assert_int_equal(next(true), 0xfa);
		to_mouse(rates[i]);
		assert_int_equal(next(true), 0xfa);
	}
	to_mouse(0xf2);
	assert_int_equal(next(true), 0xfa);
	assert_int_equal(next(true), 3);
	i8042_mouse(&mock_vm, 0, 0, -1, 0);
	assert_int_equal(next(true), 0x08);
	assert_int_equal(next(true), 0);
	assert_int_equal(next(true), 0);
	assert_int_equal(next(true), 0xff);
}

/* A long way in packets of what fits in one; and a guest that reads nothing loses the rest. */
static void test_mouse_far(void **state)
{
	int moved = 0, n = 0;

	(void)state;
	to_mouse(0xf4);
	next(true);
	i8042_mouse(&mock_vm, 1000, -1000, 0, 0);
	while (in8(COMMAND) & 1) {
		int head = in8(DATA), x = in8(DATA), y = in8(DATA);

		moved += head & 0x10 ? x - 256 : x;
		assert_int_equal(head & 0x20, 0x20);
		(void)y;
		n++;
	}
	assert_int_equal(moved, 1000);
	assert_int_equal(n, 4);
	for (unsigned i = 0; i < 10000; i++)
		i8042_mouse(&mock_vm, 255, 0, 0, i % 2);
	for (n = 0; in8(COMMAND) & 1; n++)
		in8(DATA);
	assert_true(n < 256);
}

static void test_lines(void **state)
{
	(void)state;
	set_mode(0x47);
	to_mouse(0xf4);
	assert_int_equal(next(true), 0xfa);
	/* The mouse's byte waits behind the keyboard's. */
	i8042_key(&mock_vm, 0x1e, true);
	i8042_mouse(&mock_vm, 1, 0, 0, 0);
	assert_int_equal(mock_state.pic.chip[0].line >> 1 & 1, 1);
	assert_int_equal(next(false), 0x1e);
	assert_int_equal(mock_state.pic.chip[0].line >> 1 & 1, 0);
	assert_int_equal(mock_state.pic.chip[1].line >> 4 & 1, 1);
	assert_int_equal(next(true), 0x08);
	/* Off, and on again. */
	out8(COMMAND, 0xa7);
	next(true);
	while (next(true) >= 0)
		;
	out8(COMMAND, 0xad);
	i8042_key(&mock_vm, 0x1f, true);
	assert_int_equal(next(false), -1);
	out8(COMMAND, 0xae);
	assert_int_equal(next(false), 0x1f);
}

/* Without a screen nothing is at the controller; its reset line is. */
static void test_nothing_there(void **state)
{
	(void)state;
	power_off(NULL);
	mock_power_on();
	out8(COMMAND, 0xa9);
	assert_int_equal(next(false), 0x02);
	out8(DATA, 0xff);
	i8042_key(&mock_vm, 0x1e, true);
	i8042_mouse(&mock_vm, 1, 1, 0, 0);
	assert_int_equal(next(false), -1);
	out8(COMMAND, 0xfe);
	assert_int_equal(mock_seen.request, VM_REQ_RESET);
	mock_config.video = true;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, power_on, power_off)
	const struct CMUnitTest tests[] = {
		T(test_keys),          T(test_no_such_keys),
		T(test_keyboard_full), T(test_keyboard_commands),
		T(test_mouse),         T(test_mouse_far),
		T(test_lines),         T(test_nothing_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
