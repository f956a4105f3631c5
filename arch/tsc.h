/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: the TSC's rate, found by measuring. */
#pragma once

#include "arch/cpu.h"

extern uint64_t tsc_khz;

/* Measures against the ACPI PM timer. False: it does not run. */
bool tsc_setup(void);

/* Nanoseconds <-> TSC ticks, by multiplication. */
extern uint64_t tsc_ns_per_tick;  /* 32.32 */
extern uint64_t tsc_ticks_per_ns; /* 32.32 */
static inline uint64_t tsc_to_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * tsc_ns_per_tick >> 32);
}
static inline uint64_t tsc_from_ns(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * tsc_ticks_per_ns >> 32);
}
void tsc_delay_ns(uint64_t ns);
