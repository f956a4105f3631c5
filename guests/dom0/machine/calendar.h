/* SPDX-License-Identifier: BSD-2-Clause */
/* Seconds since 1970 and the Gregorian calendar, without time zones. */
#pragma once

#include <stdint.h>

struct calendar {
	unsigned second, minute, hour;
	unsigned weekday;    /* 0: Sunday; not needed for calendar_to_seconds */
	unsigned day, month; /* from 1 */
	unsigned year;
};

void calendar_from_seconds(int64_t seconds, struct calendar *t); /* >= 0 */
/* "2026-12-01 01:02:03" */
#define CALENDAR_TEXT 24u
void calendar_text(char text[CALENDAR_TEXT], int64_t seconds);
/* Fields beyond their ranges carry over; a month is brought into 1..12. */
int64_t calendar_to_seconds(const struct calendar *t);
