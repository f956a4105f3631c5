/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: the TSC's rate, found by measuring. */
#pragma once

#include "arch/cpu.h"

extern uint64_t tsc_khz;

/* One reading of a clock that counts upwards at a known rate, with the TSC around the reading. */
struct tsc_look {
	uint64_t before, after; /* TSC */
	uint32_t count;
};

struct tsc_rate {
	uint64_t khz;   /* 0: the clock stands, or none of its readings makes sense */
	uint64_t error; /* kHz: the true rate is no further away */
};

/* Measures the TSC's rate against the ACPI PM timer. Returns false if the timer does not run. */
bool tsc_setup(void);

/*
 * Measures the TSC's rate against a clock of `hz`, of which `look` takes one reading and of which
 * the bits in `mask` count. Lasts until the error is some ppm, at most about half a second unless
 * something else takes the CPU away.
 */
struct tsc_rate tsc_measure(struct tsc_look (*look)(void), uint32_t hz, uint32_t mask);

/* The rate that the CPU or the hypervisor below tells, if the measurement bears it out; otherwise
 * the measured rate. kHz. */
uint64_t tsc_settle(struct tsc_rate measured, uint64_t told_khz);

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
