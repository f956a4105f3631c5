/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/tsc.h"

#include "arch/acpi.h"
#include "kernel/log.h"

#define PM_TIMER_HZ 3579545u
#define PIT_HZ      1193182u
#define WINDOW_MS   6u
#define GIVE_UP     1000000000u /* TSC ticks without a tick of the reference */

uint64_t tsc_khz, tsc_ns_per_tick, tsc_ticks_per_ns;

/* A clock of known rate. */
struct reference {
	uint32_t (*read)(void);
	uint32_t hz, mask;
};

static uint32_t read_pm_timer(void)
{
	return port_in32(acpi.pm_timer);
}

/* Channel 2 counts down from 65535, with the speaker off. */
static void start_pit(void)
{
	port_out8(0x61, (uint8_t)((port_in8(0x61) & ~2) | 1));
	port_out8(0x43, 0xb0);
	port_out8(0x42, 0xff);
	port_out8(0x42, 0xff);
}

static uint32_t read_pit(void)
{
	uint32_t low;

	port_out8(0x43, 0x80); /* latch */
	low = port_in8(0x42);
	return 0xffff - (low | (uint32_t)port_in8(0x42) << 8);
}

/* Waits until `ticks` have passed since *from; then *from and *tsc are those
 * of the edge. Both ends of a measurement are edges: the latency cancels. */
static bool wait_edge(const struct reference *r, uint32_t ticks, uint32_t *from, uint64_t *tsc)
{
	uint64_t start = cpu_rdtsc();
	uint32_t value;

	do {
		value = r->read();
		*tsc = cpu_rdtsc();
		if (*tsc - start > GIVE_UP)
			return false;
	} while (((value - *from) & r->mask) < ticks);
	*from = value;
	return true;
}

static uint64_t measure_once(const struct reference *r)
{
	uint32_t from = r->read(), to;
	uint64_t start, end;

	if (!wait_edge(r, 1, &from, &start))
		return 0;
	to = from;
	if (!wait_edge(r, r->hz / 1000 * WINDOW_MS, &to, &end))
		return 0;
	return (end - start) * r->hz / (((uint64_t)((to - from) & r->mask)) * 1000);
}

/* The middle one of three: a single disturbance (SMI, emulator) does no harm. */
static uint64_t measure(const struct reference *r)
{
	uint64_t a = measure_once(r), b = a ? measure_once(r) : 0, c = b ? measure_once(r) : 0;
	uint64_t low = a < b ? a : b, high = a < b ? b : a;

	return c < low ? low : c > high ? high : c;
}

bool tsc_setup(void)
{
	struct reference pm = {read_pm_timer, PM_TIMER_HZ,
			       acpi.pm_timer_32 ? UINT32_MAX : 0xffffff};
	struct reference pit = {read_pit, PIT_HZ, 0xffff};

	if (acpi.pm_timer)
		tsc_khz = measure(&pm);
	if (!tsc_khz) {
		start_pit();
		tsc_khz = measure(&pit);
	}
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
