/* SPDX-License-Identifier: BSD-2-Clause */
/* Every status of docs/hypercalls.md, call by call. */
#include <string.h>

#include "guests/lib/ring.h"
#include "tests/kernel/abi.h"

#define NOWHERE (1ull << 45) /* below the end of guest-physical addresses, nothing there */
#define UNKNOWN 99u

static char text[70000];
static uint32_t event; /* of this domain, kind BIT */

static uint32_t domain_of(uint64_t pages)
{
	uint32_t domain;

	must(sampo_domain_create(machine, 0, pages, 1024, &domain), "domain_create");
	return domain;
}

static uint32_t dead_domain(void)
{
	uint32_t domain = domain_of(64);

	must(sampo_domain_ctl(domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	return domain;
}

static void drop(uint32_t domain)
{
	sampo_domain_ctl(domain, SAMPO_DOMAIN_DESTROY, 0);
	must(sampo_handle_close(domain), "handle_close");
}

static void plain(void)
{
	uint64_t version = 0;

	sampo_version(&version);
	check(version == SAMPO_ABI_VERSION, "version", "%llx", (unsigned long long)version);
	expect(sampo_call(SAMPO_CALL_COUNT, 0, 0, 0, 0, 0, NULL), SAMPO_ENOSYS, "no such call");
	expect(sampo_call(255, 0, 0, 0, 0, 0, NULL), SAMPO_ENOSYS, "no such call, the last");
	expect(sampo_call(256, 0, 0, 0, 0, 0, NULL), -1000, "not a number of Sampo's");
	expect(sampo_call(0 - (uint64_t)SAMPO_CALL_BASE, 0, 0, 0, 0, 0, NULL), -1000, "call 0");
}

static void log_calls(void)
{
	uint32_t reader;

	must(sampo_handle_copy(machine, 0, SAMPO_R_ALL & ~SAMPO_R_WRITE, &reader), "handle_copy");
	expect(sampo_log(reader, SAMPO_LOG_WRITE, "x", 1), SAMPO_ERIGHT,
	       "log: write without WRITE");
	expect(sampo_log(reader, SAMPO_LOG_CONSOLE, "x", 1), SAMPO_ERIGHT,
	       "log: console without WRITE");
	must(sampo_handle_close(reader), "handle_close");
	expect(sampo_log(machine, SAMPO_LOG_WRITE, text, 65537), SAMPO_EINVAL, "log: too much");
	expect(sampo_log(machine, SAMPO_LOG_CONSOLE, text, 65537), SAMPO_EINVAL,
	       "log: too much to the console");
	expect(sampo_call(SAMPO_CALL_log, machine, SAMPO_LOG_WRITE, NOWHERE, 1, 0, NULL),
	       SAMPO_EFAULT, "log: write from nowhere");
	expect(sampo_log(machine, SAMPO_LOG_TAKEN + 1, text, 1), SAMPO_ENOSYS, "log: the next op");
	expect(sampo_log(machine, UNKNOWN, text, 1), SAMPO_ENOSYS, "log: no such op");
	expect(sampo_log(machine, 1ull << 32, text, 1), SAMPO_ENOSYS, "log: a high op");
}

/* Text from a position of the log on. */
static const char *log_from(uint64_t position)
{
	const struct sampo_log *log = (const void *)(uintptr_t)sampo_boot_info->log;

	text[ring_read(log->text, sizeof(log->text), &log->end, &position, text,
		       sizeof(text) - 1)] = 0;
	return text;
}

/* The position of input that is to come, and that of all that has; the log is the kernel's to show
 * again. */
static void log_taken(void)
{
	const struct sampo_log *log = (const void *)(uintptr_t)sampo_boot_info->log;
	uint32_t reader;

	must(sampo_handle_copy(machine, 0, SAMPO_R_ALL & ~SAMPO_R_WRITE, &reader), "handle_copy");
	expect(sampo_log_taken(reader, 0), SAMPO_ERIGHT, "log: input taken without WRITE");
	must(sampo_handle_close(reader), "handle_close");
	expect(sampo_log_taken(machine, log->input_end + 1), SAMPO_EINVAL,
	       "log: input to come taken");
	expect(sampo_log_taken(machine, ~0ull), SAMPO_EINVAL, "log: all input ever taken");
	expect(sampo_log_taken(machine, log->input_end), SAMPO_OK, "log: input taken");
	must(sampo_log(machine, SAMPO_LOG_WRITE, "", 0), "WRITE");
}

static void log_ring(void)
{
	static const char line[] = "a line for the ring\n", shown[] = "and one for the console\n";
	static const char kept[] = "not for the console\n";
	const struct sampo_log *log = (const void *)(uintptr_t)sampo_boot_info->log;
	uint64_t end = log->end;

	check(strstr(log_from(0), "kernel: "), "ring: the kernel's lines", "%.100s", text);
	must(sampo_log(machine, SAMPO_LOG_WRITE, line, strlen(line)), "WRITE");
	must(sampo_log(machine, SAMPO_LOG_CONSOLE, shown, strlen(shown)), "CONSOLE");
	must(sampo_log(machine, SAMPO_LOG_RING, kept, strlen(kept)), "RING");
	check(strstr(log_from(end), line), "ring: what was written", "%s", text);
	check(!strstr(text, shown), "ring: not what was shown only", "%s", text);
	check(strstr(text, kept), "ring: what was kept only", "%s", text);
	check(strstr(text, line) >= text + 2 && !memcmp(strstr(text, line) - 2, "] ", 2),
	      "ring: a line has its time in front", "%s", text);
}

/* Calls copy with the rights of the mapping, which the page tables are filled with too. */
static void log_read_only(void)
{
	uint64_t at = sampo_boot_info->log;
	const struct sampo_log *log = (const void *)(uintptr_t)at;
	uint64_t end = log->end, pages = sizeof(*log) / PAGE, refused = 0;
	char first = log->text[0];

	check(at % PAGE == 0 && sizeof(*log) % PAGE == 0, "ring: whole pages", "at %llx",
	      (unsigned long long)at);
	while (refused < pages && sampo_call(SAMPO_CALL_object_info, self, SAMPO_INFO_TYPE,
					     at + refused * PAGE, 8, 0, NULL) == SAMPO_EFAULT)
		refused++;
	check(refused == pages, "ring: read-only", "not page %u", (unsigned)refused);
	expect(sampo_call(SAMPO_CALL_object_info, self, SAMPO_INFO_TYPE, at + pages * PAGE, 8, 0,
			  NULL),
	       SAMPO_EFAULT, "ring: nothing behind it");
	check(log->end >= end && log->end - end < sizeof(log->text) && log->text[0] == first,
	      "ring: unchanged", "end %llx, was %llx", (unsigned long long)log->end,
	      (unsigned long long)end);
}

static void handle_copies(void)
{
	uint32_t dead = dead_domain(), full = domain_of(64), none = domain_of(4), copy;
	int64_t status = SAMPO_OK;
	unsigned n = 0;

	expect(sampo_handle_copy(self, dead, SAMPO_R_ALL, &copy), SAMPO_EDEAD,
	       "copy to a dead one");
	expect(sampo_handle_copy(event, full, SAMPO_R_RAISE, &copy), SAMPO_OK, "copy to another");
	expect(sampo_event_raise(copy + 1000), SAMPO_EHANDLE, "its handle is not ours");
	for (; n < 100000 && !status; n++)
		status = sampo_handle_copy(event, full, 0, &copy);
	check(status == SAMPO_ENOMEM && n > 100, "copy to a full table", "%lld after %u",
	      (long long)status, n);
	for (n = 0, status = SAMPO_OK; n < 100000 && !status; n++)
		status = sampo_handle_copy(event, none, 0, &copy);
	expect(status, SAMPO_ENOMEM, "copy without kernel pages");
	drop(dead), drop(full), drop(none);
}

static void infos(void)
{
	uint64_t buffer[4] = {0, 0, 0, 0x77}, n = 0;

	expect(sampo_object_info(self, UNKNOWN, buffer, 8, 0, NULL), SAMPO_ENOSYS,
	       "object_info: no such fact");
	expect(sampo_object_info(self, SAMPO_INFO_MACHINE, buffer, 8, 0, NULL), SAMPO_EHANDLE,
	       "object_info: of another type");
	expect(sampo_call(SAMPO_CALL_object_info, self, SAMPO_INFO_TYPE, NOWHERE, 8, 0, NULL),
	       SAMPO_EFAULT, "object_info: to nowhere");
	expect(sampo_object_info(self, SAMPO_INFO_DOMAIN, buffer, 24, 0, &n), SAMPO_OK,
	       "object_info: some of it");
	check(n == 24 && buffer[3] == 0x77, "object_info: no more than asked for", "%llu",
	      (unsigned long long)n);
}

static void domains(void)
{
	uint32_t domain, dead = dead_domain();

	expect(sampo_domain_create(machine, 0x80, 64, 1, &domain), SAMPO_EINVAL, "domain: flags");
	expect(sampo_domain_create(machine, 1ull << 32, 64, 1, &domain), SAMPO_EINVAL,
	       "domain: high flags");
	expect(sampo_domain_create(machine, 0, 64, 0, &domain), SAMPO_EINVAL, "domain: weight 0");
	expect(sampo_domain_create(machine, 0, 64, 65536, &domain), SAMPO_EINVAL,
	       "domain: weight 65536");
	expect(sampo_domain_create(machine, 0, 0, 1, &domain), SAMPO_ENOMEM, "domain: no page");
	expect(sampo_domain_create(machine, SAMPO_DOMAIN_NO_LAPIC, 1, 1, &domain), SAMPO_ENOMEM,
	       "domain: one page");
	domain = domain_of(64);
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_WEIGHT, 0), SAMPO_EINVAL, "WEIGHT 0");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_WEIGHT, 65536), SAMPO_EINVAL, "WEIGHT 65536");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_WEIGHT, 65535), SAMPO_OK, "WEIGHT 65535");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_CAP, 1000), SAMPO_EINVAL,
	       "CAP without a period");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_CAP, 999 | 1000ull << 32), SAMPO_EINVAL,
	       "CAP of less than 1 ms");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_CAP, 1000 | 1000001ull << 32), SAMPO_EINVAL,
	       "CAP with a period of more than 1 s");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_CAP, 1000 | 1000000ull << 32), SAMPO_OK,
	       "CAP");
	expect(sampo_domain_ctl(domain, SAMPO_DOMAIN_CAP, 0), SAMPO_OK, "no CAP");
	expect(sampo_domain_ctl(domain, UNKNOWN, 0), SAMPO_ENOSYS, "domain_ctl: no such op");
	expect(sampo_domain_ctl(dead, SAMPO_DOMAIN_DESTROY, 0), SAMPO_EDEAD, "DESTROY twice");
	expect(sampo_domain_ctl(dead, SAMPO_DOMAIN_UNPAUSE, 0), SAMPO_EDEAD, "UNPAUSE a dead one");
	expect(sampo_machine(machine, UNKNOWN), SAMPO_ENOSYS, "machine: no such op");
	drop(domain), drop(dead);
}

