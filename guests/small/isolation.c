/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's memory is its RAM and nothing else: elsewhere reads give all ones,
 * writes vanish, and the guest goes on. Its RAM comes zeroed.
 */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define RAM     1u
#define MAPPED  (512ull << 30) /* by start.S */
#define PATTERN 0x5a5aa5a5c3c33c3cull
#define WORDS   64

static uint64_t ram_end, own[WORDS];

static const uint64_t outside[] = {
	0xc0000000, 0xd0000000,  0xd0001ff8,  0xfed00000,   0xfed40000,
	0xfffff000, 0x100000000, 0x123456000, 0x4000000000, 0x7fc0000000,
};

static void find_ram_end(void)
{
	const struct hvm_start_info *info = guest_boot_info;
	const struct hvm_memmap_entry *map = (const void *)(uintptr_t)info->memmap;

	for (uint32_t i = 0; i < info->memmap_entries; i++)
		if (map[i].type == RAM && map[i].address + map[i].size > ram_end)
			ram_end = map[i].address + map[i].size;
}

static void check_outside(uint64_t address)
{
	volatile uint64_t *at = (volatile uint64_t *)(uintptr_t)address;
	uint64_t before = 0, after = 0;
	char name[48];
	int fault;

	if (address < ram_end || address >= MAPPED)
		return;
	snprintf(name, sizeof(name), "outside %#llx", (unsigned long long)address);
	fault = try_read(at, &before);
	if (fault == NO_FAULT)
		fault = try_write(at, PATTERN);
	if (fault == NO_FAULT)
		fault = try_read(at, &after);
	check(fault == NO_FAULT && before == UINT64_MAX && after == UINT64_MAX, name,
	      "fault %d, read %#llx, then %#llx", fault, (unsigned long long)before,
	      (unsigned long long)after);
}

/* Sizes and kinds of access that dom0 has to decode. */
static void check_sizes(void)
{
	volatile uint8_t *at = (volatile uint8_t *)0xd0000000ull;
	uint8_t buffer[16];
	uint64_t sum = 1;

	check(*at == 0xff, "read of a byte", "not ones");
	check(*(volatile uint16_t *)at == 0xffff, "read of 2 bytes", "not ones");
	check(*(volatile uint32_t *)at == ~0u, "read of 4 bytes", "not ones");
	__asm__ volatile("movzbl (%1), %k0" : "=r"(sum) : "r"(at));
	check(sum == 0xff, "movzx", "%#llx", (unsigned long long)sum);
	__asm__ volatile("movsbq (%1), %0" : "=r"(sum) : "r"(at));
	check(sum == UINT64_MAX, "movsx", "%#llx", (unsigned long long)sum);
	sum = 2;
	__asm__ volatile("addq (%1), %0" : "+r"(sum) : "r"(at) : "cc");
	check(sum == 1, "add from memory", "%#llx", (unsigned long long)sum);
	sum = 0xf0;
	__asm__ volatile("andl %k0, (%1)" : : "r"(sum), "r"(at) : "memory", "cc");
	check(*at == 0xff, "and to memory", "changed");
	sum = 7;
	__asm__ volatile("xchgl %k0, (%1)" : "+r"(sum) : "r"(at) : "memory");
	check(sum == 0xffffffff, "xchg", "%#llx", (unsigned long long)sum);
	memset(buffer, 0, sizeof(buffer));
	{
		uint64_t count = sizeof(buffer), from = (uint64_t)(uintptr_t)at;
		uint64_t to = (uint64_t)(uintptr_t)buffer;

		__asm__ volatile("cld; rep movsb" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
		check(!count && buffer[0] == 0xff && buffer[15] == 0xff, "rep movs from nothing",
		      "%02x %02x", buffer[0], buffer[15]);
	}
	{
		uint64_t count = 16, to = (uint64_t)(uintptr_t)at;

		__asm__ volatile("cld; rep stosl" : "+c"(count), "+D"(to) : "a"(0) : "memory");
		check(!count && *at == 0xff, "rep stos to nothing", "left %llu",
		      (unsigned long long)count);
	}
	{
		uint64_t count = sizeof(buffer), from = (uint64_t)(uintptr_t)at;
		uint64_t to = (uint64_t)(uintptr_t)buffer;

		buffer[5] = 0;
		__asm__ volatile("cld; repe cmpsb"
				 : "+c"(count), "+S"(from), "+D"(to)
				 :
				 : "memory", "cc");
		check(count == sizeof(buffer) - 6, "repe cmps with nothing", "left %llu",
		      (unsigned long long)count);
	}
	{
		uint64_t count = 16, from = (uint64_t)(uintptr_t)at;

		__asm__ volatile("cld; repne scasw"
				 : "+c"(count), "+D"(from)
				 : "a"(0)
				 : "memory", "cc");
		check(!count, "repne scas of nothing", "left %llu", (unsigned long long)count);
	}
}

/* An access of which a part is outside. */
static void check_edge(void)
{
	uint64_t value = 0;
	int fault = try_read((const void *)(uintptr_t)(ram_end - 4), &value);

	check(fault == NO_FAULT && value >> 32 == 0xffffffff, "across the end of RAM",
	      "fault %d, %#llx", fault, (unsigned long long)value);
}

static void check_zeroed(void)
{
	const uint64_t *at =
		(const void *)(uintptr_t)(((uintptr_t)guest_end + 0x1fffff) & ~0x1fffffull);
	const uint64_t *end = (const void *)(uintptr_t)(ram_end - (64 << 10));

	while (at < end && !*at)
		at++;
	check(at >= end, "RAM is zeroed", "%#llx at %p", at < end ? (unsigned long long)*at : 0,
	      (const void *)at);
}

static void check_own(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < WORDS; i++)
		wrong += own[i] != PATTERN + i;
	check(!wrong, "own memory unchanged", "%u words", wrong);
}

/* Code where there is none: the fetch reads nothing that exists; the guest
 * gets an exception or ends, but only itself. */
static void fetch_outside(void)
{
	int fault;

	printf("fetching from nowhere\n");
	fault = try_call((void (*)(void))0xd0000000ull);
	check(fault != NO_FAULT, "fetch from nowhere", "went on");
}

int main(void)
{
	faults_init();
	find_ram_end();
	for (unsigned i = 0; i < WORDS; i++)
		own[i] = PATTERN + i;
	check_zeroed();
	check_outside((ram_end + 0xfff) & ~0xfffull);
	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		check_outside(outside[i]);
	check_sizes();
	check_edge();
	check_own();
	check_end();
	if (option_word("fetch"))
		fetch_outside();
	guest_poweroff();
}
