/* SPDX-License-Identifier: BSD-2-Clause */
/* What unit tests share: cmocka, a repeatable random generator and panic. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 1;

static inline uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static inline uint64_t random_below(uint64_t n)
{
	return (random64() >> 16) % n;
}

/*
 * The step of a loop over many like cases that each start another program: 1, or `n` in a short run
 * (SAMPO_SHORT in the environment, as `make check` sets it), where one case stands for its
 * neighbours.
 */
static inline unsigned stride(unsigned n)
{
	return getenv("SAMPO_SHORT") ? n : 1;
}
