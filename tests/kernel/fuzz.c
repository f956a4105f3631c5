/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls at random by a dom0 that means harm, except to itself: it does not end
 * its own domain, unmap its own memory or let the kernel write over it, for
 * then nobody could tell what the kernel does. Several vCPUs of it do so at
 * once, the workers, on as many CPUs as there are, with one table of handles;
 * each has a pet (fuzz_pet.c), whose vCPUs make calls as well. Now and then
 * all of them give back what they have, and nothing must be left then.
 */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/fuzz.h"

#define ROUND   1024u /* calls of each worker between two clearances */
#define STACK   16384u
#define SECONDS 120u /* that a round may take: of the machine's time, which may stand still */
/* Of kernel memory, page tables of this domain and objects that are kept for the next time. */
#define SLACK (2ull << 20)

struct worker workers[WORKERS];
uint32_t fuzz_kept;
uint8_t handle_types[HANDLES + 1];

static uint8_t stacks[WORKERS][STACK] __attribute__((aligned(16)));
static uint32_t round_number, finished;

/* What there must be again after a round. */
struct account {
	uint32_t domains, machine_handles, handles, regions, events;
	uint64_t memory, kernel_bytes, machine_kernel_bytes;
};

static struct account account(void)
{
	static struct sampo_machine_info m;
	static struct sampo_domain_info d;

	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &m, sizeof(m), 0, NULL), "info");
	must(sampo_object_info(self, SAMPO_INFO_DOMAIN, &d, sizeof(d), 0, NULL), "info");
	return (struct account){m.domains, m.handles,      d.handles,      d.regions,
				d.events,  d.memory_bytes, d.kernel_bytes, m.kernel_bytes};
}

static bool same(const struct account *a, const struct account *b)
{
	return a->domains == b->domains && a->machine_handles == b->machine_handles &&
	       a->handles == b->handles && a->regions == b->regions && a->events == b->events &&
	       a->memory == b->memory && a->kernel_bytes <= b->kernel_bytes + SLACK &&
	       a->machine_kernel_bytes <= b->machine_kernel_bytes + SLACK;
}

static void print_account(const char *when, const struct account *a)
{
	printf("fuzz: %s: domains %u handles %u/%u regions %u events %u memory %llu kernel %llu, "
	       "machine's %llu\n",
	       when, a->domains, a->handles, a->machine_handles, a->regions, a->events,
	       (unsigned long long)a->memory, (unsigned long long)a->kernel_bytes,
	       (unsigned long long)a->machine_kernel_bytes);
}

/* Workers that others have stopped go on; what else comes from them is a failure. */
static void supervise(void)
{
	for (struct worker *w = workers + 1; w < workers + WORKERS; w++) {
		uint32_t reason = __atomic_load_n(&w->exit->reason, __ATOMIC_ACQUIRE);

		if (reason == SAMPO_EXIT_STOPPED)
			sampo_vcpu_ctl(w->vcpu, SAMPO_VCPU_RESUME, 0);
		else if (reason)
			must((int64_t)reason, "fuzz: an exit of a worker");
	}
}

static void work(struct worker *w)
{
	uint64_t end = w->done + ROUND;
	struct event_bits bits;

	pet_make(w);
	while (w->done < end) {
		if (one_in(w, 12))
			fuzz_close_one(w);
		else
			fuzz_one(w);
		if (one_in(w, 8))
			pet_answer(w);
		if (one_in(w, 100))
			pet_disturb(w);
		if (one_in(w, 500))
			pet_make(w);
		if (w->id == 0 && one_in(w, 16)) {
			events_take(&bits);
			supervise();
		}
	}
	pet_remove(w);
	fuzz_close_all(w);
}

static void __attribute__((noreturn)) worker_main(struct worker *w)
{
	for (uint32_t next = 1;; next++) {
		while (__atomic_load_n(&round_number, __ATOMIC_ACQUIRE) != next)
			sampo_wait(rdtsc() + tsc_per_ms / 10, 0);
		work(w);
		__atomic_fetch_add(&finished, 1, __ATOMIC_ACQ_REL);
	}
}