static void vcpus(void)
{
	static uint64_t nowhere[4] = {0, 0, 0, 1ull << 63},
			everywhere[4] = {~0ull, ~0ull, ~0ull, ~0ull};
	uint32_t domain = domain_of(64), poor = domain_of(4), dead = dead_domain();
	uint32_t vcpu, other, page, quiet;
	uint64_t value = 0;

	must(sampo_handle_copy(event, 0, SAMPO_R_READ, &quiet), "handle_copy");
	expect(sampo_vcpu_create(domain, 0, 0, &vcpu), SAMPO_EHANDLE, "vcpu: no event");
	expect(sampo_vcpu_create(domain, 0, quiet, &vcpu), SAMPO_ERIGHT, "vcpu: event, no RAISE");
	expect(sampo_vcpu_create(domain, 64, event, &vcpu), SAMPO_EINVAL, "vcpu: id 64");
	expect(sampo_vcpu_create(domain, 63, event, &vcpu), SAMPO_OK, "vcpu: id 63");
	expect(sampo_vcpu_create(domain, 63, event, &other), SAMPO_EEXIST, "vcpu: id taken");
	expect(sampo_vcpu_create(poor, 0, event, &other), SAMPO_ENOMEM, "vcpu: kernel pages");
	expect(sampo_vcpu_create(dead, 0, event, &other), SAMPO_EDEAD, "vcpu: of a dead one");

	expect(sampo_vcpu_ctl(vcpu, UNKNOWN, 0), SAMPO_ENOSYS, "vcpu_ctl: no such op");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_STOP, 0), SAMPO_EBUSY, "STOP: there already");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_FETCH, 0), SAMPO_OK, "FETCH");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESET, 0), SAMPO_OK, "RESET");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)nowhere), SAMPO_EINVAL,
	       "AFFINITY to no CPU");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_AFFINITY, ~0xfffull), SAMPO_EFAULT,
	       "AFFINITY from outside");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)everywhere), SAMPO_OK,
	       "AFFINITY");
	expect(sampo_vcpu_ctl(sampo_boot_info->vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)nowhere),
	       SAMPO_EINVAL, "AFFINITY of oneself to no CPU");
	expect(sampo_vcpu_ctl(sampo_boot_info->vcpu, SAMPO_VCPU_STOP, 0), SAMPO_EINVAL,
	       "STOP oneself");
	expect(sampo_vcpu_ctl(sampo_boot_info->vcpu, SAMPO_VCPU_RESUME, 0), SAMPO_EBUSY,
	       "RESUME oneself");
	expect(sampo_vcpu_page(vcpu, &page), SAMPO_OK, "PAGE");
	must(sampo_domain_ctl(domain, SAMPO_DOMAIN_PAUSE, 0), "PAUSE");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESUME, 0), SAMPO_OK, "RESUME while paused");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESUME, 0), SAMPO_EBUSY, "RESUME twice");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_FETCH, 0), SAMPO_EBUSY, "FETCH of a running one");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESET, 0), SAMPO_EBUSY, "RESET of a running one");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_STOP, 0), SAMPO_OK, "STOP");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESET, 1), SAMPO_OK, "RESET after that");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESUME, 0), SAMPO_OK, "RESUME after that");
	expect(sampo_wait(0, vcpu), SAMPO_EBUSY, "wait: reply is running");
	expect(sampo_wait(0, event), SAMPO_EHANDLE, "wait: reply is no vCPU");
	must(sampo_handle_copy(vcpu, 0, SAMPO_R_READ, &other), "handle_copy");
	expect(sampo_wait(0, other), SAMPO_ERIGHT, "wait: reply without CONTROL");

	expect(sampo_vcpu_lapic(vcpu, 4096, false, 0, NULL), SAMPO_EINVAL, "vcpu_lapic: offset");
	expect(sampo_call(SAMPO_CALL_vcpu_lapic, vcpu, 0x80, 1, 1ull << 32, 0, NULL), SAMPO_EINVAL,
	       "vcpu_lapic: value");
	expect(sampo_vcpu_lapic(vcpu, 0x20, false, 0, &value), SAMPO_OK, "vcpu_lapic: read");
	check(value == 63u << 24, "vcpu_lapic: its id", "%llx", (unsigned long long)value);

	must(sampo_domain_ctl(domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_RESUME, 0), SAMPO_EDEAD, "RESUME of a dead one");
	expect(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_NMI, 0), SAMPO_EDEAD, "NMI to a dead one");
	expect(sampo_wait(0, vcpu), SAMPO_EDEAD, "wait: reply is dead");
	must(sampo_handle_close(vcpu) | sampo_handle_close(other) | sampo_handle_close(page) |
		     sampo_handle_close(quiet) | sampo_handle_close(domain),
	     "handle_close");
	drop(poor), drop(dead);
}

