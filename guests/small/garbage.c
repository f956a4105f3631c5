/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs random bytes in 64-bit mode, from a seed ("seed=N"): again and again at
 * another place, until an exception has ended TRIES of them or the guest is
 * dead - which is its own affair, and nobody else's.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/guest.h"

#define TRIES 2000
#define BYTES (64u << 10)

static uint8_t code[BYTES] __attribute__((aligned(4096)));

static void fill(uint64_t *seed)
{
	for (unsigned i = 0; i < BYTES; i++)
		code[i] = (uint8_t)random_next(seed);
}

int main(void)
{
	uint64_t seed = option("seed", 1);
	unsigned vectors[32] = {0};

	faults_init();
	fill(&seed);
	printf("garbage begins\n");
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t at = random_next(&seed) % (BYTES - 64);
		int vector = try_call((void (*)(void))(uintptr_t)(code + at));

		if (vector >= 0)
			vectors[vector & 31]++;
	}
	printf("garbage survived:");
	for (unsigned i = 0; i < 32; i++)
		if (vectors[i])
			printf(" %u times %u", vectors[i], i);
	printf("\n");
	guest_poweroff();
}
