/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Litmus tests: two threads on two CPUs of the host are two CPUs in the kernel, without a tool
 * between them that would hide store buffers. Each test runs for a second, or as many as
 * SAMPO_LITMUS_SECONDS says, and then tells in how many rounds it has found nothing wrong.
 */
#pragma once

#define _GNU_SOURCE /* affinities */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arch/cpu.h"
#include "kernel/cpu/percpu.h"

#define LITMUS_CPUS     2u
#define LITMUS_LEAST    1000u /* rounds, however slow the host is */
#define LITMUS_PATIENCE 60.0  /* seconds that a thread may wait for the other one */

/* What of the kernel is not here: a tick is a nanosecond. */
uint64_t tsc_khz = 1000000, tsc_ns_per_tick = 1ull << 32, tsc_ticks_per_ns = 1ull << 32;

static struct cpu litmus_cpu[LITMUS_CPUS];
static const char *litmus_name;
static uint64_t rounds;  /* that one side counts */
static bool litmus_over; /* atomic: the time has passed */

static inline double litmus_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s: failed in round %llu: %s\n", litmus_name,
		(unsigned long long)__atomic_load_n(&rounds, __ATOMIC_RELAXED), what);
	exit(1);
}

static inline uint64_t litmus_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

/* Some moments, other ones each time, so that the threads meet in every way. */
static inline void litmus_jitter(uint64_t *state, unsigned most)
{
	for (uint64_t n = litmus_random(state) % most; n; n--)
		__asm__ volatile("" : : : "memory");
}

/* Until the other thread has set the word to that value. */
static inline void litmus_wait(const uint64_t *word, uint64_t value, const char *what)
{
	double start = litmus_now();

	for (unsigned n = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; n++) {
		cpu_pause();
		if (n % 65536 == 0)
			expect(litmus_now() - start < LITMUS_PATIENCE, what);
	}
}

static inline bool litmus_goes_on(void)
{
	return !__atomic_load_n(&litmus_over, __ATOMIC_RELAXED);
}

/* To the n-th of the host's CPUs that this program may use, if there are several. */
static inline void litmus_pin(pthread_t thread, unsigned n)
{
	cpu_set_t may, one;

	if (sched_getaffinity(0, sizeof(may), &may) || (unsigned)CPU_COUNT(&may) < LITMUS_CPUS)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || n--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		pthread_setaffinity_np(thread, sizeof(one), &one);
		return;
	}
}

/* Both run at once until litmus_goes_on says no more: side n as CPU n of the kernel. */
static inline void litmus_run(const char *name, void *(*side0)(void *), void *(*side1)(void *))
{
	void *(*side[LITMUS_CPUS])(void *) = {side0, side1};
	const char *seconds = getenv("SAMPO_LITMUS_SECONDS");
	double end = litmus_now() + (seconds ? atof(seconds) : 1);
	struct timespec nap = {.tv_nsec = 10000000};
	pthread_t thread[LITMUS_CPUS];

	litmus_name = name;
	__atomic_store_n(&litmus_over, false, __ATOMIC_RELAXED);
	cpu_count = LITMUS_CPUS;
	for (uint32_t i = 0; i < LITMUS_CPUS; i++) {
		litmus_cpu[i].id = litmus_cpu[i].apic_id = i;
		cpu_table[i] = &litmus_cpu[i];
	}
	for (uint32_t i = 0; i < LITMUS_CPUS; i++) {
		expect(!pthread_create(&thread[i], NULL, side[i], &litmus_cpu[i]), "thread");
		litmus_pin(thread[i], i);
	}
	while (litmus_now() < end || (__atomic_load_n(&rounds, __ATOMIC_RELAXED) < LITMUS_LEAST &&
				      litmus_now() < end + LITMUS_PATIENCE))
		nanosleep(&nap, NULL);
	__atomic_store_n(&litmus_over, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < LITMUS_CPUS; i++)
		pthread_join(thread[i], NULL);
}

static inline void litmus_done(void)
{
	expect(rounds > 0, "there was no round");
	printf("%s: %llu rounds, none wrong\n", litmus_name, (unsigned long long)rounds);
}