static void regions(void)
{
	uint32_t domain = domain_of(32), dead = dead_domain(), hidden, own, region, other;

	expect(sampo_region_create(domain, 0, 0, &region), SAMPO_EINVAL, "region: size 0");
	expect(sampo_region_create(domain, PAGE + 1, 0, &region), SAMPO_EINVAL, "region: size");
	expect(sampo_region_create(domain, PAGE, SAMPO_REGION_2M, &region), SAMPO_EINVAL,
	       "region: 4 KiB of 2 MiB blocks");
	expect(sampo_region_create(domain, PAGE, 2, &region), SAMPO_EINVAL, "region: flags");
	expect(sampo_region_create(domain, 64 * PAGE, 0, &region), SAMPO_ENOMEM, "region: quota");
	expect(sampo_region_create(domain, 256ull << 30, SAMPO_REGION_2M, &region), SAMPO_ENOMEM,
	       "region: memory");
	expect(sampo_region_create(dead, PAGE, 0, &region), SAMPO_EDEAD, "region: of a dead one");
	expect(sampo_region_create(event, PAGE, 0, &region), SAMPO_EHANDLE, "region: of an event");
	must(sampo_region_create(domain, 4 * PAGE, 0, &region), "region_create");

	expect(sampo_region_map(region, domain, 8, 0, 1, PAGE), SAMPO_EINVAL, "map: address");
	expect(sampo_region_map(region, domain, 0, 0, 8 | 1, PAGE), SAMPO_EINVAL, "map: perms");
	expect(sampo_region_map(region, domain, 0, 0, SAMPO_MAP_W, PAGE), SAMPO_EINVAL,
	       "map: not to read");
	expect(sampo_region_map(region, domain, 0, 0, 1, 0), SAMPO_EINVAL, "map: size 0");
	expect(sampo_region_map(region, domain, 0, 0, 1, 5 * PAGE), SAMPO_EINVAL, "map: size");
	expect(sampo_region_map(region, domain, 0, 4 * PAGE, 1, PAGE), SAMPO_EINVAL, "map: offset");
	expect(sampo_region_map(region, domain, 0, PAGE, 1, ~0ull << 12), SAMPO_EINVAL,
	       "map: size that wraps");
	expect(sampo_region_map(region, domain, ~0ull << 12, 0, 1, PAGE), SAMPO_EINVAL,
	       "map: beyond the end");
	expect(sampo_region_map(region, domain, 0x2000, 0, 1, 2 * PAGE), SAMPO_OK, "map");
	expect(sampo_region_map(region, domain, 0x3000, 0, 1, PAGE), SAMPO_EEXIST, "map: taken");
	expect(sampo_region_map(region, domain, 0x1000, 0, 1, 4 * PAGE), SAMPO_EEXIST,
	       "map: around it");
	expect(sampo_region_map(region, dead, 0, 0, 1, PAGE), SAMPO_EDEAD, "map: into a dead one");
	must(sampo_handle_copy(region, 0, SAMPO_R_READ, &own), "handle_copy");
	expect(sampo_region_map(own, domain, 0x8000, 0, SAMPO_MAP_R | SAMPO_MAP_W, PAGE),
	       SAMPO_ERIGHT, "map: to write without WRITE");
	must(sampo_handle_close(own), "handle_close");

	expect(sampo_region_unmap(domain, 0x3000, PAGE), SAMPO_EINVAL, "unmap: its middle");
	expect(sampo_region_unmap(domain, 0x2000, 0), SAMPO_EINVAL, "unmap: nothing");
	expect(sampo_region_unmap(domain, 0, ~0ull), SAMPO_OK, "unmap: everything");
	expect(sampo_region_unmap(domain, 0, ~0ull), SAMPO_EINVAL, "unmap: twice");

	must(sampo_domain_create(machine, SAMPO_DOMAIN_PRIVATE, 32, 1024, &hidden),
	     "domain_create");
	must(sampo_region_create(hidden, PAGE, 0, &own), "region_create");
	expect(sampo_region_map(own, 0, slot_address(0), 0, 1, PAGE), SAMPO_ERIGHT,
	       "map: a private domain's");
	expect(sampo_region_map(own, hidden, 0, 0, 1, PAGE), SAMPO_OK, "map: its own");
	expect(sampo_object_info(hidden, SAMPO_INFO_BUS, text, 8, 0, NULL), SAMPO_ERIGHT,
	       "BUS: a private domain's");
	expect(sampo_vcpu_create(hidden, 0, event, &other), SAMPO_OK, "a private domain's vCPU");
	sampo_handle_close(own);
	must(sampo_vcpu_page(other, &own), "PAGE");
	expect(sampo_region_map(own, 0, slot_address(0), 0, 1, PAGE), SAMPO_OK,
	       "map: a private domain's exit page");
	sampo_region_unmap(self, slot_address(0), PAGE);
	sampo_handle_close(own), sampo_handle_close(other), sampo_handle_close(region);
	drop(hidden), drop(domain), drop(dead);
}

