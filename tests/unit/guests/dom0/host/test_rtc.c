/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/host/rtc.c guests/dom0/machine/calendar.c */
/* The host's CMOS clock in its formats, while it changes, and when it is not there. */
#include "drivers/env.h"
#include "guests/dom0/host/firmware.h"
#include "tests/unit/unit.h"

static uint8_t reg[128], chosen;
static unsigned updating, reads, changes_at;
static int opened;
static bool refused;

uint32_t ports_open(uint16_t base, uint32_t count)
{
	assert_int_equal(base, 0x70);
	assert_int_equal(count, 2);
	opened += !refused;
	return !refused;
}

void ports_close(uint32_t ports)
{
	assert_int_equal(ports, 1);
	opened--;
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	assert_int_equal(ports, 1);
	assert_int_equal(offset, 1);
	assert_int_equal(bytes, 1);
	if (chosen == 0x0a && updating) {
		updating--;
		return reg[0x0a] | 0x80;
	}
	if (++reads == changes_at) { /* 23:59:59 becomes midnight amid the reading */
		reg[0] = reg[2] = reg[4] = 0;
		reg[7] = 1;
		reg[8] = 1;
		reg[9] = 0x27;
	}
	return reg[chosen];
}

void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	assert_int_equal(ports, 1);
	assert_int_equal(offset, 0);
	assert_int_equal(bytes, 1);
	assert_true(value < 0x80); /* the topmost bit would mask NMIs */
	chosen = (uint8_t)value;
}

static int start(void **state)
{
	(void)state;
	memset(reg, 0, sizeof(reg));
	reg[0] = 0x59;
	reg[2] = 0x59;
	reg[4] = 0x23;
	reg[7] = 0x31;
	reg[8] = 0x12;
	reg[9] = 0x26;
	reg[0x0b] = 2;
	updating = reads = changes_at = 0;
	refused = false;
	return 0;
}

static int closed(void **state)
{
	(void)state;
	return opened;
}

static void test_formats(void **state)
{
	(void)state;
	assert_int_equal(rtc_read(), 1798761599);
	reg[0x0b] = 0; /* 12 hours */
	reg[4] = 0x91;
	assert_int_equal(rtc_read(), 1798761599);
	reg[4] = 0x12; /* midnight */
	assert_int_equal(rtc_read(), 1798761599 - 23 * 3600);
	reg[4] = 0x92; /* noon */
	assert_int_equal(rtc_read(), 1798761599 - 11 * 3600);
	reg[0x0b] = 6; /* binary */
	reg[0] = 59;
	reg[2] = 59;
	reg[4] = 23;
	reg[7] = 31;
	reg[8] = 12;
	reg[9] = 26;
	assert_int_equal(rtc_read(), 1798761599);
	reg[0x0b] = 4;
	reg[4] = 0x80 | 11;
	assert_int_equal(rtc_read(), 1798761599);
	reg[8] = 2;
	reg[7] = 29;
	reg[9] = 24;
	assert_int_equal(rtc_read(), 1709251199);
}

static void test_changing(void **state)
{
	(void)state;
	updating = 100;
	assert_int_equal(rtc_read(), 1798761599);
	for (unsigned i = 1; i < 20; i++) {
		uint64_t seconds;

		start(NULL);
		changes_at = i;
		seconds = rtc_read();
		assert_true(seconds == 1798761599 || seconds == 1798761600);
	}
	updating = ~0u; /* for ever: it is read all the same */
	assert_int_equal(rtc_read(), 1798761600);
}

static void test_nonsense(void **state)
{
	static const uint8_t bad[][2] = {{0, 0x61}, {2, 0x60}, {4, 0x24}, {7, 0},
					 {7, 0x32}, {8, 0},    {8, 0x13}, {9, 0xff}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(NULL);
		reg[bad[i][0]] = bad[i][1];
		assert_int_equal(rtc_read(), 0);
	}
	memset(reg, 0xff, sizeof(reg)); /* no clock */
	assert_int_equal(rtc_read(), 0);
	refused = true;
	assert_int_equal(rtc_read(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_formats, start, closed),
		cmocka_unit_test_setup_teardown(test_changing, start, closed),
		cmocka_unit_test_setup_teardown(test_nonsense, start, closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