/* A vCPU of this domain, of the same tables as the one that the kernel has made. */
static void make_worker(struct worker *w)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdt, idt;
	uint64_t place = slot_address(SLOT_OWN) + w->id * PAGE;
	uint64_t stack = (uint64_t)(uintptr_t)&stacks[w->id][STACK] - 8;
	uint32_t event, region;

	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_FREE + w->id, 0, &event), "event");
	must(sampo_vcpu_create(self, w->id, event, &w->vcpu), "vcpu_create");
	must(sampo_vcpu_page(w->vcpu, &region), "PAGE");
	must(sampo_region_map(region, 0, place, 0, SAMPO_MAP_R | SAMPO_MAP_W, PAGE), "region_map");
	must(sampo_handle_close(event) | sampo_handle_close(region), "handle_close");
	w->exit = (struct sampo_exit *)(uintptr_t)place;
	__asm__("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
	long_mode(w->exit, read_cr3(), (uint64_t)(uintptr_t)worker_main, stack);
	w->exit->seg[SAMPO_GDTR] = (struct sampo_segment){0, 0, gdt.limit, gdt.base};
	w->exit->seg[SAMPO_IDTR] = (struct sampo_segment){0, 0, idt.limit, idt.base};
	w->exit->gpr[SAMPO_RDI] = (uint64_t)(uintptr_t)w;
	if (w->vcpu > fuzz_kept)
		fuzz_kept = w->vcpu;
}

static void make_workers(uint64_t seed)
{
	fuzz_kept = self > machine ? self : machine;
	if (sampo_boot_info->vcpu > fuzz_kept)
		fuzz_kept = sampo_boot_info->vcpu;
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].id = i;
		workers[i].seed = random_next(&seed);
		if (i)
			make_worker(&workers[i]);
	}
	handle_types[machine] = SAMPO_T_MACHINE;
	handle_types[self] = SAMPO_T_DOMAIN;
	for (unsigned i = 0; i < WORKERS; i++)
		handle_types[i ? workers[i].vcpu : sampo_boot_info->vcpu] = SAMPO_T_VCPU;
	for (unsigned i = 1; i < WORKERS; i++)
		must(sampo_vcpu_ctl(workers[i].vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
}

static void one_round(void)
{
	uint64_t deadline = rdtsc() + SECONDS * 1000 * tsc_per_ms;
	struct event_bits bits;

	__atomic_store_n(&finished, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&round_number, round_number + 1, __ATOMIC_RELEASE);
	work(&workers[0]);
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < WORKERS - 1) {
		must(rdtsc() > deadline, "fuzz: workers come to the end of the round");
		events_take(&bits);
		supervise();
		sampo_wait(rdtsc() + tsc_per_ms / 10, 0);
	}
	sampo_region_unmap(self, slot_address(SLOT_ANY), (SLOTS - SLOT_ANY) * 2 * BLOCK);
	events_take(&bits);
}

static void still_well(void)
{
	uint64_t version = 0;
	struct guest g;

	sampo_version(&version);
	check(version == SAMPO_ABI_VERSION, "fuzz: the kernel answers", "%llx",
	      (unsigned long long)version);
	guest_make(&g, 0);
	guest_run(&g, ports);
	guest_wait(&g);
	check(guest_at_port(&g), "fuzz: a guest runs", "exit %u", g.exit->reason);
	guest_remove(&g);
}

static uint64_t calls_done(uint64_t *succeeded)
{
	uint64_t calls = 0;

	*succeeded = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		calls += workers[i].done;
		*succeeded += workers[i].succeeded;
	}
	return calls;
}

void fuzz(uint64_t seed, uint64_t calls, uint64_t seconds)
{
	uint64_t end = rdtsc() + seconds * 1000 * tsc_per_ms, succeeded, said = 0;
	struct account before, now;

	printf("fuzz: seed %llu, %u workers on %u CPUs\n", (unsigned long long)seed, WORKERS,
	       machine_cpus);
	make_workers(seed);
	one_round();
	before = account();
	now = before;
	while (same(&now, &before) && (calls ? calls_done(&succeeded) < calls : rdtsc() < end)) {
		one_round();
		now = account();
		if (calls_done(&succeeded) - said > 100000) {
			said = calls_done(&succeeded);
			printf("fuzz: %llu calls\n", (unsigned long long)said);
		}
	}
	print_account("before", &before);
	print_account("after", &now);
	check(same(&now, &before), "fuzz: nothing is left of a round", "round %u", round_number);
	said = calls_done(&succeeded);
	printf("fuzz: %llu calls, %llu succeeded\n", (unsigned long long)said,
	       (unsigned long long)succeeded);
	still_well();
}
