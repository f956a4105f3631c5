/* SPDX-License-Identifier: BSD-2-Clause */
/* Deadlines of wait, and who gets how much of the CPU. */
#include <string.h>

#include "tests/kernel/abi.h"

#define HOGS        3u
#define PERCENT_OFF 5

static void wait_for(uint64_t tsc, uint64_t most, const char *name)
{
	uint64_t from, took;
	struct event_bits bits;

	events_take(&bits);
	from = rdtsc();
	must(sampo_wait(tsc ? from + tsc : 0, 0), "wait");
	took = rdtsc() - from;
	check(took >= tsc && (took <= tsc + most || option_word("loose")), name,
	      "took %llu of %llu TSC ticks", (unsigned long long)took, (unsigned long long)tsc);
}

static void deadlines(void)
{
	struct event_bits bits;
	uint64_t from, took;
	uint32_t event;

	wait_for(0, tsc_per_ms / 10, "wait: no time at all");
	wait_for(tsc_per_ms / 10, tsc_per_ms / 2, "wait: 0.1 ms");
	wait_for(5 * tsc_per_ms, tsc_per_ms / 2, "wait: 5 ms");
	wait_for(100 * tsc_per_ms, tsc_per_ms, "wait: 100 ms");
	expect(sampo_wait(1, 0), SAMPO_OK, "wait: for the past");
	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_FREE, 0, &event), "event");
	must(sampo_event_raise(event), "event_raise");
	from = rdtsc();
	must(sampo_wait(~0ull, 0), "wait");
	took = rdtsc() - from;
	check(took < tsc_per_ms || option_word("loose"), "wait: something is pending", "took %llu",
	      (unsigned long long)took);
	events_take(&bits);
	check(event_taken(&bits, EVENT_FREE), "wait: the bit", "is not set");
	must(sampo_handle_close(event), "handle_close");
}

/* Both on one CPU, the first: dom0's. */
static void pin(struct guest *g)
{
	static uint64_t first[4] = {1};

	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)first), "AFFINITY");
}

#define RING_EACH (WORDS + 8)
#define RINGS     100u
#define SOON_NS   20000u
#define TOGETHER  10u

/* Lets the guest ring in such a distance, and answers nothing. Returns how often it rang for each
 * time that the monitor woke; *late_ns: for how long it went on behind its last ring, the least. */
static uint32_t rings_a_wake(struct guest *g, uint32_t distance, uint64_t *late_ns)
{
	uint32_t count = 0, late, least = ~0u;
	struct event_bits bits;

	memcpy(g->ram + RING_EACH, &distance, sizeof(distance));
	for (unsigned i = 0; i < RINGS; i++) {
		if (i == RINGS / 2)
			count = guest_word(g, COUNT);
		must(sampo_wait(rdtsc() + 1000 * tsc_per_ms, 0), "wait");
		late = guest_word(g, WORDS + 4) - guest_word(g, WORDS);
		if ((int32_t)late < 0)
			late = 0; /* it has not gone on yet */
		events_take(&bits);
		least = late < least ? late : least;
	}
	*late_ns = least * 1000000ull / tsc_per_ms;
	return (guest_word(g, COUNT) - count) / (RINGS / 2);
}

/* Of a guest that goes on computing behind a doorbell the monitor hears soon; of one that rings
 * again and again it hears once for many rings. In Bochs a switch takes 20 of its microseconds, and
 * the shares of the CPU decide when the monitor runs. */
static void patience(void)
{
	uint32_t event, together;
	uint64_t late_ns;
	struct guest g;

	guest_make(&g, 0);
	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_FREE, 0, &event), "event_create");
	must(sampo_doorbell(event, g.domain, 0x500, 2), "doorbell");
	pin(&g);
	guest_load(&g, rings, CODE);
	guest_prepare(&g);
	memcpy(g.ram + RING_EACH, &(uint32_t){100000}, 4);
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	together = rings_a_wake(&g, 100000, &late_ns);
	check(together <= 2 && (late_ns < SOON_NS || option_word("loose")),
	      "patience: with a guest that computes on", "%u rings a wake, %llu ns late", together,
	      (unsigned long long)late_ns);
	together = rings_a_wake(&g, 10, &late_ns);
	check(together >= TOGETHER || option_word("loose"), "patience: with one that rings again",
	      "%u rings a wake", together);
	guest_remove(&g);
	must(sampo_handle_close(event), "handle_close");
}

