/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/tscmath.h"

struct tsc_scale tsc_scale(uint64_t from_hz, uint64_t to_hz)
{
	struct tsc_scale scale = {0, 0};

	/* Bring the ratio to between a half and one. */
	for (; to_hz >= from_hz; scale.shift++)
		from_hz <<= 1;
	for (; to_hz << 1 < from_hz; scale.shift--)
		to_hz <<= 1;
	scale.mul = (uint32_t)(((unsigned __int128)to_hz << 32) / from_hz);
	return scale;
}
