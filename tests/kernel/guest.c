/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest made by hand. */
#include <string.h>

#include "tests/kernel/abi.h"

#define WAIT_MS 10000u /* of time that goes on while the emulator waits for its turn */

static int64_t map_here(uint32_t region, uint64_t at, uint64_t bytes)
{
	return sampo_region_map(region, 0, at, 0, SAMPO_MAP_R | SAMPO_MAP_W, bytes);
}

int64_t guest_create_within(struct guest *g, unsigned slot, uint64_t pages, uint64_t memory,
			    uint64_t bytes)
{
	uint64_t at = slot_address(slot);
	int64_t status;

	*g = (struct guest){.slot = slot, .bytes = bytes};
	status = sampo_domain_create_within(machine, 0, pages, 1024, memory, &g->domain);
	if (!status)
		status = sampo_region_create(g->domain, bytes,
					     bytes % BLOCK ? SAMPO_REGION_4K : SAMPO_REGION_2M,
					     &g->region);
	if (!status)
		status = sampo_region_map(g->region, g->domain, 0, 0, SAMPO_MAP_RWX, bytes);
	if (!status)
		status = map_here(g->region, at, bytes);
	if (!status)
		status = sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_OF_GUEST + slot, 0,
					    &g->event);
	if (!status)
		status = sampo_vcpu_create(g->domain, 0, g->event, &g->vcpu);
	if (!status)
		status = sampo_vcpu_page(g->vcpu, &g->exit_region);
	if (!status)
		status = map_here(g->exit_region, at + BLOCK, PAGE);
	g->ram = (uint8_t *)(uintptr_t)at;
	g->exit = (struct sampo_exit *)(uintptr_t)(at + BLOCK);
	return status;
}

int64_t guest_create(struct guest *g, unsigned slot, uint64_t pages, uint64_t bytes)
{
	return guest_create_within(g, slot, pages, ~0ull, bytes);
}

void guest_make(struct guest *g, unsigned slot)
{
	must(guest_create(g, slot, KERNEL_PAGES, 16 * PAGE), "making a guest");
}

void guest_remove(struct guest *g)
{
	const uint32_t handles[] = {g->vcpu, g->exit_region, g->event, g->region, g->domain};

	if (g->domain)
		sampo_domain_ctl(g->domain, SAMPO_DOMAIN_DESTROY, 0);
	sampo_region_unmap(self, slot_address(g->slot), 2 * BLOCK);
	for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		if (handles[i])
			sampo_handle_close(handles[i]);
	*g = (struct guest){0};
}

void guest_load_code(struct guest *g, const uint8_t *code, const uint8_t *end, uint32_t at)
{
	memcpy(g->ram + at, code, (size_t)(end - code));
}

void guest_prepare(struct guest *g)
{
	struct sampo_exit *e = g->exit;

	for (unsigned i = SAMPO_ES; i <= SAMPO_GS; i++)
		e->seg[i] = (struct sampo_segment){0, 0x93, 0xffff, 0};
	e->seg[SAMPO_CS].attrib = 0x9b;
	e->seg[SAMPO_IDTR] = (struct sampo_segment){0, 0, 0x3ff, 0};
	e->rip = CODE;
	e->rflags = 2;
	e->gpr[SAMPO_RSP] = CODE;
	e->dirty = SAMPO_DIRTY_SYSTEM | SAMPO_DIRTY_RIP;
	memset(g->ram + COUNT, 0, 0x100);
}

void guest_vector(struct guest *g, unsigned vector)
{
	const uint16_t entry[2] = {HANDLER, 0};

	memcpy(g->ram + 4 * vector, entry, sizeof(entry));
}

static uint32_t reason_of(const struct guest *g)
{
	return __atomic_load_n(&g->exit->reason, __ATOMIC_ACQUIRE);
}

uint32_t guest_wait(struct guest *g)
{
	uint64_t deadline = rdtsc() + WAIT_MS * tsc_per_ms;
	struct event_bits bits;

	for (;;) {
		events_take(&bits);
		if (reason_of(g) || rdtsc() > deadline)
			return reason_of(g);
		sampo_wait(deadline, 0);
	}
}

uint32_t guest_answer(struct guest *g, uint32_t dirty)
{
	struct event_bits bits;

	g->exit->dirty = dirty;
	events_take(&bits);
	must(sampo_wait(rdtsc() + WAIT_MS * tsc_per_ms, g->vcpu), "wait with a reply");
	return guest_wait(g);
}

bool guest_at_port(const struct guest *g)
{
	return g->exit->reason == SAMPO_EXIT_IO && g->exit->port == 0x99;
}

uint32_t guest_word(const struct guest *g, uint32_t at)
{
	uint32_t word;

	memcpy(&word, g->ram + at, sizeof(word));
	return word;
}

uint64_t guest_cpu_ns(const struct guest *g)
{
	static struct sampo_domain_info info;

	must(sampo_object_info(g->domain, SAMPO_INFO_DOMAIN, &info, sizeof(info), 0, NULL),
	     "domain info");
	return info.cpu_ns;
}

bool guest_counts_on(const struct guest *g, uint32_t count)
{
	for (unsigned ms = 0; ms < 5000 && guest_word(g, COUNT) == count; ms++)
		pass_ms(1);
	return guest_word(g, COUNT) != count;
}

void guest_until_asleep(const struct guest *g)
{
	static struct sampo_vcpu_info info;

	for (unsigned i = 0; i < 1000; i++) {
		pass_ms(1);
		must(sampo_object_info(g->vcpu, SAMPO_INFO_VCPU, &info, sizeof(info), 0, NULL),
		     "vCPU info");
		if (info.state == 2)
			return;
	}
}

void pass_ms(uint64_t ms)
{
	uint64_t deadline = rdtsc() + ms * tsc_per_ms;
	struct event_bits bits;

	while (rdtsc() < deadline) {
		events_take(&bits);
		sampo_wait(deadline, 0);
	}
}
