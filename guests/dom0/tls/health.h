/* SPDX-License-Identifier: BSD-2-Clause */
/* Does a source of entropy work? The tests of NIST SP 800-90B, 4.4, while the source is in use. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * A source of random words: one that repeats a word, or gives zeros or ones alone, is broken. (A
 * right one does so once in 2^62 words.) Some CPUs' RDRAND gives ones alone after a suspend.
 */
struct word_health {
	uint64_t last;
	bool any;
};
bool word_is_healthy(struct word_health *health, uint64_t word);

/*
 * A source of times whose low byte varies: at least a quarter of a bit is new in each. With that,
 * and with one false alarm in 2^20: no value comes 81 times in a row (4.4.1), and none 472 times
 * among 512 (4.4.2).
 */
#define TIME_REPEATS 81u
#define TIME_WINDOW  512u
#define TIME_MOST    472u

struct time_health {
	uint8_t last, counted; /* values */
	unsigned repeats, seen, found;
};
bool time_is_healthy(struct time_health *health, uint8_t low);
