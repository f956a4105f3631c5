/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long the kernel keeps the CPU at a time for calls that have much to do. The kernel's trace of
 * this vCPU's exits has the time of each: a call that is done in steps is executed again and
 * again, and each time is an exit. The longest stretch is what lies between two of them.
 */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/abi.h"

#define STRETCH   60000u /* instructions, and what the emulator's clock counts beside them */
#define LINE      2048u
#define BIG       (128ull << 20)
#define WINDOWS   48u
#define ALL_PAGES (1ull << 36)

#define MOST_VCPUS 64u
#define VCPU_PAGES 1024u
#define MAPPINGS   2000u

static const struct sampo_vcpu_page *own_page;
static uint64_t longest;

static void begin(void)
{
	longest = 0;
}

/* What a call has added to the trace, of which the last 32 are there; and until now. */
static int64_t timed(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		     uint64_t *value)
{
	uint64_t first = own_page->traces, from, last;
	int64_t status = sampo_call(number, a, b, c, d, e, value);
	uint64_t end = own_page->traces, now = rdtsc(); /* an exit between the two is not missed */

	if (end - first > SAMPO_TRACES - 1)
		first = end - (SAMPO_TRACES - 1);
	from = own_page->trace[first % SAMPO_TRACES].tsc;
	for (uint64_t n = first + 1; n <= end; n++) {
		last = n < end ? own_page->trace[n % SAMPO_TRACES].tsc : now;
		if (last - from > longest)
			longest = last - from;
		from = last;
	}
	return status;
}

static void report(const char *name)
{
	printf("longest stretch of %s: %llu ticks\n", name, (unsigned long long)longest);
	if (option_word("loose"))
		return;
	check(longest < STRETCH, name, "%llu ticks", (unsigned long long)longest);
}

static void bus(void)
{
	uint64_t address, part, none = 0, window = slot_address(0);
	uint32_t region;
	int64_t status;

	begin();
	must(timed(SAMPO_CALL_region_create, self, BIG, SAMPO_REGION_2M, 0, 0, &part), "create");
	report("region_create");
	region = (uint32_t)part;
	must(sampo_region_map(region, 0, window, 0, SAMPO_MAP_R | SAMPO_MAP_W, BIG), "region_map");
	begin();
	for (unsigned i = 0; i < BIG / BLOCK; i++) {
		do
			status = timed(SAMPO_CALL_object_info, self, SAMPO_INFO_BUS,
				       sampo_gpa(&address), sizeof(address), window + i * BLOCK,
				       &part);
		while (status == SAMPO_EAGAIN);
		none += status || !address || address % BLOCK;
	}
	check(!none, "long: each block has a bus address", "%llu have none",
	      (unsigned long long)none);
	report("object_info BUS");
	must(sampo_region_unmap(self, window, BIG), "region_unmap");
	must(sampo_handle_close(region), "handle_close");
}

/* A page of small pieces of text: the kernel takes what the UART has room for. */
static void text(void)
{
	static char line[LINE];
	uint64_t done = 0, part;
	int64_t status;

	memset(line, '.', sizeof(line));
	line[LINE - 1] = '\n';
	begin();
	do {
		status = timed(SAMPO_CALL_log, machine, SAMPO_LOG_CONSOLE, sampo_gpa(line) + done,
			       LINE - done, 0, &part);
		done += part;
	} while (status == SAMPO_EAGAIN && part);
	check(!status && done == LINE, "long: a long text", "%lld, %llu bytes", (long long)status,
	      (unsigned long long)done);
	report("log");
}

/* Of all that can be asked for, with a bitmap of one region that is mapped over and over. */
static void dirty(void)
{
	uint32_t domain, region;
	uint64_t window = slot_address(0), part = 0, pages = ALL_PAGES;
	int64_t status = SAMPO_EAGAIN;

	must(sampo_domain_create(machine, 0, 64, 1024, &domain), "domain_create");
	must(sampo_region_create(self, BLOCK, SAMPO_REGION_2M, &region), "region_create");
	for (unsigned i = 0; i < WINDOWS; i++)
		must(sampo_region_map(region, 0, window + i * BLOCK, 0, 3, BLOCK), "region_map");
	begin();
	while (pages > ALL_PAGES - (WINDOWS * BLOCK - PAGE) * 8 && status == SAMPO_EAGAIN) {
		uint64_t done = ALL_PAGES - pages;

		status = timed(SAMPO_CALL_region_dirty, domain, done * PAGE, pages,
			       window + done / 8, SAMPO_DIRTY_READ, &part);
		pages -= part;
		if (done > 4096 * 512)
			break;
	}
	expect(status, SAMPO_EAGAIN, "long: READ of all addresses comes back");
	report("region_dirty READ");
	begin();
	status = timed(SAMPO_CALL_region_dirty, domain, 0, ALL_PAGES, 0, SAMPO_DIRTY_START, &part);
	check(!status && part == ALL_PAGES, "long: START of all addresses", "%lld, %llu pages",
	      (long long)status, (unsigned long long)part);
	status = timed(SAMPO_CALL_region_dirty, domain, 0, ALL_PAGES, 0, SAMPO_DIRTY_STOP, &part);
	check(!status && part == ALL_PAGES, "long: STOP of all addresses", "%lld, %llu pages",
	      (long long)status, (unsigned long long)part);
	report("region_dirty START, STOP");
	must(sampo_region_unmap(self, window, WINDOWS * BLOCK), "region_unmap");
	must(sampo_handle_close(region) | sampo_handle_close(domain), "handle_close");
}