static void dirty(void)
{
	struct guest g;

	guest_make(&g, 0);
	expect(sampo_region_dirty(g.domain, 8, 1, text, SAMPO_DIRTY_START), SAMPO_EINVAL,
	       "dirty: address");
	expect(sampo_region_dirty(g.domain, 0, ~0ull >> 2, text, SAMPO_DIRTY_START), SAMPO_EINVAL,
	       "dirty: too many pages");
	expect(sampo_region_dirty(g.domain, 0, 0, text, SAMPO_DIRTY_START), SAMPO_EINVAL,
	       "dirty: no page");
	expect(sampo_region_dirty(g.domain, ~0ull << 12, 1, text, SAMPO_DIRTY_READ), SAMPO_EINVAL,
	       "dirty: beyond the end");
	expect(sampo_call(SAMPO_CALL_region_dirty, g.domain, 0, 16, NOWHERE, SAMPO_DIRTY_READ,
			  NULL),
	       SAMPO_EFAULT, "dirty: to nowhere");
	expect(sampo_region_dirty(g.domain, 0, 16, text, UNKNOWN), SAMPO_ENOSYS,
	       "dirty: no such op");
	expect(sampo_region_dirty(g.domain, 0, 16, text, SAMPO_DIRTY_START), SAMPO_OK,
	       "dirty: START");
	expect(sampo_region_dirty(g.domain, 0, 16, text, SAMPO_DIRTY_STOP), SAMPO_OK,
	       "dirty: STOP");
	guest_remove(&g);
}