#define STEAL_VERSION 2 /* word of KVM's structure: it changes with each write */

/* Until the guest has waited for its turn and was told; false: it was not. */
static bool is_told(const volatile uint32_t *steal, uint32_t version)
{
	uint64_t end = rdtsc() + 5000 * tsc_per_ms;

	while (steal[STEAL_VERSION] == version && rdtsc() < end)
		;
	return steal[STEAL_VERSION] != version;
}

/*
 * The kernel keeps in mind where a guest's word for its steal time is. Once other memory is there,
 * that is written, and what was there before is not.
 */
static void steal(void)
{
	uint64_t at = slot_address(1);
	volatile uint32_t *page[2];
	uint32_t region[2], version;
	struct guest g;

	guest_make(&g, 0);
	for (unsigned i = 0; i < 2; i++) {
		page[i] = (volatile uint32_t *)(uintptr_t)(at + i * PAGE);
		must(sampo_region_create(self, PAGE, 0, &region[i]), "region_create");
		must(sampo_region_map(region[i], 0, at + i * PAGE, 0, SAMPO_MAP_R | SAMPO_MAP_W,
				      PAGE),
		     "region_map");
	}
	must(sampo_region_map(region[0], g.domain, BLOCK, 0, SAMPO_MAP_RWX, PAGE), "region_map");
	pin(&g);
	guest_run(&g, stolen);
	check(guest_counts_on(&g, 0) && is_told(page[0], 0), "steal: time is told", "it is not");
	must(sampo_region_unmap(g.domain, BLOCK, PAGE), "region_unmap");
	must(sampo_region_map(region[1], g.domain, BLOCK, 0, SAMPO_MAP_RWX, PAGE), "region_map");
	version = page[0][STEAL_VERSION];
	check(is_told(page[1], 0), "steal: the word has moved", "nothing is written there");
	check(page[0][STEAL_VERSION] == version, "steal: what was there before",
	      "version %x, then %x", version, page[0][STEAL_VERSION]);
	must(sampo_region_unmap(self, at, 2 * PAGE), "region_unmap");
	guest_remove(&g);
	must(sampo_handle_close(region[0]) | sampo_handle_close(region[1]), "handle_close");
}

/* A quarter of each 20 ms, alone on its CPU or not. */
static void cap(void)
{
	struct guest g;
	uint64_t ran, from, percent;

	guest_make(&g, 0);
	must(sampo_domain_ctl(g.domain, SAMPO_DOMAIN_CAP, 5000ull | 20000ull << 32), "CAP");
	guest_run(&g, spin);
	pass_ms(40);
	from = rdtsc();
	ran = guest_cpu_ns(&g);
	pass_ms(400);
	ran = guest_cpu_ns(&g) - ran;
	percent = ran * tsc_per_ms / 10000 / (rdtsc() - from);
	check(option_word("loose") ? percent < 90 : percent >= 24 && percent <= 26,
	      "cap: a quarter", "%llu %%", (unsigned long long)percent);
	must(sampo_domain_ctl(g.domain, SAMPO_DOMAIN_CAP, 0), "CAP");
	ran = guest_cpu_ns(&g);
	pass_ms(100);
	ran = guest_cpu_ns(&g) - ran;
	check(ran >= (option_word("loose") ? 1 : 90000000), "cap: none", "%llu ns",
	      (unsigned long long)ran);
	guest_remove(&g);
}

