/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects that keep each other alive, and what each domain is charged for them. */
#include <stdio.h>

#include "tests/kernel/abi.h"

#define CHAIN     3000u
#define MAPPINGS  2000u
#define EVENTS    4000u
#define HANDLES   4000u
#define DOORBELLS 1024u /* at ports whose bits 2-7 and 6-11 are alike */
#define FEW       16u
#define FAR       (1ull << 32) /* of a guest, nothing there */

static uint32_t new_domain(uint64_t pages, uint64_t memory)
{
	uint32_t domain;

	must(sampo_domain_create_within(machine, 0, pages, 1024, memory, &domain), "domain_create");
	return domain;
}

static struct sampo_domain_info info_of(uint32_t domain)
{
	static struct sampo_domain_info info;

	must(sampo_object_info(domain, SAMPO_INFO_DOMAIN, &info, sizeof(info), 0, NULL), "info");
	return info;
}

static void expect_all_gone(struct machine_use before, const char *name)
{
	struct machine_use now = machine_use();

	check(now.domains == before.domains && now.handles == before.handles, name,
	      "%u domains, were %u; %u handles, were %u", now.domains, before.domains, now.handles,
	      before.handles);
}

/* Each domain is kept by a handle of the one before it alone. */
static uint32_t chain_of(unsigned length)
{
	uint32_t first = new_domain(64, ~0ull), last, next, there;

	must(sampo_handle_copy(first, 0, SAMPO_R_ALL, &last), "handle_copy");
	for (unsigned i = 1; i < length; i++) {
		next = new_domain(64, ~0ull);
		must(sampo_handle_copy(next, last, SAMPO_R_ALL, &there), "handle_copy");
		must(sampo_handle_close(last), "handle_close");
		last = next;
	}
	must(sampo_handle_close(last), "handle_close");
	return first;
}

static void chains(void)
{
	struct machine_use before = machine_use();
	uint32_t first = chain_of(CHAIN);

	check(machine_use().domains == before.domains + CHAIN, "objects: a chain of domains",
	      "%u domains", machine_use().domains);
	expect(sampo_domain_ctl(first, SAMPO_DOMAIN_DESTROY, 0), SAMPO_OK,
	       "objects: its first ends");
	must(sampo_handle_close(first), "handle_close");
	expect_all_gone(before, "objects: the whole chain ends");
	must(sampo_handle_close(chain_of(CHAIN)), "handle_close");
	expect_all_gone(before, "objects: the whole chain ends with a handle");
}

/* A region keeps its owner, the mapping of another domain keeps the region, and so on. */
static void owners(void)
{
	struct machine_use before = machine_use();
	uint32_t domain[200], region;

	for (unsigned i = 0; i < 200; i++) {
		domain[i] = new_domain(64, ~0ull);
		if (!i)
			continue;
		must(sampo_region_create(domain[i - 1], PAGE, 0, &region), "region_create");
		must(sampo_region_map(region, domain[i], 0, 0, SAMPO_MAP_R, PAGE), "region_map");
		must(sampo_handle_close(region), "handle_close");
		must(sampo_handle_copy(domain[i - 1], domain[i], SAMPO_R_ALL, &region), "copy");
		must(sampo_handle_close(domain[i - 1]), "handle_close");
	}
	must(sampo_handle_close(domain[199]), "handle_close");
	expect_all_gone(before, "objects: owners of regions end");
}

/* What only the domain itself keeps: its handle to itself, its mapping of its own region, its
 * vCPU. It runs meanwhile. */
static void by_itself(void)
{
	struct machine_use before = machine_use();
	uint32_t there;
	struct guest g;

	guest_make(&g, 0);
	guest_run(&g, spin);
	must(sampo_handle_copy(g.domain, g.domain, SAMPO_R_ALL, &there), "handle_copy");
	must(sampo_handle_copy(g.vcpu, g.domain, SAMPO_R_ALL, &there), "handle_copy");
	must(sampo_handle_copy(g.region, g.domain, SAMPO_R_ALL, &there), "handle_copy");
	must(sampo_region_unmap(self, slot_address(0), 2 * BLOCK), "region_unmap");
	must(sampo_handle_close(g.vcpu) | sampo_handle_close(g.exit_region) |
		     sampo_handle_close(g.event) | sampo_handle_close(g.region),
	     "handle_close");
	check(machine_use().domains == before.domains + 1, "objects: a handle keeps a domain",
	      "%u domains", machine_use().domains);
	must(sampo_handle_close(g.domain), "handle_close");
	expect_all_gone(before, "objects: a domain that only names itself ends");
}

