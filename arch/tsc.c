/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/tsc.h"

#include "arch/acpi.h"
#include "kernel/log.h"

#define PM_TIMER_HZ   3579545u /* ACPI 6.5, 4.8.2.1 */
#define PM_TIMER_MASK 0xffffffu
#define WINDOW_MS     6u
#define GIVE_UP       1000000000u /* TSC ticks without one of the PM timer */

uint64_t tsc_khz, tsc_ns_per_tick, tsc_ticks_per_ns;

/* Some timers have 32 bits: that the others do not count matters to nobody. */
static uint32_t passed_since(uint32_t from)
{
	return (port_in32(acpi.pm_timer) - from) & PM_TIMER_MASK;
}

/* Waits until at least `ticks` have passed since `from`; returns how many have, and in *tsc
 * when it was so. Both ends of a measurement are edges: the latency cancels. 0: it stands. */
static uint32_t wait_edge(uint32_t from, uint32_t ticks, uint64_t *tsc)
{
	uint64_t start = cpu_rdtsc();
	uint32_t passed;

	do {
		passed = passed_since(from);
		*tsc = cpu_rdtsc();
		if (*tsc - start > GIVE_UP)
			return 0;
	} while (passed < ticks);
	return passed;
}

static uint64_t measure_once(void)
{
	uint32_t from = passed_since(0), ticks;
	uint64_t start, end;

	from += wait_edge(from, 1, &start);
	ticks = wait_edge(from, PM_TIMER_HZ / 1000 * WINDOW_MS, &end);
	return ticks ? (end - start) * PM_TIMER_HZ / (ticks * 1000ull) : 0;
}

bool tsc_setup(void)
{
	/* The middle one of three: a single disturbance (SMI, emulator) does no harm. */
	uint64_t a = measure_once(), b = a ? measure_once() : 0, c = b ? measure_once() : 0;
	uint64_t low = a < b ? a : b, high = a < b ? b : a;

	tsc_khz = c < low ? low : c > high ? high : c;
	if (!tsc_khz)
		return false;
	tsc_ns_per_tick = (1000000ull << 32) / tsc_khz;
	tsc_ticks_per_ns = (tsc_khz << 32) / 1000000;
	log_print("tsc: %lu.%03lu MHz\n", tsc_khz / 1000, tsc_khz % 1000);
	return true;
}

void tsc_delay_ns(uint64_t ns)
{
	uint64_t start = cpu_rdtsc(), ticks = tsc_from_ns(ns);

	while (cpu_rdtsc() - start < ticks)
		cpu_pause();
}
