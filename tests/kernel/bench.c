/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures in TSC ticks, which are instructions under -icount: the least of some rounds. */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/abi.h"

#define READY      0x840 /* in code.S */
#define ROUNDS     16u
#define QUIET      0x2100u /* handler of vCPU 0 */
#define OTHER      0x1800u /* code and stack of vCPU 1 */
#define LOCKING_MS 50u
#define WORKING_MS 100u

static uint64_t stamp(const struct guest *g, uint32_t at)
{
	return (uint64_t)guest_word(g, at + 4) << 32 | guest_word(g, at);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A doorbell that raises an event of kind MSI, to the handler's first instruction. */
static void event_to_handler(void)
{
	uint64_t least = ~0ull;
	uint32_t event;
	struct guest g;

	guest_make(&g, 0);
	guest_load(&g, handler_stamp, HANDLER);
	guest_vector(&g, 0x40);
	must(sampo_event_create(g.domain, SAMPO_EVENT_MSI, 0xfee00000, 0x40, &event), "event");
	must(sampo_doorbell(event, g.domain, 0x500, 2), "doorbell");
	guest_run(&g, ring_stamp);
	guest_wait(&g);
	for (unsigned i = 0; i < ROUNDS; i++) {
		guest_answer(&g, SAMPO_DIRTY_ADVANCE);
		least = less(least, stamp(&g, WORDS) - stamp(&g, WORDS + 8));
	}
	check(guest_at_port(&g) && guest_word(&g, COUNT) == ROUNDS + 1, "bench: event",
	      "%u handled", guest_word(&g, COUNT));
	printf("bench event %llu\n", (unsigned long long)least);
	must(sampo_handle_close(event), "handle_close");
	guest_remove(&g);
}

/* From this vCPU to another by wait(reply), to its next instruction; before that
 * to the first one of its life, whose page is not mapped yet. A domain without a
 * local APIC has the TSC of this one. */
static void vcpu_switch(void)
{
	struct guest g = {.bytes = 16 * PAGE};
	uint64_t at = slot_address(0), least = ~0ull, from;
	struct event_bits bits;

	must(sampo_domain_create(machine, SAMPO_DOMAIN_NO_LAPIC, KERNEL_PAGES, 1024, &g.domain),
	     "domain");
	must(sampo_region_create(g.domain, g.bytes, 0, &g.region), "region_create");
	must(sampo_region_map(g.region, g.domain, 0, 0, SAMPO_MAP_RWX, g.bytes), "region_map");
	must(sampo_region_map(g.region, 0, at, 0, 3, g.bytes), "region_map");
	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_OF_GUEST, 0, &g.event), "event");
	must(sampo_vcpu_create(g.domain, 0, g.event, &g.vcpu), "vcpu_create");
	must(sampo_vcpu_page(g.vcpu, &g.exit_region), "PAGE");
	must(sampo_region_map(g.exit_region, 0, at + BLOCK, 0, 3, PAGE), "region_map");
	g.ram = (uint8_t *)(uintptr_t)at;
	g.exit = (struct sampo_exit *)(uintptr_t)(at + BLOCK);
	guest_load(&g, stamp, CODE);
	guest_prepare(&g);
	events_take(&bits);
	from = rdtsc();
	sampo_wait(~0ull, g.vcpu);
	printf("bench first-instruction %llu\n", (unsigned long long)(stamp(&g, WORDS) - from));
	for (unsigned i = 0; i < ROUNDS; i++) {
		g.exit->dirty = SAMPO_DIRTY_ADVANCE;
		events_take(&bits);
		from = rdtsc();
		sampo_wait(~0ull, g.vcpu);
		least = less(least, stamp(&g, WORDS) - from);
	}
	check(guest_at_port(&g), "bench: switch", "exit %u", g.exit->reason);
	printf("bench vcpu-switch %llu\n", (unsigned long long)least);
	guest_remove(&g);
}

