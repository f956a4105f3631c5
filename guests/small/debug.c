/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug registers belong to the guest: they keep their values over exits,
 * and breakpoints, watchpoints and single steps work (SDM 3B, 17.2). */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"

#define COM2_SCRATCH     0x2ff
#define DR7_FIXED        0x400ull
#define DR7_L0           0x1ull
#define DR7_L1           0x4ull
#define DR7_WRITE_4_OF_1 0xd00000ull /* R/W1 = 1, LEN1 = 3 */
#define DR6_B0           0x1ull
#define DR6_B1           0x2ull
#define DR6_BS           0x4000ull
#define DR6_FIXED        0xffff0ff0ull
#define RFLAGS_TF        0x100ull
#define RFLAGS_RF        0x10000ull
#define ROUNDS           200

static volatile unsigned hits, steps;
static volatile uint64_t hit_rip, hit_dr6;
static volatile uint32_t watched;

static uint64_t read_dr(unsigned n)
{
	uint64_t value = 0;

	switch (n) {
	case 0:
		__asm__ volatile("mov %%dr0, %0" : "=r"(value));
		break;
	case 1:
		__asm__ volatile("mov %%dr1, %0" : "=r"(value));
		break;
	case 2:
		__asm__ volatile("mov %%dr2, %0" : "=r"(value));
		break;
	case 3:
		__asm__ volatile("mov %%dr3, %0" : "=r"(value));
		break;
	case 6:
		__asm__ volatile("mov %%dr6, %0" : "=r"(value));
		break;
	case 7:
		__asm__ volatile("mov %%dr7, %0" : "=r"(value));
		break;
	}
	return value;
}

static void write_dr(unsigned n, uint64_t value)
{
	switch (n) {
	case 0:
		__asm__ volatile("mov %0, %%dr0" : : "r"(value));
		break;
	case 1:
		__asm__ volatile("mov %0, %%dr1" : : "r"(value));
		break;
	case 2:
		__asm__ volatile("mov %0, %%dr2" : : "r"(value));
		break;
	case 3:
		__asm__ volatile("mov %0, %%dr3" : : "r"(value));
		break;
	case 6:
		__asm__ volatile("mov %0, %%dr6" : : "r"(value));
		break;
	case 7:
		__asm__ volatile("mov %0, %%dr7" : : "r"(value));
		break;
	}
}

static bool on_debug(struct exception *e)
{
	if (e->vector != VECTOR_DB)
		return false;
	hit_dr6 = read_dr(6);
	hit_rip = e->rip;
	write_dr(6, DR6_FIXED);
	if (hit_dr6 & DR6_BS)
		steps++;
	else
		hits++;
	e->rflags |= RFLAGS_RF;
	if (steps >= 3)
		e->rflags &= ~RFLAGS_TF;
	return true;
}

static void exits(void)
{
	uint32_t leaf[4];

	cpuid(0, 0, leaf);
	inb(COM2_SCRATCH);
}

static void check_kept(uint64_t *seed)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t value[4];

		for (unsigned n = 0; n < 4; n++) {
			value[n] = random_next(seed);
			write_dr(n, value[n]);
		}
		exits();
		for (unsigned n = 0; n < 4; n++)
			lost += read_dr(n) != value[n];
	}
	check(!lost, "DR0 to DR3 are kept", "%u lost", lost);

	write_dr(6, DR6_FIXED | DR6_B0);
	write_dr(7, DR7_FIXED | 0x20000000ull); /* nothing enabled */
	exits();
	check((read_dr(6) & 0xf) == DR6_B0, "DR6 is kept", "%#llx", (unsigned long long)read_dr(6));
	check(read_dr(7) == (DR7_FIXED | 0x20000000ull), "DR7 is kept", "%#llx",
	      (unsigned long long)read_dr(7));
	write_dr(6, DR6_FIXED);
	write_dr(7, DR7_FIXED);
}

__attribute__((noinline)) static unsigned target(unsigned n)
{
	__asm__ volatile("nop");
	return n + 1;
}

static void check_breakpoint(void)
{
	unsigned result;

	hits = 0;
	write_dr(0, (uint64_t)(uintptr_t)target);
	write_dr(7, DR7_FIXED | DR7_L0);
	exits();
	result = target(1);
	write_dr(7, DR7_FIXED);
	check(hits == 1 && hit_rip == (uint64_t)(uintptr_t)target && (hit_dr6 & 0xf) == DR6_B0 &&
		      result == 2,
	      "breakpoint", "%u hits at %#llx, DR6 %#llx", hits, (unsigned long long)hit_rip,
	      (unsigned long long)hit_dr6);
}

static void check_watchpoint(void)
{
	hits = 0;
	write_dr(1, (uint64_t)(uintptr_t)&watched);
	write_dr(7, DR7_FIXED | DR7_L1 | DR7_WRITE_4_OF_1);
	exits();
	watched = 5;
	write_dr(7, DR7_FIXED);
	check(hits == 1 && (hit_dr6 & 0xf) == DR6_B1, "watchpoint", "%u hits, DR6 %#llx", hits,
	      (unsigned long long)hit_dr6);
}

/* Also over an instruction that exits: its step must not be lost. */
static void check_steps(void)
{
	steps = 0;
	__asm__ volatile("pushfq\n\t"
			 "orq $0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "nop\n\t"
			 "xor %%eax, %%eax\n\t"
			 "cpuid\n\t"
			 "nop\n\t"
			 "pushfq\n\t"
			 "andq $~0x100, (%%rsp)\n\t"
			 "popfq"
			 :
			 :
			 : "rax", "rbx", "rcx", "rdx", "cc", "memory");
	check(steps == 3, "single steps, also over CPUID", "%u", steps);
}

int main(void)
{
	uint64_t seed = option("seed", 1);

	exceptions_hook(on_debug);
	check_kept(&seed);
	check_breakpoint();
	check_watchpoint();
	check_steps();
	check_end();
	guest_poweroff();
}
