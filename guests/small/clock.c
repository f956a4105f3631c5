/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: the TSC and KVM's paravirtual clock never go back and agree with each
 * other and with the PM timer. */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"
#include "guests/lib/tsc.h"

#define READS     100000
#define TRIES     20
#define STABLE    1u
#define PM_TIMER  0x608
#define PM_MASK   0xffffffu
#define PM_TICKS  71590u /* 20 ms */
#define PM_HZ     3579545ull
#define YEAR_2020 1577836800u

static const volatile struct kvm_time *clock;

static uint64_t clock_ns(void)
{
	uint32_t version;
	uint64_t ns, ticks;

	do {
		version = clock->version & ~1u;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		ticks = rdtsc() - clock->tsc_timestamp;
		if (clock->tsc_shift < 0)
			ticks >>= -clock->tsc_shift;
		else
			ticks <<= clock->tsc_shift;
		ns = clock->system_time +
		     (uint64_t)((__uint128_t)ticks * clock->tsc_to_system_mul >> 32);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (clock->version != version);
	return ns;
}

static void check_tsc(void)
{
	uint64_t last = rdtsc(), back = 0;
	uint32_t leaf[4];

	for (unsigned i = 0; i < READS; i++) {
		uint64_t now = rdtsc();

		back += now < last;
		last = now;
		if (!(i % 100))
			cpuid(0, 0, leaf);
	}
	check(!back, "TSC is monotonic", "%llu times back", (unsigned long long)back);
}

static void check_clock_monotonic(void)
{
	uint64_t last = clock_ns(), back = 0;

	for (unsigned i = 0; i < READS; i++) {
		uint64_t now = clock_ns();

		back += now < last;
		last = now;
	}
	check(!back, "kvmclock is monotonic", "%llu times back", (unsigned long long)back);
	check(clock->flags & STABLE, "kvmclock is stable", "flags %#x", clock->flags);
	check(!(clock->version & 1), "kvmclock's version is even", "%u", clock->version);
}

/* Within a tenth, once in TRIES: other guests run between an answer and what is
 * made of it. */
static void check_rate(void)
{
	uint64_t ns = 0, expected = 1;
	bool right = false;

	for (unsigned i = 0; i < TRIES && !right; i++) {
		uint32_t start = inl(PM_TIMER), ticks;
		uint64_t begin = clock_ns();

		do
			ticks = (inl(PM_TIMER) - start) & PM_MASK;
		while (ticks < PM_TICKS);
		ns = clock_ns() - begin;
		expected = ticks * 1000000000ull / PM_HZ;
		right = ns > expected - expected / 10 && ns < expected + expected / 10;
	}
	check(right, "kvmclock's rate", "%llu ns of %llu", (unsigned long long)ns,
	      (unsigned long long)expected);
	printf("TSC %llu kHz\n", (unsigned long long)tsc_khz());
}

static void check_wall(void)
{
	static struct {
		uint32_t version, seconds, nanoseconds;
	} wall;
	int fault = try_wrmsr(MSR_KVM_WALL_CLOCK, (uint64_t)(uintptr_t)&wall);

	check(fault == NO_FAULT && wall.seconds > YEAR_2020 && wall.nanoseconds < 1000000000u,
	      "wall clock", "vector %d, %u s", fault, wall.seconds);
}

/* The clock's page is where the guest says: a wild place must do no harm. */
static void check_wild_page(void)
{
	static const uint64_t places[] = {0xd0000001, 0xfffffffffffff001, 0x3ffffff000000001, 0x1};

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		try_wrmsr(MSR_KVM_SYSTEM_TIME, places[i]);
		try_wrmsr(MSR_KVM_WALL_CLOCK, places[i] & ~1ull);
	}
	try_wrmsr(MSR_KVM_SYSTEM_TIME, 0);
	check(true, "clock at wild places", "-");
}

int main(void)
{
	faults_init();
	check_tsc();
	clock = kvm_clock();
	check(clock != NULL, "kvmclock is there", "no clock");
	if (clock) {
		check_clock_monotonic();
		check_rate();
		check_wall();
		check_wild_page();
	}
	check_end();
	guest_poweroff();
}
