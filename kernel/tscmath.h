/* SPDX-License-Identifier: BSD-2-Clause */
/* The ratio of two clocks as a 32-bit fraction and a shift, as the KVM paravirtual clock has it. */
#pragma once

#include "kernel/types.h"

/* (ticks << shift, or >> -shift) * mul >> 32 */
struct tsc_scale {
	uint32_t mul;
	int8_t shift;
};

/* From a clock of from_hz to one of to_hz; both 1 to 2^40. */
struct tsc_scale tsc_scale(uint64_t from_hz, uint64_t to_hz);
