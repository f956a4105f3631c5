/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include <time.h>

#include "guests/dom0/machine/calendar.h"
#include "tests/unit/mock_vm.h"

#define MS     1000000ull
#define SECOND (1000 * MS)

static uint8_t get(uint8_t reg)
{
	out8(0x70, reg);
	return in8(0x71);
}

static void set(uint8_t reg, uint8_t value)
{
	out8(0x70, reg);
	out8(0x71, value);
}

static int power_on(void **state)
{
	(void)state;
	mock_set_wall(1767225599); /* Wednesday 2025-12-31 23:59:59 */
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static bool irq8(void)
{
	return mock_state.ioapic.line >> 8 & 1;
}

static void assert_time(unsigned century, unsigned year, unsigned month, unsigned day,
			unsigned hour, unsigned minute, unsigned second)
{
	assert_int_equal(get(0x32), century);
	assert_int_equal(get(9), year);
	assert_int_equal(get(8), month);
	assert_int_equal(get(7), day);
	assert_int_equal(get(4), hour);
	assert_int_equal(get(2), minute);
	assert_int_equal(get(0), second);
}

static void test_calendar(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		time_t t = (time_t)random_below(7258118399);
		struct calendar c;
		struct tm tm;

		if (i == 0)
			t = 0;
		gmtime_r(&t, &tm);
		calendar_from_seconds(t, &c);
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(c.weekday, tm.tm_wday);
		assert_int_equal(c.hour, tm.tm_hour);
		assert_int_equal(c.minute, tm.tm_min);
		assert_int_equal(c.second, tm.tm_sec);
		assert_int_equal(calendar_to_seconds(&c), t);
	}
}

static void test_time(void **state)
{
	(void)state;
	assert_time(0x20, 0x25, 0x12, 0x31, 0x23, 0x59, 0x59);
	assert_int_equal(get(6), 4);
	mock_advance(SECOND);
	assert_time(0x20, 0x26, 0x01, 0x01, 0x00, 0x00, 0x00);
	assert_int_equal(get(6), 5);
	assert_int_equal(get(0x0d), 0x80);
}

static void test_formats(void **state)
{
	(void)state;
	set(0x0b, 0x06); /* binary */
	assert_time(20, 25, 12, 31, 23, 59, 59);
	set(0x0b, 0x04); /* 12 hours */
	assert_int_equal(get(4), 0x8b);
	set(0x0b, 0x00);
	assert_int_equal(get(4), 0x91);
	mock_advance(SECOND);
	assert_int_equal(get(4), 0x12); /* midnight is 12 AM */
	mock_advance(12 * 3600 * SECOND);
	assert_int_equal(get(4), 0x92);
}

static void test_update_in_progress(void **state)
{
	(void)state;
	assert_int_equal(get(0x0a), 0x26);
	mock_advance(SECOND - 245000);
	assert_int_equal(get(0x0a), 0x26);
	mock_advance(2000);
	assert_int_equal(get(0x0a), 0xa6);
	assert_int_equal(get(0), 0x59);
	mock_advance(243000);
	assert_int_equal(get(0x0a), 0x26);
	assert_int_equal(get(0), 0x00);
}

/* As Linux sets the clock: stopped, divider reset, then released. */
static void test_set_time(void **state)
{
	(void)state;
	set(0x0b, 0x82);
	set(0x0a, 0x76);
	set(0, 0x56);
	set(2, 0x34);
	set(4, 0x12);
	set(7, 0x29);
	set(8, 0x02);
	set(9, 0x28);
	set(0x32, 0x20);
	mock_advance(5 * SECOND);
	assert_time(0x20, 0x28, 0x02, 0x29, 0x12, 0x34, 0x56);
	set(0x0b, 0x02);
	set(0x0a, 0x26);
	assert_time(0x20, 0x28, 0x02, 0x29, 0x12, 0x34, 0x56);
	mock_advance(501 * MS); /* the first update comes after half a second */
	assert_int_equal(get(0), 0x57);
	mock_advance(24 * 3600 * SECOND);
	assert_time(0x20, 0x28, 0x03, 0x01, 0x12, 0x34, 0x57);
}

static void test_set_running(void **state)
{
	(void)state;
	mock_advance(300 * MS);
	set(4, 0x05);
	assert_time(0x20, 0x25, 0x12, 0x31, 0x05, 0x59, 0x59);
	mock_advance(700 * MS);
	assert_time(0x20, 0x25, 0x12, 0x31, 0x06, 0x00, 0x00);
}

static void test_update_interrupt(void **state)
{
	unsigned n = 0;

	(void)state;
	set(0x0b, 0x12);
	for (unsigned i = 0; i < 1000; i++) {
		mock_advance(10 * MS);
		if (!irq8())
			continue;
		n++;
		assert_int_equal(get(0x0c) & 0x90, 0x90);
		assert_false(irq8());
		assert_int_equal(get(0x0c), 0);
	}
	assert_int_equal(n, 10);
	/* Not read: the line stays up and no timer runs. */
	mock_advance(2 * SECOND);
	mock_seen.timers_fired = 0;
	mock_advance(100 * SECOND);
	assert_int_equal(mock_seen.timers_fired, 0);
	assert_true(irq8());
	set(0x0b, 0x02);
	assert_false(irq8());
}

