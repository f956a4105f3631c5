/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock (MC146818A data sheet). */
#include <string.h>

#include "drivers/env.h"
#include "guests/dom0/host/firmware.h"
#include "guests/dom0/machine/calendar.h"

#define PORTS 0x70u
#define REG_A 0x0au
#define REG_B 0x0bu

#define A_UPDATING    0x80u
#define B_24_HOURS    0x02u
#define B_BINARY      0x04u
#define HOURS_PM      0x80u
#define UPDATE_LOOPS  20000u
#define READ_ATTEMPTS 8u

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };

static uint8_t cmos(uint32_t ports, uint8_t reg)
{
	port_write(ports, 0, 1, reg);
	return (uint8_t)port_read(ports, 1, 1);
}

static void read_registers(uint32_t ports, uint8_t moment[FIELDS])
{
	static const uint8_t reg[FIELDS] = {0, 2, 4, 7, 8, 9};

	for (unsigned i = 0; i < UPDATE_LOOPS && cmos(ports, REG_A) & A_UPDATING; i++)
		;
	for (unsigned i = 0; i < FIELDS; i++)
		moment[i] = cmos(ports, reg[i]);
}

/* Twice the same: it was not changing. */
static void read_settled(uint32_t ports, uint8_t moment[FIELDS])
{
	uint8_t again[FIELDS];

	read_registers(ports, moment);
	for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
		read_registers(ports, again);
		if (!memcmp(moment, again, FIELDS))
			return;
		memcpy(moment, again, FIELDS);
	}
}

static void decode(uint8_t moment[FIELDS], uint8_t b)
{
	bool pm = !(b & B_24_HOURS) && moment[HOUR] & HOURS_PM;

	if (!(b & B_24_HOURS))
		moment[HOUR] &= 0x7f;
	for (unsigned i = 0; i < FIELDS && !(b & B_BINARY); i++)
		moment[i] = (uint8_t)((moment[i] >> 4) * 10 + (moment[i] & 15));
	if (!(b & B_24_HOURS))
		moment[HOUR] = (uint8_t)(moment[HOUR] % 12 + (pm ? 12 : 0));
}

uint64_t rtc_read(void)
{
	uint32_t ports = ports_open(PORTS, 2);
	struct calendar t;
	uint8_t m[FIELDS];

	if (!ports)
		return 0;
	read_settled(ports, m);
	decode(m, cmos(ports, REG_B));
	ports_close(ports);
	if (m[SECOND] > 60 || m[MINUTE] > 59 || m[HOUR] > 23 || m[YEAR] > 99 || m[DAY] - 1u > 30 ||
	    m[MONTH] - 1u > 11)
		return 0;
	t = (struct calendar){.second = m[SECOND],
			      .minute = m[MINUTE],
			      .hour = m[HOUR],
			      .day = m[DAY],
			      .month = m[MONTH],
			      .year = 2000u + m[YEAR]};
	return (uint64_t)calendar_to_seconds(&t);
}
