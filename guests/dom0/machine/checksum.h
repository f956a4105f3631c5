/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum of tables that firmware leaves for a guest. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Returns the byte that makes the sum of these bytes, and of itself, zero. */
static inline uint8_t checksum(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (bytes--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}