/* No bit is lost for a bitmap that is not there. */
static void not_lost(void)
{
	static uint64_t bitmap[8];
	struct guest g;

	must(guest_create(&g, 0, KERNEL_PAGES, BLOCK), "making a guest");
	guest_run(&g, spin);
	for (unsigned ms = 0; ms < 5000 && !guest_word(&g, COUNT); ms++)
		pass_ms(1);
	must(sampo_domain_ctl(g.domain, SAMPO_DOMAIN_PAUSE, 0), "PAUSE");
	expect(sampo_call(SAMPO_CALL_region_dirty, g.domain, 0, 512, 1ull << 45, SAMPO_DIRTY_READ,
			  NULL),
	       SAMPO_EFAULT, "long: READ to nowhere");
	must(sampo_region_dirty(g.domain, 0, 512, bitmap, SAMPO_DIRTY_READ), "READ");
	check(bitmap[0], "long: what READ could not tell is told by the next", "nothing is");
	guest_remove(&g);
}

/* A call that succeeds; returns its value. */
static uint32_t one(const char *name, uint64_t number, uint64_t a, uint64_t b, uint64_t c,
		    uint64_t d, uint64_t e)
{
	uint64_t value;

	begin();
	must(timed(number, a, b, c, d, e, &value), name);
	report(name);
	return (uint32_t)value;
}

/* Each of the calls that are done at once. */
static void short_calls(void)
{
	static uint8_t facts[256];
	uint64_t gpa = sampo_gpa(facts), bytes = sizeof(facts), window = slot_address(0);
	uint32_t domain, event, region, vcpu, handle;

	one("version", SAMPO_CALL_version, 0, 0, 0, 0, 0);
	one("wait", SAMPO_CALL_wait, 0, 0, 0, 0, 0);
	domain =
		one("domain_create", SAMPO_CALL_domain_create, machine, 0, VCPU_PAGES, 1024, ~0ull);
	event = one("event_create", SAMPO_CALL_event_create, self, SAMPO_EVENT_NONE, 0, 0, 0);
	one("event_raise", SAMPO_CALL_event_raise, event, 0, 0, 0, 0);
	one("doorbell", SAMPO_CALL_doorbell, event, domain, 0x500, 2, 0);
	vcpu = one("vcpu_create", SAMPO_CALL_vcpu_create, domain, 0, event, 0, 0);
	one("vcpu_ctl FETCH", SAMPO_CALL_vcpu_ctl, vcpu, SAMPO_VCPU_FETCH, 0, 0, 0);
	one("vcpu_ctl RESET", SAMPO_CALL_vcpu_ctl, vcpu, SAMPO_VCPU_RESET, 0, 0, 0);
	one("vcpu_lapic", SAMPO_CALL_vcpu_lapic, vcpu, 0x20, 0, 0, 0);
	one("msi", SAMPO_CALL_msi, domain, 0xfee00000, 0x40, 0, 0);
	handle = one("handle_copy", SAMPO_CALL_handle_copy, domain, 0, SAMPO_R_ALL, 0, 0);
	one("handle_close of a copy", SAMPO_CALL_handle_close, handle, 0, 0, 0, 0);
	handle = one("device_create", SAMPO_CALL_device_create, machine, 0x8000, 0, 0, 0);
	one("handle_close of a device", SAMPO_CALL_handle_close, handle, 0, 0, 0, 0);
	one("object_info TYPE", SAMPO_CALL_object_info, vcpu, SAMPO_INFO_TYPE, gpa, bytes, 0);
	one("object_info MACHINE", SAMPO_CALL_object_info, machine, SAMPO_INFO_MACHINE, gpa, bytes,
	    0);
	one("object_info DOMAIN", SAMPO_CALL_object_info, domain, SAMPO_INFO_DOMAIN, gpa, bytes, 0);
	one("object_info VCPU", SAMPO_CALL_object_info, vcpu, SAMPO_INFO_VCPU, gpa, bytes, 0);
	must(sampo_region_create(self, PAGE, 0, &region), "region_create");
	for (unsigned i = 0; i < MAPPINGS; i++)
		must(sampo_region_map(region, domain, i * 2 * PAGE, 0, 1, PAGE), "region_map");
	one("region_map among 2000", SAMPO_CALL_region_map, region, domain, MAPPINGS * 2 * PAGE, 1,
	    PAGE);
	one("region_unmap of one of 2000", SAMPO_CALL_region_unmap, domain, 0, 1, 0, 0);
	one("region_map", SAMPO_CALL_region_map, region, 0, window, 3, PAGE);
	one("region_unmap", SAMPO_CALL_region_unmap, self, window, 1, 0, 0);
	must(sampo_handle_close(vcpu) | sampo_handle_close(event) | sampo_handle_close(region) |
		     sampo_handle_close(domain),
	     "handle_close");
}