static void last_event(void)
{
	struct event_bits bits;
	uint32_t last;

	must(sampo_event_create(self, SAMPO_EVENT_BIT, SAMPO_EVENTS - 1, 0, &last), "event");
	must(sampo_event_raise(last), "event_raise");
	events_take(&bits);
	check(event_taken(&bits, SAMPO_EVENTS - 1) && !event_taken(&bits, SAMPO_EVENTS - 2),
	      "event: the last bit", "%llx", (unsigned long long)bits.word[SAMPO_EVENTS / 64 - 1]);
	must(sampo_handle_close(last), "handle_close");
}

static void events(void)
{
	uint32_t domain = domain_of(64), other;

	last_event();
	expect(sampo_event_create(self, 3, 0, 0, &other), SAMPO_EINVAL, "event: kind");
	expect(sampo_event_create(self, SAMPO_EVENT_BIT, SAMPO_EVENTS, 0, &other), SAMPO_EINVAL,
	       "event: bit");
	expect(sampo_event_create(domain, SAMPO_EVENT_BIT, 0, 0, &other), SAMPO_EINVAL,
	       "event: no page");
	expect(sampo_event_create(domain, SAMPO_EVENT_MSI, 0xfee00000, 0x40, &other), SAMPO_OK,
	       "event: MSI");
	expect(sampo_event_raise(other), SAMPO_OK, "event: without a vCPU");
	must(sampo_handle_close(other), "handle_close");
	expect(sampo_event_create(domain, SAMPO_EVENT_NONE, 1, 2, &other), SAMPO_OK, "event: NONE");
	expect(sampo_event_raise(other), SAMPO_OK, "event: raise NONE");
	must(sampo_handle_close(other), "handle_close");
	expect(sampo_call(SAMPO_CALL_msi, domain, 0xfee00000, 1ull << 32, 0, 0, NULL), SAMPO_EINVAL,
	       "msi: data");
	expect(sampo_msi(domain, 0x1000, 0x40), SAMPO_OK, "msi: a bad address");
	expect(sampo_msi(self, 0xfee00000, 0x500), SAMPO_OK, "msi: INIT to a domain without APIC");
	drop(domain);
}