static void test_periodic_interrupt(void **state)
{
	unsigned n = 0;

	(void)state;
	set(0x0b, 0x42); /* 1024 Hz */
	for (unsigned i = 0; i < 10000; i++) {
		mock_advance(MS / 10);
		if (!irq8())
			continue;
		n++;
		assert_int_equal(get(0x0c) & 0xc0, 0xc0);
	}
	assert_in_range(n, 1000, 1025);
	/* Every rate, with a guest that reads C at once. */
	for (uint8_t rate = 0; rate < 16; rate++) {
		set(0x0a, 0x20 | rate);
		get(0x0c);
		assert_true(mock_advance_bounded(SECOND, 9000));
	}
}

static void test_alarm(void **state)
{
	(void)state;
	set(1, 0x30);
	set(3, 0x02);
	set(5, 0x00);
	get(0x0c);
	set(0x0b, 0x22);
	mock_advance(150 * SECOND); /* 00:02:29 */
	assert_false(irq8());
	mock_advance(SECOND);
	assert_true(irq8());
	assert_int_equal(get(0x0c) & 0xa0, 0xa0);
	assert_false(irq8());
	mock_advance(86399 * SECOND);
	assert_false(irq8());
	mock_advance(SECOND);
	assert_true(irq8());
	/* Any hour and minute. */
	get(0x0c);
	set(3, 0xff);
	set(5, 0xc0);
	mock_advance(60 * SECOND);
	assert_true(irq8());
	/* A time that never comes. */
	get(0x0c);
	set(1, 0x99);
	mock_advance(100000 * SECOND);
	assert_false(irq8());
}

/* The machine's clock is set: the guest's follows at once, ticks on, and its alarm comes when it
 * says that time. */
static void test_wall_set(void **state)
{
	static const int64_t steps[] = {86400 * 3, -86400 * 3, 1, -1};
	uint64_t wall = 1767225599;

	(void)state;
	set(0x0b, 0x12); /* interrupts of updates */
	for (unsigned i = 0; i < 4; i++) {
		unsigned n = 0;

		wall += (uint64_t)steps[i];
		mock_set_wall(wall);
		platform_wall_set();
		get(0x0c);
		for (unsigned t = 0; t < 50; t++) {
			mock_advance(100 * MS);
			n += irq8();
			get(0x0c);
		}
		assert_int_equal(n, 5);
		wall += 5;
	}
	mock_set_wall(1767225600); /* 2026-01-01 00:00:00 */
	platform_wall_set();
	assert_time(0x20, 0x26, 1, 1, 0, 0, 0);
	set(1, 0x00);
	set(3, 0x00);
	set(5, 0x12);
	get(0x0c);
	set(0x0b, 0x22);
	mock_set_wall(1767225600 + 43200 - 10);
	platform_wall_set();
	assert_false(irq8());
	mock_advance(9 * SECOND);
	assert_false(irq8());
	mock_advance(SECOND);
	assert_true(irq8());
}

static void test_memory(void **state)
{
	unsigned sum = 0;

	(void)state;
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 1024);
	assert_int_equal(get(0x30) | get(0x31) << 8, 1024);
	for (uint8_t reg = 0x10; reg <= 0x2d; reg++)
		sum += get(reg);
	assert_int_equal(get(0x2e) << 8 | get(0x2f), sum);
	set(0x40, 0x5a);
	assert_int_equal(get(0xc0), 0x5a); /* with the NMI bit */
	mock_vm.ram_bytes = 6ull << 30;
	assert_int_equal(cmos_init(&mock_vm), -1); /* the ports are taken */
	assert_int_equal(get(0x17) | get(0x18) << 8, 65535);
	assert_int_equal(get(0x34) | get(0x35) << 8, (3072 - 16) * 16);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 3072 * 16);
}

/* A reset of the machine leaves the clock as it was. */
static void test_reset(void **state)
{
	(void)state;
	set(4, 0x05);
	set(0x0b, 0x12);
	mock_advance(SECOND);
	assert_true(irq8());
	platform_part.reset(&mock_vm);
	assert_false(irq8());
	assert_int_equal(get(4), 0x06);
	mock_advance(10 * SECOND);
	assert_false(irq8());
}

static void test_hostile_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		set((uint8_t)random_below(16), (uint8_t)random64());
		if (random_below(4) == 0)
			set(0x32, (uint8_t)random64());
		mock_advance(random_below(SECOND));
		get((uint8_t)random_below(16));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test_setup(test_time, power_on),
		cmocka_unit_test_setup(test_formats, power_on),
		cmocka_unit_test_setup(test_update_in_progress, power_on),
		cmocka_unit_test_setup(test_set_time, power_on),
		cmocka_unit_test_setup(test_set_running, power_on),
		cmocka_unit_test_setup(test_update_interrupt, power_on),
		cmocka_unit_test_setup(test_periodic_interrupt, power_on),
		cmocka_unit_test_setup(test_alarm, power_on),
		cmocka_unit_test_setup(test_wall_set, power_on),
		cmocka_unit_test_setup(test_memory, power_on),
		cmocka_unit_test_setup(test_reset, power_on),
		cmocka_unit_test_setup(test_hostile_time, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
