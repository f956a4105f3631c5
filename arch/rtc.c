/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock (MC146818A data sheet). */
#include "arch/cpu.h"
#include "arch/tsc.h"

#define REG_A 0x0au
#define REG_B 0x0bu

#define A_UPDATING    0x80u
#define B_24_HOURS    0x02u
#define B_BINARY      0x04u
#define HOURS_PM      0x80u
#define UPDATE_LOOPS  100000u
#define READ_ATTEMPTS 8u

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };

static uint8_t cmos(uint8_t reg)
{
	port_out8(0x70, reg);
	return port_in8(0x71);
}

static void read_registers(uint8_t moment[FIELDS])
{
	static const uint8_t reg[FIELDS] = {0, 2, 4, 7, 8, 9};

	for (unsigned i = 0; i < UPDATE_LOOPS && cmos(REG_A) & A_UPDATING; i++)
		cpu_pause();
	for (unsigned i = 0; i < FIELDS; i++)
		moment[i] = cmos(reg[i]);
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

/* Days since 1970-01-01, counting years from March so that a leap day is the last one. */
static uint64_t days(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

uint64_t rtc_read(void)
{
	uint8_t m[FIELDS], again[FIELDS];

	read_registers(m);
	for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
		read_registers(again);
		if (!__builtin_memcmp(m, again, sizeof(m)))
			break;
		__builtin_memcpy(m, again, sizeof(m));
	}
	decode(m, cmos(REG_B));
	if (m[SECOND] > 60 || m[MINUTE] > 59 || m[HOUR] > 23 || m[YEAR] > 99 || m[DAY] - 1u > 30 ||
	    m[MONTH] - 1u > 11)
		return 0;
	return days(2000u + m[YEAR], m[MONTH], m[DAY]) * 86400 + m[HOUR] * 3600u + m[MINUTE] * 60u +
	       m[SECOND];
}
