/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, its lowest power in the highest bit */
#define NIBBLES    16u

/* The change of the remainder by four bits, by their value. */
static uint32_t remainder_of[NIBBLES];

static void fill(void)
{
	for (uint32_t nibble = 0; nibble < NIBBLES; nibble++) {
		uint32_t value = nibble;

		for (unsigned bit = 0; bit < 4; bit++)
			value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
		remainder_of[nibble] = value;
	}
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *byte = data;

	if (!remainder_of[1])
		fill();
	crc = ~crc;
	for (size_t i = 0; i < bytes; i++) {
		crc ^= byte[i];
		crc = crc >> 4 ^ remainder_of[crc % NIBBLES];
		crc = crc >> 4 ^ remainder_of[crc % NIBBLES];
	}
	return ~crc;
}
