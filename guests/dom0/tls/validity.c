/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/validity.h"

#include <stdint.h>
#include <stdio.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/calendar.h"

static int64_t seconds_of(const mbedtls_x509_time *time)
{
	struct calendar t = {
		.second = (unsigned)time->sec,
		.minute = (unsigned)time->min,
		.hour = (unsigned)time->hour,
		.day = (unsigned)time->day,
		.month = (unsigned)time->mon,
		.year = (unsigned)time->year,
	};

	return calendar_to_seconds(&t);
}

bool validity_is_now(const mbedtls_x509_crt *crt, char *why, size_t room)
{
	int64_t now = (int64_t)(clock_wall_ns() / 1000000000u);
	int64_t from = seconds_of(&crt->valid_from), to = seconds_of(&crt->valid_to);
	char bound[CALENDAR_TEXT], clock[CALENDAR_TEXT];

	*why = 0;
	if (now >= from && now <= to)
		return true;
	calendar_text(bound, now < from ? from : to);
	calendar_text(clock, now);
	snprintf(why, room, "%s %s UTC, dom0's clock has %s UTC",
		 now < from ? "is not valid before" : "has expired: it was valid until", bound,
		 clock);
	return false;
}
