/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/tsc.h"

#include "arch/acpi.h"
#include "kernel/base/log.h"

#define PM_TIMER_HZ   3579545u /* ACPI 6.5, 4.8.2.1 */
#define PM_TIMER_MASK 0xffffffu

/* Of a measurement. */
#define LOOKS    256u      /* in search of one edge */
#define STEP_MS  4u        /* between two edges that are tried as the end */
#define STEPS    100u      /* such tries */
#define TRIES    4u        /* measurements, while their results make no sense */
#define GOOD_PPM 10u       /* is exact enough */
#define KHZ_MIN  10000u    /* nothing is slower: Bochs has 50 MHz, */
#define KHZ_MAX  20000000u /* or faster */

#define CPUID_TSC            0x15u
#define CPUID_HYPERVISOR     0x40000000u
#define CPUID_TIMING         0x40000010u /* EAX: kHz of the TSC, as VMware and QEMU tell it */
#define CPUID_ECX_HYPERVISOR (1u << 31)  /* leaf 1 */

uint64_t tsc_khz, tsc_ns_per_tick, tsc_ticks_per_ns;

/* A moment at which the clock began to show `count`: the TSC was in the middle of `width` ticks
 * around `tsc`. */
struct edge {
	uint64_t tsc, width;
	uint32_t count;
};

static struct tsc_look look_at_pm_timer(void)
{
	struct tsc_look look;

	look.before = cpu_rdtsc();
	look.count = port_in32(acpi.pm_timer);
	look.after = cpu_rdtsc();
	return look;
}

/*
 * The clock changed between the beginning of one reading and the end of the next. Of many such
 * pairs the narrowest counts: where an interrupt of the firmware, a hypervisor or a busy host
 * took the CPU away in between, the pair is wide and loses. Returns false if the clock stands.
 */
static bool find_edge(struct tsc_look (*take)(void), uint32_t mask, struct edge *edge)
{
	struct tsc_look last = take();

	edge->width = UINT64_MAX;
	for (unsigned i = 0; i < LOOKS; i++) {
		struct tsc_look look = take();
		uint64_t width = look.after - last.before;

		if (((look.count ^ last.count) & mask) && width < edge->width)
			*edge = (struct edge){last.before + width / 2, width, look.count};
		last = look;
	}
	return edge->width != UINT64_MAX;
}

/*
 * From one edge to another: the error is half of both widths in relation to the time between
 * them, so the end moves on until that is small.
 */
static struct tsc_rate measure_once(struct tsc_look (*look)(void), uint32_t hz, uint32_t mask)
{
	struct tsc_rate rate = {0, 0};
	struct edge start, end;

	if (!find_edge(look, mask, &start))
		return rate;
	for (unsigned i = 1; i <= STEPS; i++) {
		uint64_t counts, ticks;

		/* A look reads a port or a register of a device: no PAUSE is needed. */
		while (((look().count - start.count) & mask) < hz / 1000 * STEP_MS * i)
			;
		if (!find_edge(look, mask, &end))
			break;
		counts = (end.count - start.count) & mask;
		ticks = end.tsc - start.tsc;
		rate.khz = (uint64_t)((unsigned __int128)ticks * hz / 1000 / counts);
		rate.error = 1 + rate.khz * ((start.width + end.width) / 2) / ticks;
		if (rate.error <= rate.khz / 1000000 * GOOD_PPM)
			break;
	}
	return rate;
}

struct tsc_rate tsc_measure(struct tsc_look (*look)(void), uint32_t hz, uint32_t mask)
{
	struct tsc_rate rate;

	/* The CPU may have been away for longer than the clock takes to come round. */
	for (unsigned i = 0; i < TRIES; i++) {
		rate = measure_once(look, hz, mask);
		if (rate.khz >= KHZ_MIN && rate.khz <= KHZ_MAX)
			return rate;
	}
	return (struct tsc_rate){0, 0};
}

uint64_t tsc_settle(struct tsc_rate measured, uint64_t told_khz)
{
	uint64_t low = measured.khz - measured.error, high = measured.khz + measured.error;

	return told_khz >= low && told_khz <= high ? told_khz : measured.khz;
}

/* SDM 3B 19.7.3: leaf 15h has the ratio to the crystal and the crystal's rate; leaf 16h, the
 * rate on the box, is not exact. A hypervisor's own leaf is nearer than the CPU's. */
static uint64_t told_khz(void)
{
	struct cpu_cpuid r;

	if (cpu_cpuid(1, 0).ecx & CPUID_ECX_HYPERVISOR &&
	    cpu_cpuid(CPUID_HYPERVISOR, 0).eax >= CPUID_TIMING)
		return cpu_cpuid(CPUID_TIMING, 0).eax;
	if (cpu_cpuid(0, 0).eax < CPUID_TSC)
		return 0;
	r = cpu_cpuid(CPUID_TSC, 0);
	return r.eax ? (uint64_t)r.ecx * r.ebx / r.eax / 1000 : 0;
}

bool tsc_setup(void)
{
	struct tsc_rate rate = tsc_measure(look_at_pm_timer, PM_TIMER_HZ, PM_TIMER_MASK);

	if (!rate.khz)
		return false;
	tsc_khz = tsc_settle(rate, told_khz());
	tsc_ns_per_tick = (1000000ull << 32) / tsc_khz;
	tsc_ticks_per_ns = (tsc_khz << 32) / 1000000;
	log_print("tsc: %lu.%03lu MHz, measured to %lu ppm\n", tsc_khz / 1000, tsc_khz % 1000,
		  rate.error * 1000000 / rate.khz);
	return true;
}

void tsc_delay_ns(uint64_t ns)
{
	uint64_t start = cpu_rdtsc(), ticks = tsc_from_ns(ns);

	while (cpu_rdtsc() - start < ticks)
		cpu_pause();
}
