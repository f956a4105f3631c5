/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fuzzer takes from its input, byte by byte; behind the end there are zeros. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *data;
	size_t size;
};

static inline uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}