static void pin(const struct guest *g, unsigned cpu)
{
	static uint64_t map[4];

	map[0] = 1ull << cpu;
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)map), "AFFINITY");
}

/* A second vCPU of the guest g. */
static void sibling_make(struct guest *g, struct guest *other)
{
	const uint16_t quiet[2] = {QUIET, 0};

	*other = *g;
	must(sampo_vcpu_create(g->domain, 1, g->event, &other->vcpu), "vcpu_create");
	must(sampo_vcpu_page(other->vcpu, &other->exit_region), "PAGE");
	must(sampo_region_map(other->exit_region, 0, slot_address(0) + BLOCK + PAGE, 0, 3, PAGE),
	     "region_map");
	other->exit = (struct sampo_exit *)(uintptr_t)(slot_address(0) + BLOCK + PAGE);
	guest_load(g, handler_stamp, HANDLER);
	guest_vector(g, 0x40);
	guest_load(g, handler_quiet, QUIET);
	memcpy(g->ram + 4 * 0x41, quiet, sizeof(quiet));
	guest_prepare(other);
	other->exit->rip = other->exit->gpr[SAMPO_RSP] = OTHER;
}

/* From before a vCPU's write to the ICR to the first instruction of the handler of its
 * sibling, which is on that CPU, and asleep or computing. */