#define BELLS 200u

static void many_doorbells(uint32_t domain)
{
	uint32_t events[BELLS], failed = 0;

	for (uint32_t i = 0; i < BELLS; i++) {
		must(sampo_event_create(self, SAMPO_EVENT_NONE, 0, 0, &events[i]), "event");
		failed += sampo_doorbell(events[i], domain, 97 * i, 1) != SAMPO_OK;
	}
	check(!failed, "doorbell: 200 of them", "%u failed", failed);
	for (uint32_t i = 0; i < BELLS; i++)
		failed += sampo_doorbell(event, domain, 97 * i, 2) != SAMPO_EEXIST;
	check(!failed, "doorbell: each port is taken", "%u are not", failed);
	for (uint32_t i = 0; i < BELLS; i++)
		must(sampo_handle_close(events[i * 77 % BELLS]), "handle_close");
	for (uint32_t i = 0; i < BELLS; i++) {
		must(sampo_event_create(self, SAMPO_EVENT_NONE, 0, 0, &events[i]), "event");
		failed += sampo_doorbell(events[i], domain, 97 * i, 4) != SAMPO_OK;
	}
	check(!failed, "doorbell: each port is free again", "%u are not", failed);
	for (uint32_t i = 0; i < BELLS; i++)
		must(sampo_handle_close(events[i]), "handle_close");
}

