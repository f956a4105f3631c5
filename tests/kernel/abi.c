/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command line: nothing for the tests, `long` for those of long calls alone, `iommu` for those of
 * devices behind an IOMMU (or without one), `hogs`, `floods`, `bench`, or `fuzz=SEED` with
 * `calls=COUNT` or `seconds=COUNT`. With `loose` the clock is one of a machine that stands still
 * now and then: what took too long is no failure. In one that takes no interrupts while a guest
 * runs, `no-interrupts`.
 */
#include "tests/kernel/abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/lib/guest.h"

uint64_t tsc_per_ms;
uint32_t machine, self, machine_cpus;

static uint64_t directory[512] __attribute__((aligned(4096)));

void expect(int64_t status, int64_t wanted, const char *name)
{
	check(status == wanted, name, "status %lld, not %lld", (long long)status,
	      (long long)wanted);
}

/* PM1 control of both emulated machines, where the other one has nothing. */
static void end(void)
{
	static const uint16_t control[] = {POWER_QEMU, POWER_BOCHS};
	uint32_t ports;

	check_end();
	sampo_machine(machine, SAMPO_MACHINE_POWEROFF);
	for (unsigned i = 0; i < 2; i++)
		if (!sampo_region_of_machine(machine, SAMPO_REGION_PORTS, control[i], 2, &ports))
			sampo_port(ports, 0, 2 | SAMPO_PORT_WRITE, 0x2000, NULL);
	for (;;) /* it takes a moment, in which other CPUs go on */
		sampo_wait(~0ull, 0);
}

void must(int64_t status, const char *what)
{
	if (!status)
		return;
	check(false, what, "status %lld", (long long)status);
	end();
}

uint64_t slot_address(unsigned slot)
{
	return sampo_boot_info->map_base + slot * 2 * BLOCK;
}

/* start.S has not mapped the slots on a CPU without pages of 1 GiB. */
static void map_slots(void)
{
	uint64_t base = sampo_boot_info->map_base;

	if (guest_pdpt[base >> 30])
		return;
	for (unsigned i = 0; i < 512; i++)
		directory[i] = (base + i * BLOCK) | 0x83;
	guest_pdpt[base >> 30] = sampo_gpa(directory) | 3;
}

void events_take(struct event_bits *bits)
{
	struct sampo_event_page *page = (void *)(uintptr_t)sampo_boot_info->event_page;
	uint64_t summary = __atomic_exchange_n(&page->summary, 0, __ATOMIC_ACQUIRE);

	memset(bits, 0, sizeof(*bits));
	for (; summary; summary &= summary - 1) {
		unsigned first = (unsigned)__builtin_ctzll(summary) * SAMPO_EVENT_WORDS;

		for (unsigned i = first; i < first + SAMPO_EVENT_WORDS; i++)
			bits->word[i] = __atomic_exchange_n(&page->pending[i], 0, __ATOMIC_ACQUIRE);
	}
}

bool event_taken(const struct event_bits *bits, unsigned bit)
{
	return bits->word[bit / 64] >> bit % 64 & 1;
}

struct machine_use machine_use(void)
{
	static struct sampo_machine_info info;

	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL),
	     "machine info");
	return (struct machine_use){info.free_bytes, info.domains, info.handles};
}

int main(void)
{
	static struct sampo_machine_info info;

	if (!sampo_boot_info)
		return 1;
	machine = sampo_boot_info->machine;
	self = sampo_boot_info->domain;
	faults_init();
	map_slots();
	heap_set((uintptr_t)guest_end, sampo_boot_info->ram_bytes);
	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL),
	     "machine info");
	tsc_per_ms = info.tsc_khz;
	machine_cpus = info.cpus;
	if (option_word("bench")) {
		bench();
	} else if (option_word("hogs")) {
		test_hogs();
	} else if (option_word("floods")) {
		test_floods();
	} else if (option_word("long")) {
		test_long();
		test_late();
	} else if (option_word("iommu")) {
		test_iommu();
	} else if (option("fuzz", 0)) {
		fuzz(option("fuzz", 1), option("calls", 0), option("seconds", 60));
	} else {
		test_handles();
		test_machine();
		test_statuses();
		test_regions();
		test_exits();
		if (!option_word("no-interrupts")) {
			test_runs();
			test_interrupts();
			test_dirty();
			test_time();
			test_use();
			test_objects();
			test_limits();
			test_long();
			test_late();
		}
	}
	end();
	return 0;
}
