/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long the kernel keeps a CPU at a time for what it takes apart: a domain, mappings, memory. It
 * does so in steps of the caller's turn, which no trace shows. A guest on the same CPU sleeps from
 * one deadline to the next: as much later as its timer is now, as beside a caller that computes,
 * such a step has taken.
 */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/abi.h"

#define LATE       60000u /* instructions */
#define APART      25000u /* from one deadline to the next */
#define HEAVY      65535u /* the sleeper's weight: what it needs is less than its share */
#define WORST      WORDS
#define AHEAD      (WORDS + 12)
#define VCPUS      64u
#define VCPU_PAGES 1024u
#define MAPPINGS   2000u
#define MANY       1000u
#define BIG        (128ull << 20)
#define TIMES      8u

static struct guest sleeper;
static uint32_t domain, region, event, handle, vcpu[VCPUS];

static void write_word(uint32_t at, uint32_t value)
{
	memcpy(sleeper.ram + at, &value, sizeof(value));
}

static void start(void)
{
	static uint64_t first[4] = {1};

	guest_make(&sleeper, 0);
	must(sampo_vcpu_ctl(sleeper.vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)first), "AFFINITY");
	must(sampo_domain_ctl(sleeper.domain, SAMPO_DOMAIN_WEIGHT, HEAVY), "WEIGHT");
	guest_load(&sleeper, late_handler, HANDLER);
	guest_vector(&sleeper, 0x40);
	guest_load(&sleeper, late, CODE);
	guest_prepare(&sleeper);
	write_word(AHEAD, APART);
	must(sampo_vcpu_ctl(sleeper.vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	check(guest_counts_on(&sleeper, 0), "late: a guest that sleeps and wakes", "does not wake");
}

/* Until it has slept and woken some times more. */
static void compute(void)
{
	uint32_t count = guest_word(&sleeper, COUNT);
	uint64_t end = rdtsc() + 1000 * tsc_per_ms;

	while (guest_word(&sleeper, COUNT) - count < 8 && rdtsc() < end)
		;
}

/* The most of some times, since a step is seen if a deadline falls into it. */
static uint32_t latest(void (*make)(void), void (*end)(void))
{
	uint32_t most = 0;

	for (unsigned i = 0; i < TIMES; i++) {
		if (make)
			make();
		compute();
		write_word(WORST, 0);
		if (end)
			end();
		compute();
		most = guest_word(&sleeper, WORST) > most ? guest_word(&sleeper, WORST) : most;
	}
	return most;
}

static void make_mappings(void)
{
	must(sampo_domain_create(machine, 0, VCPU_PAGES, 1024, &domain), "domain_create");
	must(sampo_region_create(self, PAGE, 0, &region), "region_create");
	for (unsigned i = 0; i < MAPPINGS; i++)
		must(sampo_region_map(region, domain, i * 2 * PAGE, 0, 1, PAGE), "region_map");
}

static void unmap(void)
{
	must(sampo_region_unmap(domain, 0, ~0ull), "region_unmap");
	must(sampo_handle_close(region) | sampo_handle_close(domain), "handle_close");
}

/* With events, handles, vCPUs and mappings. */
static void make_domain(void)
{
	make_mappings();
	must(sampo_event_create(self, SAMPO_EVENT_NONE, 0, 0, &event), "event_create");
	for (unsigned i = 0; i < VCPUS; i++)
		must(sampo_vcpu_create(domain, i, event, &vcpu[i]), "vcpu_create");
	for (unsigned i = 0; i < MANY; i++)
		must(sampo_handle_copy(event, domain, SAMPO_R_ALL, &handle), "handle_copy");
}

static void destroy(void)
{
	must(sampo_domain_ctl(domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	for (unsigned i = 0; i < VCPUS; i++)
		must(sampo_handle_close(vcpu[i]), "handle_close");
	must(sampo_handle_close(event) | sampo_handle_close(region) | sampo_handle_close(domain),
	     "handle_close");
}

static void make_memory(void)
{
	must(sampo_region_create(self, BIG, SAMPO_REGION_2M, &region), "region_create");
}

static void close_memory(void)
{
	must(sampo_handle_close(region), "handle_close");
}

static void make_pages(void)
{
	must(sampo_region_create(self, BIG / 8, 0, &region), "region_create");
}

static void report(const char *name, uint32_t before, uint32_t late)
{
	printf("longest step of %s: %u ticks\n", name, late > before ? late - before : 0);
	if (!option_word("loose"))
		check(late < LATE, name, "a neighbour's timer is %u ticks late", late);
}

void test_late(void)
{
	uint32_t before;

	start();
	before = latest(NULL, NULL);
	report("nothing", 0, before);
	report("region_unmap of 2000 mappings", before, latest(make_mappings, unmap));
	report("DESTROY of 64 vCPUs, 2000 mappings, 1000 handles", before,
	       latest(make_domain, destroy));
	report("handle_close of 128 MiB in blocks", before, latest(make_memory, close_memory));
	report("handle_close of 16 MiB in pages", before, latest(make_pages, close_memory));
	guest_remove(&sleeper);
}