static void doorbells(void)
{
	uint32_t domain = domain_of(64), other = domain_of(64), dead = dead_domain(), taker, less;

	must(sampo_event_create(domain, SAMPO_EVENT_MSI, 0xfee00000, 0x40, &taker), "event");
	must(sampo_handle_copy(event, 0, SAMPO_R_ALL & ~SAMPO_R_CONTROL, &less), "handle_copy");
	expect(sampo_doorbell(event, domain, 65536, 1), SAMPO_EINVAL, "doorbell: port");
	expect(sampo_doorbell(event, domain, 1, 3), SAMPO_EINVAL, "doorbell: size 3");
	expect(sampo_doorbell(event, domain, 1, 0), SAMPO_EINVAL, "doorbell: size 0");
	expect(sampo_doorbell(event, domain, 1, 257), SAMPO_EINVAL, "doorbell: size 257");
	expect(sampo_doorbell(machine, domain, 1, 1), SAMPO_EHANDLE, "doorbell: no event");
	expect(sampo_doorbell(less, domain, 1, 1), SAMPO_ERIGHT, "doorbell: without CONTROL");
	expect(sampo_doorbell(event, machine, 1, 1), SAMPO_EHANDLE, "doorbell: no domain");
	expect(sampo_doorbell(event, dead, 1, 1), SAMPO_EDEAD, "doorbell: of a dead one");
	many_doorbells(domain);
	expect(sampo_doorbell(event, domain, 1, 1), SAMPO_OK, "doorbell: one");
	expect(sampo_doorbell(taker, domain, 1, 2), SAMPO_EEXIST, "doorbell: port taken");
	expect(sampo_doorbell(event, domain, 2, 1), SAMPO_EEXIST, "doorbell: has one");
	expect(sampo_doorbell(event, other, 2, 1), SAMPO_EEXIST, "doorbell: has one elsewhere");
	expect(sampo_doorbell(taker, other, 1, 1), SAMPO_OK, "doorbell: the port of another");
	must(sampo_domain_ctl(domain, SAMPO_DOMAIN_DESTROY, 0), "DESTROY");
	expect(sampo_doorbell(event, other, 1, 1), SAMPO_EEXIST, "doorbell: taken there");
	expect(sampo_doorbell(event, other, 2, 1), SAMPO_OK, "doorbell: its domain has died");
	must(sampo_handle_close(less) | sampo_handle_close(taker), "handle_close");
	drop(domain), drop(other), drop(dead);
}

void test_statuses(void)
{
	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_FREE, 0, &event), "event");
	plain();
	log_calls();
	log_ring();
	log_taken();
	log_read_only();
	handle_copies();
	infos();
	domains();
	vcpus();
	regions();
	dirty();
	events();
	doorbells();
	must(sampo_handle_close(event), "close");
}
