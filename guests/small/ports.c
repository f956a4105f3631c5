/* SPDX-License-Identifier: BSD-2-Clause */
/* Wild port accesses: every port may be read and written, in every size and as
 * a string; only the guest's own machine answers. */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define COM1         0x3f8u
#define COM2_SCRATCH 0x2ffu
#define UNCLAIMED    0xe000u
#define WILD         4000

/* Ports by which a guest would end this machine, or take its console away. */
static bool own_affair(uint32_t port)
{
	return (port >= COM1 - 3 && port < COM1 + 8) || (port >= 0x600 && port < 0x640) ||
	       (port >= 0xcf5 && port <= 0xcff) || port == 0x64 || (port >= 0x61 && port <= 0x64) ||
	       (port >= 0x8f && port <= 0x92);
}

static void check_unclaimed(void)
{
	check(inb(UNCLAIMED) == 0xff, "byte of an unclaimed port", "not ones");
	check(inw(UNCLAIMED) == 0xffff, "word of an unclaimed port", "not ones");
	check(inl(UNCLAIMED) == ~0u, "long of an unclaimed port", "not ones");
	check(inl(0xffff) == ~0u, "long at the last port", "not ones");
}

static void check_scratch(void)
{
	uint8_t byte;

	outb(COM2_SCRATCH, 0x5a);
	byte = inb(COM2_SCRATCH);
	check(byte == 0x5a, "scratch register", "%#x", byte);
	__asm__ volatile("mov $0x1234567890abcdef, %%rax\n\t"
			 "inb %%dx, %%al\n\t"
			 "mov $0x1234567890abcd5a, %%rcx\n\t"
			 "cmp %%rcx, %%rax\n\t"
			 "sete %0"
			 : "=m"(byte)
			 : "d"(COM2_SCRATCH)
			 : "rax", "rcx", "cc", "memory");
	check(byte == 1, "INB leaves the other bytes of RAX", "changed");
	__asm__ volatile("mov $0x1234567890abcdef, %%rax\n\t"
			 "inl %%dx, %%eax\n\t"
			 "mov $0xffffffff, %%ecx\n\t"
			 "cmp %%rcx, %%rax\n\t"
			 "sete %0"
			 : "=m"(byte)
			 : "d"(UNCLAIMED)
			 : "rax", "rcx", "cc", "memory");
	check(byte == 1, "INL clears the upper half of RAX", "kept");
}

static void check_strings(void)
{
	static const char text[] = "string output\r\n";
	uint64_t count = sizeof(text) - 1;
	uint64_t at = (uint64_t)(uintptr_t)text;
	uint8_t buffer[8] = {0};

	__asm__ volatile("cld; rep outsb" : "+c"(count), "+S"(at) : "d"(COM1) : "memory");
	check(!count && at == (uint64_t)(uintptr_t)text + sizeof(text) - 1, "REP OUTSB",
	      "left %llu", (unsigned long long)count);

	count = 4;
	at = (uint64_t)(uintptr_t)buffer;
	__asm__ volatile("cld; rep insb" : "+c"(count), "+D"(at) : "d"(COM2_SCRATCH) : "memory");
	check(!count && buffer[0] == 0x5a && buffer[3] == 0x5a && !buffer[4], "REP INSB",
	      "%02x %02x %02x", buffer[0], buffer[3], buffer[4]);

	count = 2;
	at = (uint64_t)(uintptr_t)(buffer + 6);
	__asm__ volatile("std; rep insw; cld" : "+c"(count), "+D"(at) : "d"(UNCLAIMED) : "memory");
	check(!count && buffer[7] == 0xff && buffer[4] == 0xff && buffer[3] == 0x5a,
	      "REP INSW downwards", "%02x %02x %02x", buffer[7], buffer[4], buffer[3]);
}

static void all_ports(void)
{
	unsigned answered = 0;

	for (uint32_t port = 0; port < 0x10000; port += port < 0x1000 ? 1 : 61)
		if (!own_affair(port) && inb((uint16_t)port) != 0xff)
			answered++;
	printf("%u ports answer\n", answered);
	check(answered > 0 && answered < 1024, "all ports read", "%u answer", answered);
}

static void wild(uint64_t *seed)
{
	for (unsigned i = 0; i < WILD; i++) {
		uint64_t r = random_next(seed);
		uint16_t port = (uint16_t)r;
		unsigned size = r >> 16 & 3;

		if (r & 1ull << 18) /* where devices are */
			port &= 0xfff;
		if (own_affair(port))
			continue;
		if (size == 0)
			outb(port, (uint8_t)(r >> 32));
		else if (size == 1)
			outw(port, (uint16_t)(r >> 32));
		else if (size == 2)
			outl(port, (uint32_t)(r >> 32));
		else
			inl(port);
	}
	check(true, "wild writes", "-");
}

int main(void)
{
	uint64_t seed = option("seed", 1);

	faults_init();
	check_unclaimed();
	check_scratch();
	check_strings();
	all_ports();
	wild(&seed);
	check_end();
	guest_poweroff();
}