static void timed_ctl(uint32_t domain, uint64_t op, uint64_t value, const char *name)
{
	begin();
	must(timed(SAMPO_CALL_domain_ctl, domain, op, value, 0, 0, NULL), name);
	report(name);
}

/* As many vCPUs as a domain can have, on the last CPU: the kernel asks each one's home. */
static void many_vcpus(void)
{
	static uint32_t vcpu[MOST_VCPUS];
	static struct sampo_domain_info info;
	uint64_t last[4] = {0}, window = slot_address(0);
	uint32_t domain, event, region;

	last[(machine_cpus - 1) / 64] = 1ull << (machine_cpus - 1) % 64;
	must(sampo_domain_create(machine, 0, VCPU_PAGES, 1024, &domain), "domain_create");
	must(sampo_event_create(self, SAMPO_EVENT_NONE, 0, 0, &event), "event_create");
	must(sampo_region_create(self, PAGE, 0, &region), "region_create");
	must(sampo_region_map(region, 0, window, 0, 3, PAGE), "region_map");
	for (unsigned i = 0; i < MOST_VCPUS; i++) {
		must(sampo_vcpu_create(domain, i, event, &vcpu[i]), "vcpu_create");
		must(sampo_vcpu_ctl(vcpu[i], SAMPO_VCPU_AFFINITY, (uint64_t)last), "AFFINITY");
	}
	timed_ctl(domain, SAMPO_DOMAIN_PAUSE, 0, "domain_ctl PAUSE of 64 vCPUs");
	timed_ctl(domain, SAMPO_DOMAIN_WEIGHT, 512, "domain_ctl WEIGHT of 64 vCPUs");
	timed_ctl(domain, SAMPO_DOMAIN_CAP, 100000ull << 32 | 50000, "domain_ctl CAP of 64 vCPUs");
	timed_ctl(domain, SAMPO_DOMAIN_UNPAUSE, 0, "domain_ctl UNPAUSE of 64 vCPUs");
	begin();
	must(timed(SAMPO_CALL_object_info, domain, SAMPO_INFO_DOMAIN, sampo_gpa(&info),
		   sizeof(info), 0, NULL),
	     "domain info");
	report("object_info DOMAIN of 64 vCPUs");
	begin();
	must(timed(SAMPO_CALL_region_dirty, domain, 0, 512, window, SAMPO_DIRTY_READ, NULL),
	     "READ");
	report("region_dirty READ of 64 vCPUs");
	begin();
	must(sampo_domain_ctl(domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	for (unsigned i = 0; i < MOST_VCPUS; i++)
		must(sampo_handle_close(vcpu[i]), "handle_close");
	must(sampo_region_unmap(self, window, PAGE), "region_unmap");
	must(sampo_handle_close(region) | sampo_handle_close(event) | sampo_handle_close(domain),
	     "handle_close");
}

void test_long(void)
{
	uint32_t page;
	uint64_t at = slot_address(60);

	must(sampo_vcpu_page(sampo_boot_info->vcpu, &page), "PAGE");
	must(sampo_region_map(page, 0, at, 0, SAMPO_MAP_R, PAGE), "region_map");
	own_page = (const struct sampo_vcpu_page *)(uintptr_t)at;
	bus();
	text();
	dirty();
	not_lost();
	many_vcpus();
	short_calls();
	must(sampo_region_unmap(self, at, PAGE), "region_unmap");
	must(sampo_handle_close(page), "handle_close");
}
