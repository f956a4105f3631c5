/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug registers belong to the guest: they keep their values over exits,
 * and breakpoints, watchpoints and single steps work (SDM 3B, 17.2). */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"

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
#define MAX_STEPS        64
#define UNCLAIMED        0xd0000000u
#define VECTOR_IPI       0x41
#define CPUID_1_X2APIC   (1u << 21)
#define MSR_MISC_ENABLE  0x1a0
#define MSR_EFER         0xc0000080
#define MSR_DEBUGCTL     0x1d9
#define DEBUGCTL_BTF     0x2u

static volatile unsigned hits, steps;
static volatile uint64_t hit_rip, hit_dr6;
static volatile uint32_t watched;
static volatile uint64_t step_rip[MAX_STEPS];

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
	if (!(hit_dr6 & DR6_BS))
		hits++;
	else if (steps < MAX_STEPS)
		step_rip[steps++] = e->rip;
	e->rflags |= RFLAGS_RF;
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

/*
 * An instruction whose step ends in front of the next one, and for a repeated string instruction
 * each repetition but the last one as well, which ends where it began.
 */
#define STEP(text)     text "\n99:\t" STEPPED("99b")
#define REPEAT(text)   "98:\t" STEPPED("98b") STEP(text)
#define STEPPED(label) ".pushsection .rodata.steps\n\t.quad " label "\n\t.popsection\n\t"
#define SECTION_OF_STEPS(name) \
	".pushsection .rodata.steps\n\t.globl " name "\n" name ":\n\t.popsection\n\t"

extern const uint64_t steps_begin[], steps_end[];

static void check_each(const char *name)
{
	unsigned count = (unsigned)(steps_end - steps_begin), wrong = 0;

	for (unsigned i = 0; i < count && i < steps; i++)
		if (!wrong && step_rip[i] != steps_begin[i])
			wrong = i + 1;
	check(steps == count && !wrong, name, "%u of %u, the first wrong one is %u at %#llx", steps,
	      count, wrong, wrong ? (unsigned long long)step_rip[wrong - 1] : 0);
}

/*
 * One trap behind each instruction, no matter which has executed it: the CPU, the kernel (CPUID, an
 * MSR of its own, a doorbell's port, WBINVD), or dom0 (a port, an MSR, memory where nothing is, a
 * string from there).
 */
static void check_steps(void)
{
	static uint8_t bytes[4];
	uint64_t rdi = (uintptr_t)bytes, rsi = UNCLAIMED, rcx;

	steps = 0;
	/* clang-format off */
	__asm__ volatile(SECTION_OF_STEPS("steps_begin")
			 "pushfq\n\t"
			 "orq $0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 STEP("nop")
			 STEP("xor %%eax, %%eax")
			 STEP("cpuid")
			 STEP("mov %[scratch], %%edx")
			 STEP("in %%dx, %%al")
			 STEP("out %%al, $0x80")
			 STEP("out %%al, %%dx")
			 STEP("in %%dx, %%al")
			 STEP("mov %[efer], %%ecx")
			 STEP("rdmsr")
			 STEP("wrmsr")
			 STEP("mov %[misc], %%ecx")
			 STEP("rdmsr")
			 STEP("wrmsr")
			 STEP("cpuid")
			 STEP("wbinvd")
			 STEP("mov (%%rsi), %%eax")
			 STEP("mov %%eax, (%%rsi)")
			 STEP("movsb")
			 STEP("mov $2, %%ecx")
			 REPEAT("rep movsb")
			 STEP("nop")
			 STEP("pushfq")
			 STEP("andq $~0x100, (%%rsp)")
			 STEP("popfq")
			 SECTION_OF_STEPS("steps_end")
			 : "+D"(rdi), "+S"(rsi), "=&c"(rcx)
			 : [scratch] "i"(COM2_SCRATCH), [efer] "i"(MSR_EFER),
			   [misc] "i"(MSR_MISC_ENABLE)
			 : "rax", "rbx", "rdx", "cc", "memory");
	/* clang-format on */
	check_each("single steps, each over one instruction");
}

/* An interrupt that comes with the instruction takes none away. */
static void check_steps_interrupted(void)
{
	uint64_t before = interrupt_count[VECTOR_IPI], rcx;
	unsigned lost = 0;
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	if (!(leaf[2] & CPUID_1_X2APIC))
		return;
	lapic_enable();
	for (unsigned i = 0; i < ROUNDS; i++) {
		steps = 0;
		__asm__ volatile("sti\n\t"
				 "pushfq\n\t"
				 "orq $0x100, (%%rsp)\n\t"
				 "popfq\n\t"
				 "wrmsr\n\t"
				 "pushfq\n\t"
				 "andq $~0x100, (%%rsp)\n\t"
				 "popfq\n\t"
				 "cli"
				 : "=c"(rcx)
				 : "c"(X2APIC_SELF_IPI), "a"(VECTOR_IPI), "d"(0)
				 : "cc", "memory");
		lost += steps != 4;
	}
	check(!lost, "single steps beside interrupts", "%u lost", lost);
	check(interrupt_count[VECTOR_IPI] == before + ROUNDS, "interrupts beside single steps",
	      "%llu", (unsigned long long)(interrupt_count[VECTOR_IPI] - before));
}

/* With BTF set TF stops behind branches. QEMU's and Bochs's CPUs do not know BTF, so that this
 * looks at one instruction which the CPU does not execute by itself. The exception clears BTF. */
static void check_branch_steps(void)
{
	uint64_t behind, rax = 0, rcx;

	steps = 0;
	wrmsr(MSR_DEBUGCTL, DEBUGCTL_BTF);
	__asm__ volatile("lea 1f(%%rip), %[behind]\n\t"
			 "pushfq\n\t"
			 "orq $0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "cpuid\n"
			 "1:\tnop\n\t"
			 "pushfq\n\t"
			 "andq $~0x100, (%%rsp)\n\t"
			 "popfq"
			 : [behind] "=&r"(behind), "+a"(rax), "=c"(rcx)
			 :
			 : "rbx", "rdx", "cc", "memory");
	check(!steps || step_rip[0] != behind, "no step that is no branch", "at %#llx",
	      (unsigned long long)step_rip[0]);
	wrmsr(MSR_DEBUGCTL, 0);
}

int main(void)
{
	uint64_t seed = option("seed", 1);

	exceptions_hook(on_debug);
	interrupts_init();
	check_kept(&seed);
	check_breakpoint();
	check_watchpoint();
	check_steps();
	check_steps_interrupted();
	check_branch_steps();
	check_end();
	guest_poweroff();
}
