/* SPDX-License-Identifier: BSD-2-Clause */
/* Quotas, and that nothing is lost. */
#include <string.h>

#include "tests/kernel/abi.h"

#define ROUNDS 200u

/* One of everything, running, mapped and bound; then away with it. */
static void round_of_all(unsigned round)
{
	uint32_t copy, there, event, extra;
	struct guest g;

	guest_make(&g, 0);
	must(sampo_region_create(g.domain, BLOCK, SAMPO_REGION_2M, &extra), "region_create");
	must(sampo_region_map(extra, g.domain, 4 * BLOCK, 0, SAMPO_MAP_RWX, BLOCK), "region_map");
	must(sampo_region_map(extra, 0, slot_address(9), 0, 3, BLOCK), "region_map");
	*(volatile uint8_t *)(uintptr_t)slot_address(9) = 1;
	must(sampo_event_create(g.domain, SAMPO_EVENT_MSI, 0xfee00000, 0x40, &event), "event");
	must(sampo_doorbell(event, g.domain, 0x500, 2), "doorbell");
	must(sampo_doorbell(g.event, g.domain, 0x600, 2), "doorbell");
	must(sampo_handle_copy(g.domain, g.domain, SAMPO_R_ALL, &there), "handle_copy");
	must(sampo_handle_copy(g.vcpu, g.domain, SAMPO_R_ALL, &there), "handle_copy");
	must(sampo_handle_copy(g.vcpu, 0, SAMPO_R_READ, &copy), "handle_copy");
	guest_run(&g, spin);
	if (round % 2)
		sampo_wait(rdtsc() + tsc_per_ms, 0);
	must(sampo_region_dirty(g.domain, 0, 16, NULL, SAMPO_DIRTY_START), "START");
	if (round % 3 == 0)
		must(sampo_domain_ctl(g.domain, SAMPO_DOMAIN_PAUSE, 0), "PAUSE");
	must(sampo_handle_close(event) | sampo_handle_close(extra) | sampo_handle_close(copy),
	     "handle_close");
	guest_remove(&g);
	must(sampo_region_unmap(self, slot_address(9), BLOCK), "region_unmap");
}

static void expect_same(struct machine_use before, const char *name)
{
	struct machine_use now = machine_use();

	check(now.bytes == before.bytes && now.domains == before.domains &&
		      now.handles == before.handles,
	      name, "free %llu -> %llu, domains %u -> %u, handles %u -> %u",
	      (unsigned long long)before.bytes, (unsigned long long)now.bytes, before.domains,
	      now.domains, before.handles, now.handles);
}

static void quotas(void)
{
	struct machine_use before = machine_use();
	uint64_t pages = 0;
	int64_t status;
	struct guest g;
	bool clean = true;

	do {
		status = guest_create(&g, 0, pages++, 16 * PAGE);
		clean &= status == SAMPO_OK || status == SAMPO_ENOMEM;
		guest_remove(&g);
	} while (status && clean && pages < 200);
	check(!status && pages > 20, "use: ENOMEM until there are enough pages", "%lld with %llu",
	      (long long)status, (unsigned long long)pages);
	expect_same(before, "use: no quota leaks");
}

/* Page tables that a guest has no pages for end that guest only. */
static void no_page_tables(void)
{
	uint32_t region;
	uint64_t pages;
	struct guest g;

	for (pages = 20; guest_create(&g, 0, pages, 16 * PAGE); pages++)
		guest_remove(&g);
	guest_load(&g, memory, CODE);
	guest_prepare(&g);
	g.exit->seg[SAMPO_ES].base = 0x80000000;
	must(sampo_region_create(self, PAGE, 0, &region), "region_create");
	must(sampo_region_map(region, g.domain, 0x80000000, 0, 3, PAGE), "region_map");
	guest_answer(&g, g.exit->dirty);
	check(g.exit->reason == SAMPO_EXIT_UNKNOWN, "use: no page for page tables", "exit %u",
	      g.exit->reason);
	guest_remove(&g);
	must(sampo_handle_close(region), "handle_close");
}

/* A domain that is gone, and what is still mapped here of it. */
static void still_mapped(void)
{
	struct guest g;

	guest_make(&g, 0);
	guest_run(&g, spin);
	pass_ms(2);
	must(sampo_domain_ctl(g.domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	memset(g.ram, 0x5a, g.bytes);
	pass_ms(2);
	check(guest_word(&g, COUNT) == 0x5a5a5a5a, "use: the dead one's memory stays mapped", "%x",
	      guest_word(&g, COUNT));
	guest_remove(&g);
}

void test_use(void)
{
	struct machine_use before;

	for (unsigned i = 0; i < 6; i++)
		round_of_all(i);
	before = machine_use();
	for (unsigned i = 0; i < ROUNDS; i++)
		round_of_all(i);
	expect_same(before, "use: nothing is lost");
	quotas();
	no_page_tables();
	still_mapped();
	expect_same(before, "use: nothing is lost at the end");
}
