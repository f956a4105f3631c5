/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Long work is done in steps, between which the CPU is open for interrupts and for other guests. A
 * step ends with the first of its parts that is done after STEP_NS; a part is a count of things
 * (STEP_PARTS) that take no longer than that. So a step is at most some tens of microseconds.
 */
#pragma once

#include "arch/tsc.h"

#define STEP_NS    10000u
#define STEP_PARTS 32u

static inline bool step_is_over(uint64_t start_tsc)
{
	return cpu_rdtsc() - start_tsc >= tsc_from_ns(STEP_NS);
}
