/* SPDX-License-Identifier: BSD-2-Clause */
/* Conversions between TSC ticks and nanoseconds without division: a 32-bit
 * fraction and a shift, as the KVM paravirtual clock has them. */
#ifndef KERNEL_TSCMATH_H
#define KERNEL_TSCMATH_H

#include <stdint.h>

/* (ticks << shift, or >> -shift) * mul >> 32 */
struct tsc_scale {
	uint32_t mul;
	int8_t shift;
};

/* From a clock of from_hz to one of to_hz; both 1 to 2^40. */
struct tsc_scale tsc_scale(uint64_t from_hz, uint64_t to_hz);

static inline uint64_t tsc_convert(uint64_t ticks, struct tsc_scale scale)
{
	ticks = scale.shift < 0 ? ticks >> -scale.shift : ticks << scale.shift;
	return (uint64_t)(((unsigned __int128)ticks * scale.mul) >> 32);
}

#endif
