/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Years are counted from March, so that the leap day is the last one of a
 * year; 400 years are a whole number of days.
 */
#include "guests/dom0/machine/calendar.h"

#include <stdio.h>

#define DAYS_PER_ERA 146097 /* 400 years */
#define DAYS_TO_1970 719468 /* from 1 March of year 0 */

void calendar_from_seconds(int64_t seconds, struct calendar *t)
{
	int64_t days = seconds / 86400 + DAYS_TO_1970;
	unsigned rest = (unsigned)(seconds % 86400);
	unsigned era = (unsigned)(days / DAYS_PER_ERA);
	unsigned in_era = (unsigned)(days % DAYS_PER_ERA);
	unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * in_year + 2) / 153; /* 0: March */

	t->hour = rest / 3600;
	t->minute = rest / 60 % 60;
	t->second = rest % 60;
	t->weekday = (unsigned)((days + 3) % 7); /* 1 March 0 was a Wednesday */
	t->day = in_year - (153 * month + 2) / 5 + 1;
	t->month = month < 10 ? month + 3 : month - 9;
	t->year = era * 400 + year + (t->month <= 2);
}

int64_t calendar_to_seconds(const struct calendar *t)
{
	unsigned from_zero = t->month != 0 ? (t->month - 1) % 12 : 0;
	unsigned month = (from_zero + 10) % 12; /* 0: March */
	int64_t year = (int64_t)t->year - (from_zero < 2);
	int64_t days = year * 365 + year / 4 - year / 100 + year / 400;

	days += (153 * month + 2) / 5 + t->day;
	days -= 1 + DAYS_TO_1970;
	return ((days * 24 + t->hour) * 60 + t->minute) * 60 + t->second;
}

void calendar_text(char text[CALENDAR_TEXT], int64_t seconds)
{
	struct calendar t;

	calendar_from_seconds(seconds, &t);
	snprintf(text, CALENDAR_TEXT, "%04u-%02u-%02u %02u:%02u:%02u", t.year, t.month, t.day,
		 t.hour, t.minute, t.second);
}