/* Small mappings in an order that is not the one of their addresses. */
static uint64_t place(unsigned i)
{
	return FAR + i * 7919ull % MAPPINGS * 2 * PAGE;
}

static void many_mappings(void)
{
	uint32_t domain = new_domain(1000, ~0ull), region;
	uint64_t empty = info_of(domain).kernel_bytes, charged, at, from, first = ~0ull,
		 last = ~0ull;
	unsigned wrong = 0;

	must(sampo_region_create(domain, PAGE, 0, &region), "region_create");
	charged = info_of(domain).kernel_bytes;
	check(charged > empty + 2 * PAGE, "objects: a region is charged", "%llu bytes",
	      (unsigned long long)(charged - empty));
	for (unsigned i = 0; i < MAPPINGS; i++) {
		from = rdtsc();
		must(sampo_region_map(region, domain, place(i), 0, 1, PAGE), "region_map");
		from = rdtsc() - from;
		if (i >= 16 && i < 32 && from < first)
			first = from;
		if (i >= MAPPINGS - 16 && from < last)
			last = from;
	}
	check(info_of(domain).kernel_bytes >= charged + MAPPINGS * 64,
	      "objects: mappings are charged", "%llu bytes",
	      (unsigned long long)(info_of(domain).kernel_bytes - charged));
	check(last < 8 * first, "objects: a mapping among many", "%llu ticks, among few %llu",
	      (unsigned long long)last / 16, (unsigned long long)first / 16);
	printf("objects: region_map among %u mappings: %llu ticks, among 16: %llu\n", MAPPINGS,
	       (unsigned long long)last / 16, (unsigned long long)first / 16);
	for (unsigned i = 0; i < MAPPINGS; i++) {
		at = place(i);
		wrong += sampo_region_map(region, domain, at, 0, 1, PAGE) != SAMPO_EEXIST;
		wrong += sampo_region_unmap(domain, at + PAGE, PAGE) != SAMPO_EINVAL;
	}
	check(!wrong, "objects: each mapping is found", "%u are not", wrong);
	for (unsigned i = 0; i < MAPPINGS; i += 2)
		wrong += sampo_region_unmap(domain, place(i), 1) != SAMPO_OK;
	for (unsigned i = 0; i < MAPPINGS; i++)
		wrong += sampo_region_unmap(domain, place(i), 1) !=
			 (i % 2 ? SAMPO_OK : SAMPO_EINVAL);
	check(!wrong, "objects: each one is unmapped by itself", "%u are not", wrong);
	check(info_of(domain).kernel_bytes == charged, "objects: mappings are given back", "%llu",
	      (unsigned long long)info_of(domain).kernel_bytes);
	must(sampo_handle_close(region) | sampo_handle_close(domain), "handle_close");
}

/* Until the quota is used up: no object is free of charge. */
static void charged(void)
{
	static uint32_t event[EVENTS];
	struct machine_use before = machine_use();
	uint32_t domain = new_domain(32, ~0ull), region;
	uint64_t free_kernel = info_of(domain).kernel_bytes;
	unsigned n = 0;

	must(sampo_region_create(domain, PAGE, 0, &region), "region_create");
	while (n < 100000 && !sampo_region_map(region, domain, FAR + n * PAGE, 0, 1, PAGE))
		n++;
	check(n > 100 && n < 32 * PAGE / 64, "objects: mappings have a quota", "%u of them", n);
	must(sampo_region_unmap(domain, 0, ~0ull), "region_unmap");
	for (n = 0; n < EVENTS; n++)
		if (sampo_event_create(domain, SAMPO_EVENT_NONE, 0, 0, &event[n]))
			break;
	check(n > 100 && n < EVENTS, "objects: events have a quota", "%u of them", n);
	while (n-- > 0)
		must(sampo_handle_close(event[n]), "handle_close");
	must(sampo_handle_close(region), "handle_close");
	check(info_of(domain).kernel_bytes == free_kernel, "objects: all charges are given back",
	      "%llu, were %llu", (unsigned long long)info_of(domain).kernel_bytes,
	      (unsigned long long)free_kernel);
	must(sampo_handle_close(domain), "handle_close");
	expect_all_gone(before, "objects: nothing of a quota is left");
}