static void shares(uint32_t weight, const char *name)
{
	struct guest a, b;
	uint64_t one, two, ratio;

	guest_make(&a, 0);
	guest_make(&b, 1);
	must(sampo_domain_ctl(a.domain, SAMPO_DOMAIN_WEIGHT, weight), "WEIGHT");
	pin(&a);
	pin(&b);
	guest_run(&a, spin);
	guest_run(&b, spin);
	pass_ms(50);
	one = guest_cpu_ns(&a);
	two = guest_cpu_ns(&b);
	pass_ms(400);
	one = guest_cpu_ns(&a) - one;
	two = guest_cpu_ns(&b) - two;
	ratio = two ? one * 100 / two : 0; /* percent */
	check(option_word("loose") ? one && two
				   : ratio * 1024 >= weight * (100 - PERCENT_OFF) &&
					     ratio * 1024 <= weight * (100 + PERCENT_OFF) &&
					     one + two > 360000000 && one + two < 410000000,
	      name, "%llu ns and %llu ns", (unsigned long long)one, (unsigned long long)two);
	guest_remove(&a);
	guest_remove(&b);
}

/* Three that only compute, on the CPUs of that map: each has its third within 3 %. */
static void equal(uint64_t map, const char *name)
{
	static uint64_t cpus[4];
	uint64_t ran[HOGS], sum = 0, least = ~0ull, most = 0;
	struct guest g[HOGS];

	cpus[0] = map;
	for (unsigned i = 0; i < HOGS; i++) {
		guest_make(&g[i], i);
		must(sampo_vcpu_ctl(g[i].vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)cpus), "AFFINITY");
		guest_run(&g[i], spin);
	}
	pass_ms(50);
	for (unsigned i = 0; i < HOGS; i++)
		ran[i] = guest_cpu_ns(&g[i]);
	pass_ms(500);
	for (unsigned i = 0; i < HOGS; i++) {
		ran[i] = guest_cpu_ns(&g[i]) - ran[i];
		sum += ran[i];
		least = ran[i] < least ? ran[i] : least;
		most = ran[i] > most ? ran[i] : most;
	}
	check(sum && least * HOGS * 100 >= sum * 97 && most * HOGS * 100 <= sum * 103, name,
	      "%llu, %llu, %llu ns", (unsigned long long)ran[0], (unsigned long long)ran[1],
	      (unsigned long long)ran[2]);
	for (unsigned i = 0; i < HOGS; i++)
		guest_remove(&g[i]);
}

void test_hogs(void)
{
	static struct sampo_machine_info info;

	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL),
	     "machine info");
	equal(1, "three equal hogs on one CPU");
	if (info.cpus > 1)
		equal(3, "three equal hogs on two CPUs");
}

static unsigned cpu_of_self(void)
{
	struct sampo_vcpu_info info;

	must(sampo_object_info(sampo_boot_info->vcpu, SAMPO_INFO_VCPU, &info, sizeof(info), 0,
			       NULL),
	     "vCPU info");
	return info.cpu;
}

/* The caller itself, from CPU to CPU: it is there when the call has returned, its registers,
 * its deadlines and what wakes it with it, and a guest that stays behind answers it. */
static void moves(void)
{
	static struct sampo_machine_info info;
	static uint64_t map[4];
	unsigned elsewhere = 0, early = 0, lost = 0;
	struct guest g;

	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL),
	     "machine info");
	guest_make(&g, 0);
	pin(&g);
	guest_run(&g, ports);
	for (unsigned i = 1; i <= 3 * info.cpus; i++) {
		unsigned cpu = i % info.cpus;
		uint64_t from;

		map[0] = 1ull << cpu;
		must(sampo_vcpu_ctl(sampo_boot_info->vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)map),
		     "AFFINITY of oneself");
		elsewhere += cpu_of_self() != cpu;
		from = rdtsc();
		pass_ms(1);
		early += rdtsc() - from < tsc_per_ms;
		guest_wait(&g);
		lost += !guest_at_port(&g);
		g.exit->dirty = SAMPO_DIRTY_NONE;
		must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	}
	check(!elsewhere, "it moves itself", "%u times not", elsewhere);
	check(!early, "and its deadlines", "%u come early", early);
	check(!lost, "and its guests' events", "%u are lost", lost);
	guest_remove(&g);
}

void test_time(void)
{
	deadlines();
	shares(1024, "weights: 1 to 1");
	shares(2048, "weights: 2 to 1");
	if (!sampo_by_vmcall)
		patience();
	steal();
	cap();
	moves();
}
