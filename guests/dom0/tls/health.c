/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/health.h"

bool word_is_healthy(struct word_health *health, uint64_t word)
{
	bool repeats = health->any && health->last == word;

	health->last = word;
	health->any = true;
	return !repeats && word && word != UINT64_MAX;
}

bool time_is_healthy(struct time_health *health, uint8_t low)
{
	health->repeats = health->last == low ? health->repeats + 1 : 1;
	health->last = low;
	/* The first value of each window is counted in it. */
	if (!health->seen) {
		health->counted = low;
		health->found = 0;
	}
	health->found += low == health->counted;
	health->seen = (health->seen + 1) % TIME_WINDOW;
	return health->repeats < TIME_REPEATS && health->found < TIME_MOST;
}