/* Among many, a call takes as long as among few. */
static void expect_flat(uint64_t first, uint64_t last, const char *name)
{
	printf("%s: %llu ticks among many, %llu among few\n", name, (unsigned long long)last / FEW,
	       (unsigned long long)first / FEW);
	check(option_word("loose") || last < 2 * first, name, "%llu ticks, among few %llu",
	      (unsigned long long)last / FEW, (unsigned long long)first / FEW);
}

static uint64_t copying(uint32_t *copy)
{
	uint64_t from = rdtsc();

	must(sampo_handle_copy(self, 0, 0, copy), "handle_copy");
	return rdtsc() - from;
}

/* The free entries are in front of all others, or behind them. */
static void many_handles(void)
{
	static uint32_t copy[HANDLES];
	uint64_t first = 0, last = 0;

	for (unsigned i = 0; i < HANDLES; i++) {
		uint64_t took = copying(&copy[i]);

		first += i < FEW ? took : 0;
	}
	for (unsigned i = 0; i < FEW; i++) {
		must(sampo_handle_close(copy[i]), "handle_close");
		copying(&copy[i]);
		must(sampo_handle_close(copy[HANDLES - 1 - i]), "handle_close");
		last += copying(&copy[HANDLES - 1 - i]);
	}
	expect_flat(first, last, "objects: a handle");
	for (unsigned i = 0; i < HANDLES; i++)
		must(sampo_handle_close(copy[i]), "handle_close");
}

/* At ports that were in one chain of a table by some of their bits. */
static void many_doorbells(void)
{
	static uint32_t event[HANDLES];
	uint32_t domain = new_domain(1000, ~0ull);
	uint64_t first = 0, last = 0, from;
	unsigned n = 0, wrong = 0;

	for (uint32_t port = 0; port < 65536; port++) {
		if ((port >> 2 ^ port >> 6) % 64)
			continue;
		must(sampo_event_create(self, SAMPO_EVENT_NONE, 0, 0, &event[n]), "event_create");
		from = rdtsc();
		must(sampo_doorbell(event[n], domain, port, 2), "doorbell");
		from = rdtsc() - from;
		wrong += sampo_doorbell(event[n], domain, port ^ 1, 2) != SAMPO_EEXIST;
		first += n < FEW ? from : 0;
		last += n >= DOORBELLS - FEW ? from : 0;
		n++;
	}
	check(n == DOORBELLS && !wrong, "objects: doorbells", "%u, %u wrong", n, wrong);
	expect_flat(first, last, "objects: a doorbell");
	while (n-- > 0)
		must(sampo_handle_close(event[n]), "handle_close");
	must(sampo_event_create(self, SAMPO_EVENT_NONE, 0, 0, &event[0]), "event_create");
	for (uint32_t port = 0; port < 65536; port += 512)
		wrong += sampo_doorbell(event[0], domain, port, 2) !=
			 (port ? SAMPO_EEXIST : SAMPO_OK);
	check(!wrong, "objects: doorbells end with their events", "%u do not", wrong);
	must(sampo_handle_close(domain), "handle_close");
	expect(sampo_doorbell(event[0], self, 0x500, 2), SAMPO_OK, "objects: and with the domain");
	must(sampo_handle_close(event[0]), "handle_close");
}

static void memory_limits(void)
{
	uint32_t domain = new_domain(64, 4 * PAGE), region, other;

	expect(sampo_region_create(domain, 5 * PAGE, 0, &region), SAMPO_ENOMEM,
	       "objects: more memory than the limit");
	expect(sampo_region_create(domain, 3 * PAGE, 0, &region), SAMPO_OK,
	       "objects: memory within the limit");
	expect(sampo_region_create(domain, 2 * PAGE, 0, &other), SAMPO_ENOMEM,
	       "objects: the second is beyond the limit");
	must(sampo_handle_close(region), "handle_close");
	expect(sampo_region_create(domain, 4 * PAGE, 0, &region), SAMPO_OK,
	       "objects: the limit is free again");
	must(sampo_handle_close(region) | sampo_handle_close(domain), "handle_close");
}

void test_objects(void)
{
	chains();
	owners();
	by_itself();
	many_mappings();
	charged();
	many_handles();
	many_doorbells();
	memory_limits();
}
