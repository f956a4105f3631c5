/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include "tests/unit/mock_vm.h"

#define MS     1000000ull
#define SECOND (1000 * MS)

static int power_on(void **state)
{
	(void)state;
	mock_power_on();
	out8(0x20, 0x11);
	out8(0x21, 0x20);
	out8(0x21, 0x04);
	out8(0x21, 0x01);
	out8(0x21, 0xff);
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static void ticks(uint64_t n)
{
	mock_advance((n * 1000000000 + 1193181) / 1193182);
}

static void set(unsigned channel, unsigned mode, uint16_t count)
{
	out8(0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
	out8((uint16_t)(0x40 + channel), (uint8_t)count);
	out8((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static uint16_t latched(unsigned channel)
{
	uint16_t low;

	out8(0x43, (uint8_t)(channel << 6));
	low = in8((uint16_t)(0x40 + channel));
	return (uint16_t)(low | in8((uint16_t)(0x40 + channel)) << 8);
}

/* Takes the PIC's interrupts and ends them; how many there were. */
static unsigned take(void)
{
	unsigned n = 0;

	while (mock_state.pic.intr) {
		assert_int_equal(pic_ack(&mock_vm), 0x20);
		out8(0x20, 0x20);
		n++;
	}
	return n;
}

static void test_counts_down(void **state)
{
	(void)state;
	set(2, 0, 1000);
	assert_int_equal(latched(2), 1000); /* the gate is closed */
	ticks(10);
	assert_int_equal(latched(2), 1000);
	out8(0x61, 1);
	assert_int_equal(in8(0x61) & 0x21, 0x01);
	ticks(10);
	assert_int_equal(latched(2), 990);
	out8(0x61, 0);
	ticks(10);
	assert_int_equal(latched(2), 990);
	out8(0x61, 1);
	ticks(989);
	assert_int_equal(latched(2), 1);
	assert_int_equal(in8(0x61) & 0x20, 0);
	ticks(2);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
	assert_int_equal(latched(2), 0xffff);
}

/* As Linux calibrates its TSC: unlatched reads of the high byte. */
static void test_unlatched_read(void **state)
{
	(void)state;
	out8(0x61, 1);
	set(2, 0, 0xffff);
	for (unsigned msb = 0xff; msb > 0xf0; msb--) {
		in8(0x42);
		assert_int_equal(in8(0x42), msb);
		ticks(256);
	}
}

static void test_one_shot(void **state)
{
	(void)state;
	set(2, 1, 100);
	ticks(1000);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
	out8(0x61, 1);
	assert_int_equal(in8(0x61) & 0x20, 0);
	ticks(50);
	out8(0x61, 0); /* closing it changes nothing, opening starts anew */
	out8(0x61, 1);
	ticks(99);
	assert_int_equal(in8(0x61) & 0x20, 0);
	ticks(2);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
}

static void test_square_wave(void **state)
{
	(void)state;
	out8(0x61, 1);
	set(2, 3, 1000);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
	ticks(499);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
	ticks(2);
	assert_int_equal(in8(0x61) & 0x20, 0);
	ticks(500);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
	set(2, 3, 1000);
	ticks(100);
	assert_in_range(latched(2), 798, 800);
}

static void test_strobe(void **state)
{
	(void)state;
	out8(0x61, 1);
	set(2, 4, 10);
	mock_advance(10 * SECOND / 1193182 + 400); /* within the tenth tick */
	assert_int_equal(in8(0x61) & 0x20, 0);
	ticks(1);
	assert_int_equal(in8(0x61) & 0x20, 0x20);
}

static void test_latch_and_status(void **state)
{
	(void)state;
	out8(0x61, 1);
	out8(0x43, 0xb4);
	out8(0x43, 0xe8);                  /* read back the status of channel 2 */
	assert_int_equal(in8(0x42), 0xf4); /* no count yet, OUT is high */
	out8(0x42, 0);
	out8(0x42, 0);
	ticks(1);
	out8(0x43, 0xc8); /* both */
	ticks(100);
	assert_int_equal(in8(0x42), 0xb4);
	assert_int_equal(in8(0x42), 0xff);
	assert_int_equal(in8(0x42), 0xff);
	/* Low byte only. */
	out8(0x43, 0x94);
	out8(0x42, 200);
	assert_int_equal(in8(0x42), 200);
	assert_int_equal(in8(0x42), 200);
	out8(0x43, 0xa4); /* high byte only */
	out8(0x42, 2);
	assert_int_equal(in8(0x42), 2);
	ticks(1);
	assert_int_equal(in8(0x42), 1);
}

static void test_bcd(void **state)
{
	(void)state;
	out8(0x61, 1);
	out8(0x43, 0xb1);
	out8(0x42, 0x00);
	out8(0x42, 0x10); /* 1000 */
	ticks(1);
	assert_int_equal(latched(2), 0x0999);
	ticks(1000);
	assert_int_equal(latched(2), 0x9999);
}

static void test_periodic_interrupt(void **state)
{
	unsigned n = 0;

	(void)state;
	set(0, 2, 11932); /* 100 Hz */
	out8(0x21, 0xfe);
	take();
	for (unsigned i = 0; i < 1000; i++) {
		mock_advance(MS);
		n += take();
	}
	assert_in_range(n, 99, 100);
}

static void test_missed_ticks_merge(void **state)
{
	(void)state;
	set(0, 2, 1193);
	out8(0x21, 0xfe);
	take();
	mock_advance(SECOND);
	assert_int_equal(take(), 1);
	mock_advance(2 * MS);
	assert_int_equal(take(), 1);
}

/* Nobody listens, nothing is set; the tick that passed is latched. */
static void test_sleeps_while_masked(void **state)
{
	(void)state;
	set(0, 2, 1193);
	mock_advance(SECOND);
	assert_int_equal(mock_seen.timers_fired, 0);
	assert_int_equal(in8(0x20) & 1, 1);
	out8(0x21, 0xfe);
	assert_int_equal(take(), 1);
	mock_advance(SECOND);
	assert_in_range(mock_seen.timers_fired, 990, 1010);
}

/* The I/O APIC's pin 2 has the timer, and masked edges are lost there. */
static void test_ioapic_pin(void **state)
{
	(void)state;
	set(0, 2, 11932);
	mock_advance(SECOND);
	write32(IOAPIC_BASE, 0x14);
	write32(IOAPIC_BASE + 0x10, 0x31);
	assert_int_equal(mock_seen.msis, 0);
	mock_advance(SECOND);
	assert_in_range(mock_seen.msis, 99, 101);
	assert_int_equal(mock_seen.msi[0].data & 0xff, 0x31);
	write32(IOAPIC_BASE + 0x10, 0x10031);
	mock_seen.timers_fired = 0;
	mock_advance(SECOND);
	assert_in_range(mock_seen.timers_fired, 0, 1);
}

static void test_one_shot_interrupt(void **state)
{
	(void)state;
	out8(0x21, 0xfe);
	take();
	set(0, 0, 1193);
	assert_int_equal(take(), 0);
	mock_advance(2 * MS);
	assert_int_equal(take(), 1);
	mock_advance(SECOND);
	assert_int_equal(take(), 0);
	set(0, 4, 1193);
	take();
	mock_advance(2 * MS);
	assert_int_equal(take(), 1);
	mock_advance(SECOND);
	assert_int_equal(take(), 0);
}

/* The shortest periods don't flood the loop. */
static void test_flood(void **state)
{
	(void)state;
	out8(0x21, 0xfe);
	for (unsigned count = 1; count < 4; count++) {
		set(0, 2, (uint16_t)count);
		assert_true(mock_advance_bounded(SECOND, 10100));
		set(0, 3, (uint16_t)count);
		assert_true(mock_advance_bounded(SECOND, 10100));
	}
}

static void test_resume(void **state)
{
	struct machine_state saved;

	(void)state;
	out8(0x61, 1);
	set(2, 2, 50000);
	set(0, 2, 11932);
	out8(0x21, 0xfe);
	ticks(100);
	saved = mock_state;
	mock_power_on();
	platform_part.free(&mock_vm);
	memset(&mock_vm.bus, 0, sizeof(mock_vm.bus));
	mock_state = saved;
	assert_int_equal(platform_resume(&mock_vm), 0);
	assert_int_equal(latched(2), 49900);
	take();
	mock_advance(10 * MS);
	assert_int_equal(take(), 1);
}

static void test_refresh_bit(void **state)
{
	unsigned changes = 0;
	uint8_t before = in8(0x61), after;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		mock_advance(5000);
		after = in8(0x61);
		changes += (before ^ after) >> 4 & 1;
		before = after;
	}
	assert_in_range(changes, 325, 335);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_counts_down, power_on),
		cmocka_unit_test_setup(test_unlatched_read, power_on),
		cmocka_unit_test_setup(test_one_shot, power_on),
		cmocka_unit_test_setup(test_square_wave, power_on),
		cmocka_unit_test_setup(test_strobe, power_on),
		cmocka_unit_test_setup(test_latch_and_status, power_on),
		cmocka_unit_test_setup(test_bcd, power_on),
		cmocka_unit_test_setup(test_periodic_interrupt, power_on),
		cmocka_unit_test_setup(test_missed_ticks_merge, power_on),
		cmocka_unit_test_setup(test_sleeps_while_masked, power_on),
		cmocka_unit_test_setup(test_ioapic_pin, power_on),
		cmocka_unit_test_setup(test_one_shot_interrupt, power_on),
		cmocka_unit_test_setup(test_flood, power_on),
		cmocka_unit_test_setup(test_resume, power_on),
		cmocka_unit_test_setup(test_refresh_bit, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
