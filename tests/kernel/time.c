/* SPDX-License-Identifier: BSD-2-Clause */
/* Deadlines of wait, and who gets how much of the CPU. */
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
	cap();
	moves();
}