static void ipi(const char *name, unsigned cpu, bool asleep)
{
	uint64_t least = ~0ull;
	struct guest g, other;

	guest_make(&g, 0);
	sibling_make(&g, &other);
	pin(&g, 0);
	pin(&other, cpu);
	if (asleep)
		guest_load(&g, answer_asleep, OTHER);
	else
		guest_load(&g, answer_awake, OTHER);
	must(sampo_vcpu_ctl(other.vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	if (asleep)
		guest_until_asleep(&other);
	else /* until its local APIC takes messages */
		for (unsigned ms = 0; ms < 5000 && !guest_word(&g, READY); ms++)
			pass_ms(1);
	guest_run(&g, send_stamp);
	guest_wait(&g);
	for (unsigned i = 0; i < ROUNDS; i++) {
		pass_ms(1);
		guest_answer(&g, SAMPO_DIRTY_ADVANCE);
		least = less(least, stamp(&g, WORDS) - stamp(&g, WORDS + 8));
	}
	check(guest_at_port(&g) && guest_word(&g, COUNT) == ROUNDS + 1, name, "%u handled",
	      guest_word(&g, COUNT));
	printf("bench %s %llu\n", name, (unsigned long long)least);
	must(sampo_handle_close(other.vcpu) | sampo_handle_close(other.exit_region), "close");
	guest_remove(&g);
}

/* One page is unmapped from a guest that computes on that CPU, or is paused. */
static void unmap(const char *name, unsigned cpu, bool paused)
{
	uint64_t least = ~0ull, from;
	uint32_t region;
	struct guest g;

	guest_make(&g, 0);
	must(sampo_region_create(g.domain, PAGE, SAMPO_REGION_4K, &region), "region_create");
	pin(&g, cpu);
	guest_run(&g, spin);
	for (unsigned i = 0; i < ROUNDS; i++) {
		must(sampo_region_map(region, g.domain, BLOCK, 0, SAMPO_MAP_RWX, PAGE), "map");
		pass_ms(1);
		if (paused && !i)
			must(sampo_domain_ctl(g.domain, SAMPO_DOMAIN_PAUSE, 0), "PAUSE");
		from = rdtsc();
		must(sampo_region_unmap(g.domain, BLOCK, PAGE), "unmap");
		least = less(least, rdtsc() - from);
	}
	check(guest_word(&g, COUNT) != 0, name, "the guest did not run");
	printf("bench %s %llu\n", name, (unsigned long long)least);
	must(sampo_handle_close(region), "handle_close");
	guest_remove(&g);
}

/* Two vCPUs of g on one CPU run the same program, told who they are. */
static void pair_run(struct guest *g, struct guest *other, const uint8_t *code, const uint8_t *end)
{
	guest_make(g, 0);
	sibling_make(g, other);
	guest_load_code(g, code, end, CODE);
	guest_prepare(g);
	other->exit->rip = CODE;
	other->exit->gpr[SAMPO_RSI] = 1;
	g->exit->gpr[SAMPO_RDI] = other->exit->gpr[SAMPO_RDI] = sampo_by_vmcall;
	pin(g, 0);
	pin(other, 0);
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	must(sampo_vcpu_ctl(other->vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	pass_ms(2);
}

static void pair_end(struct guest *g, const struct guest *other)
{
	must(sampo_handle_close(other->vcpu) | sampo_handle_close(other->exit_region), "close");
	guest_remove(g);
}

/* All the time that it takes for each time that the lock changes hands. */
static void lock_handed(const char *name, const uint8_t *code, const uint8_t *end)
{
	struct guest g, other;
	uint64_t from, ticks;
	uint32_t count;

	pair_run(&g, &other, code, end);
	count = guest_word(&g, COUNT);
	from = rdtsc();
	pass_ms(LOCKING_MS);
	ticks = rdtsc() - from;
	count = guest_word(&g, COUNT) - count;
	check(count > 1, name, "the lock was taken %u times", count);
	printf("bench %s %llu\n", name, (unsigned long long)ticks / (count ? count : 1));
	pair_end(&g, &other);
}

/* Who has the lock was preempted: until it goes on. */
static void lock_away(void)
{
	struct guest g, other;
	uint32_t ticks, times;

	pair_run(&g, &other, code_lock_away, code_lock_away_end);
	ticks = guest_word(&g, WORDS);
	times = guest_word(&g, WORDS + 4);
	pass_ms(LOCKING_MS);
	ticks = guest_word(&g, WORDS) - ticks;
	times = guest_word(&g, WORDS + 4) - times;
	check(times > 1, "lock-away", "it was preempted %u times", times);
	printf("bench lock-away %u\n", ticks / (times ? times : 1));
	pair_end(&g, &other);
}

static void locks(void)
{
	lock_handed("lock-spin", code_lock_spin, code_lock_spin_end);
	lock_handed("lock-kick", code_lock_kick, code_lock_kick_end);
	lock_away();
}

/* The most that these guests do together in the time, in one of some rounds. */
static uint32_t work(const struct guest *g, unsigned count)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t done = 0;

		for (unsigned n = 0; n < count; n++)
			done -= guest_word(&g[n], COUNT);
		pass_ms(WORKING_MS);
		for (unsigned n = 0; n < count; n++)
			done += guest_word(&g[n], COUNT);
		most = done > most ? done : most;
	}
	return most;
}

/* What one guest does on one CPU, and two on two. */
static void throughput(const char *name, const uint8_t *code, const uint8_t *end)
{
	struct guest g[2];

	for (unsigned n = 0; n < 2; n++) {
		guest_make(&g[n], n);
		pin(&g[n], n);
		guest_load_code(&g[n], code, end, CODE);
		guest_prepare(&g[n]);
		must(sampo_vcpu_ctl(g[n].vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
		printf("bench %s-%u %u\n", name, n + 1, work(g, n + 1));
	}
	for (unsigned n = 0; n < 2; n++)
		guest_remove(&g[n]);
}

static void between_cpus(void)
{
	static struct sampo_machine_info info;

	ipi("ipi", 0, true);
	unmap("unmap", 0, true);
	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL),
	     "machine info");
	if (info.cpus < 2) {
		locks();
		return;
	}
	ipi("ipi-across", 1, false);
	ipi("wake-across", 1, true);
	unmap("unmap-across", 1, false);
	throughput("compute", code_spin, code_spin_end);
	throughput("exits", code_cpuid, code_cpuid_end);
}

void bench(void)
{
	event_to_handler();
	vcpu_switch();
	between_cpus();
	printf("bench done\n");
}
