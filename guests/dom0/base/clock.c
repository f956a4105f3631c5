/* SPDX-License-Identifier: BSD-2-Clause */
/* Time from the TSC, by multiplication with a 32.32 fixed-point factor. */
#include "drivers/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/lib/cpu.h"

static uint64_t start_tsc;
static uint64_t khz = 1000000;
static uint64_t ns_per_tick = 1ull << 32;
static uint64_t start_wall_ns;
static uint64_t wall_change_ns; /* modulo 2^64 */

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> 32);
}

void clock_init(uint64_t tsc_khz, uint64_t wall_ns, uint64_t wall_tsc)
{
	khz = tsc_khz ? tsc_khz : 1000000;
	ns_per_tick = (1000000ull << 32) / khz;
	start_tsc = rdtsc();
	start_wall_ns =
		wall_ns + (start_tsc >= wall_tsc ? scale(start_tsc - wall_tsc, ns_per_tick) : 0);
}

uint64_t clock_ns(void)
{
	return scale(rdtsc() - start_tsc, ns_per_tick);
}

uint64_t clock_ticks_ns(uint64_t ticks)
{
	return scale(ticks, ns_per_tick);
}

uint64_t clock_tsc_khz(void)
{
	return khz;
}

uint64_t clock_wall_ns(void)
{
	return start_wall_ns + wall_change_ns + clock_ns();
}

void clock_set_wall_ns(uint64_t wall_ns)
{
	wall_change_ns += wall_ns - clock_wall_ns();
}

uint64_t clock_epoch_ns(void)
{
	return start_wall_ns;
}

/* The first value of the TSC at which clock_ns() is at least ns, so that a
 * timer is due when the CPU wakes up for it. */
uint64_t clock_to_tsc(uint64_t ns)
{
	unsigned __int128 ticks;

	if (ns == UINT64_MAX)
		return UINT64_MAX;
	ticks = (((unsigned __int128)ns << 32) + ns_per_tick - 1) / ns_per_tick + start_tsc;
	return ticks >= UINT64_MAX ? UINT64_MAX - 1 : (uint64_t)ticks;
}

void clock_delay_ns(uint64_t ns)
{
	uint64_t until = clock_ns() + ns;

	while (clock_ns() < until)
		cpu_relax();
}
