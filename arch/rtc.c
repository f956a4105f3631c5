/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock (MC146818A data sheet). */
#include "arch/cpu.h"
#include "arch/tsc.h"

#define REG_SECONDS 0x00u
#define REG_MINUTES 0x02u
#define REG_HOURS   0x04u
#define REG_DAY     0x07u
#define REG_MONTH   0x08u
#define REG_YEAR    0x09u
#define REG_A       0x0au
#define REG_B       0x0bu

#define A_UPDATING    0x80u
#define B_24_HOURS    0x02u
#define B_BINARY      0x04u
#define HOURS_PM      0x80u
#define UPDATE_LOOPS  100000u
#define READ_ATTEMPTS 8u

struct moment {
	uint8_t second, minute, hour, day, month, year;
};

static uint8_t cmos(uint8_t reg)
{
	port_out8(0x70, reg);
	return port_in8(0x71);
}

static struct moment read_registers(void)
{
	for (unsigned i = 0; i < UPDATE_LOOPS && cmos(REG_A) & A_UPDATING; i++)
		cpu_pause();
	return (struct moment){cmos(REG_SECONDS), cmos(REG_MINUTES), cmos(REG_HOURS),
			       cmos(REG_DAY),     cmos(REG_MONTH),   cmos(REG_YEAR)};
}

static uint8_t binary(uint8_t bcd)
{
	return (uint8_t)((bcd >> 4) * 10 + (bcd & 15));
}

static void decode(struct moment *m, uint8_t b)
{
	bool pm = !(b & B_24_HOURS) && m->hour & HOURS_PM;

	m->hour &= b & B_24_HOURS ? 0xff : 0x7f;
	if (!(b & B_BINARY))
		*m = (struct moment){binary(m->second), binary(m->minute), binary(m->hour),
				     binary(m->day),    binary(m->month),  binary(m->year)};
	if (!(b & B_24_HOURS))
		m->hour = (uint8_t)(m->hour % 12 + (pm ? 12 : 0));
}

/* Days since 1970-01-01, counting years from March so that a leap day is the last one. */
static uint64_t days(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

uint64_t rtc_read(void)
{
	struct moment m = read_registers(), again;

	for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
		again = read_registers();
		if (!__builtin_memcmp(&m, &again, sizeof(m)))
			break;
		m = again;
	}
	decode(&m, cmos(REG_B));
	if (m.second > 60 || m.minute > 59 || m.hour > 23 || m.year > 99 || m.day - 1u > 30 ||
	    m.month - 1u > 11)
		return 0;
	return days(2000u + m.year, m.month, m.day) * 86400 + m.hour * 3600u + m.minute * 60u +
	       m.second;
}
