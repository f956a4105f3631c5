/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions, with their error codes and CR2, and NMIs reach the guest's own
 * handlers. */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"

#define NON_CANONICAL  0x8000000000001000ull
#define CR4_TSD        0x4ull
#define PF_WRITE       0x2u
#define PF_RESERVED    0x8u
#define UNMAPPED       ((uint64_t)GUEST_MAPPED_GIB << 30) /* past what start.S maps */
#define ROUNDS         1000
#define CPUID_1_X2APIC (1u << 21)
#define VECTOR_TS      10
#define VECTOR_NP      11
#define VECTOR_OF      4
#define VECTOR_DB      1
#define VECTOR_NMI     2
#define RFLAGS_TF      0x100u
#define NMIS           100

static volatile unsigned seen[32];
static volatile uint64_t error, cr2;

/* Goes on after the instruction: where the test says, or at once. */
static volatile uint64_t go_on;

/* So many NMIs more, each sent from the handler of the one before; RFLAGS that its IRET sets. */
static volatile unsigned chain;
static volatile uint64_t chain_rflags;

static bool on_exception(struct exception *e)
{
	seen[e->vector & 31]++;
	error = e->error;
	cr2 = read_cr2();
	if (go_on)
		e->rip = go_on;
	go_on = 0;
	if (e->vector == VECTOR_NMI && chain) {
		chain--;
		wrmsr(X2APIC_ICR, ICR_SELF | ICR_NMI);
		e->rflags |= chain_rflags;
	}
	if (e->vector == VECTOR_DB)
		e->rflags &= ~RFLAGS_TF;
	return true;
}

static unsigned taken(unsigned vector)
{
	unsigned n = seen[vector];

	seen[vector] = 0;
	return n;
}

static void divide(void)
{
	__asm__ volatile("movq $1f, %0\n\t"
			 "xor %%edx, %%edx\n\t"
			 "xor %%ecx, %%ecx\n\t"
			 "mov $1, %%eax\n\t"
			 "div %%ecx\n"
			 "1:"
			 : "=m"(go_on)
			 :
			 : "rax", "rcx", "rdx", "cc", "memory");
	check(taken(0) == 1, "#DE", "not taken");
}

static void undefined(void)
{
	__asm__ volatile("movq $1f, %0\n\tud2\n1:" : "=m"(go_on) : : "memory");
	check(taken(6) == 1, "#UD", "not taken");
}

static void breakpoint(void)
{
	go_on = 0;
	__asm__ volatile("int3" : : : "memory");
	check(taken(3) == 1, "#BP", "not taken");
	__asm__ volatile("int $4" : : : "memory");
	check(taken(VECTOR_OF) == 1, "INT n", "not taken");
}

static void protection(void)
{
	__asm__ volatile("movq $1f, %0\n\t"
			 "mov %1, %%rax\n\t"
			 "mov (%%rax), %%rax\n"
			 "1:"
			 : "=m"(go_on)
			 : "r"(NON_CANONICAL)
			 : "rax", "memory");
	check(taken(13) == 1 && error == 0, "#GP(0)", "error %#llx", (unsigned long long)error);
	__asm__ volatile("movq $1f, %0\n\t"
			 "mov $0x48, %%eax\n\t"
			 "mov %%ax, %%ds\n"
			 "1:"
			 : "=m"(go_on)
			 :
			 : "rax", "memory");
	check(taken(13) == 1 && error == 0x48, "#GP(selector)", "error %#llx",
	      (unsigned long long)error);
}

static void page(void)
{
	__asm__ volatile("movq $1f, %0\n\t"
			 "mov %1, %%rax\n\t"
			 "mov (%%rax), %%rax\n"
			 "1:"
			 : "=m"(go_on)
			 : "r"(UNMAPPED + 0x123)
			 : "rax", "memory");
	check(taken(14) == 1 && error == 0 && cr2 == UNMAPPED + 0x123, "#PF of a read",
	      "error %#llx, CR2 %#llx", (unsigned long long)error, (unsigned long long)cr2);
	__asm__ volatile("movq $1f, %0\n\t"
			 "mov %1, %%rax\n\t"
			 "mov %%rax, (%%rax)\n"
			 "1:"
			 : "=m"(go_on)
			 : "r"(UNMAPPED + 0x456)
			 : "rax", "memory");
	check(taken(14) == 1 && error == PF_WRITE && cr2 == UNMAPPED + 0x456, "#PF of a write",
	      "error %#llx, CR2 %#llx", (unsigned long long)error, (unsigned long long)cr2);
}

/* Instructions that the guest may not execute at all. */
static void forbidden(void)
{
	uint64_t any = 0;

	__asm__ volatile("movq $1f, %0\n\t"
			 "mov $0x1000, %%eax\n\t"
			 ".byte 0x0f, 0x01, 0xd8\n" /* VMRUN */
			 "1:"
			 : "=m"(go_on)
			 :
			 : "rax", "memory");
	check(taken(6) == 1, "VMRUN raises #UD", "%u #GP", taken(13));
	__asm__ volatile("movq $1f, %0\n\t"
			 ".byte 0x0f, 0x01, 0xdd\n" /* CLGI */
			 "1:"
			 : "=m"(go_on)
			 :
			 : "memory");
	check(taken(6) == 1, "CLGI raises #UD", "%u #GP", taken(13));
	__asm__ volatile("movq $1f, %0\n\t"
			 "mov $0x1000, %%eax\n\t"
			 ".byte 0x0f, 0x01, 0xda\n" /* VMLOAD */
			 "1:"
			 : "=m"(go_on)
			 :
			 : "rax", "memory");
	check(taken(6) == 1, "VMLOAD raises #UD", "%u #GP", taken(13));
	go_on = 0;
	(void)any;
}

static void many(void)
{
	unsigned wrong = 0;
	uint32_t leaf[4];

	for (unsigned i = 0; i < ROUNDS; i++) {
		__asm__ volatile("movq $1f, %0\n\tud2\n1:" : "=m"(go_on) : : "memory");
		cpuid(0, 0, leaf);
		wrong += taken(6) != 1;
	}
	check(!wrong, "exceptions between exits", "%u lost", wrong);
}

static void nmi(void)
{
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	if (!(leaf[2] & CPUID_1_X2APIC))
		return;
	lapic_enable();
	go_on = 0;
	wrmsr(X2APIC_ICR, ICR_SELF | ICR_NMI);
	cpuid(0, 0, leaf);
	check(taken(2) == 1, "an NMI, interrupts off", "not taken");
	wrmsr(X2APIC_ICR, ICR_SELF | ICR_NMI);
	cpuid(0, 0, leaf);
	check(taken(2) == 1, "another NMI", "NMIs stay blocked");
}

/* Sends an NMI, and returns how many have been taken in front of the second instruction behind. */
static unsigned nmis_at_once(void)
{
	unsigned n;

	seen[VECTOR_NMI] = 0;
	__asm__ volatile("wrmsr\n\tnop\n\tmov %[seen], %[n]"
			 : [n] "=r"(n)
			 : "c"(X2APIC_ICR), "a"(ICR_SELF | ICR_NMI),
			   "d"(0), [seen] "m"(seen[VECTOR_NMI])
			 : "memory");
	return n;
}

/* An NMI that comes while the handler of another runs is taken right behind that one's IRET. */
static void nmi_behind_nmi(void)
{
	unsigned late = 0;
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	if (!(leaf[2] & CPUID_1_X2APIC))
		return;
	for (unsigned i = 0; i < NMIS; i++) {
		chain = 1;
		late += nmis_at_once() != 2;
	}
	check(!late, "an NMI behind the handler of another", "late in %u of %u cases", late, NMIS);
	taken(VECTOR_DB);
	chain = 1;
	chain_rflags = RFLAGS_TF;
	check(nmis_at_once() == 2 && taken(VECTOR_DB) == 1, "and the handler's IRET sets TF",
	      "no single step");
	chain_rflags = 0;
}

int main(void)
{
	exceptions_hook(on_exception);
	divide();
	undefined();
	breakpoint();
	protection();
	page();
	forbidden();
	many();
	nmi();
	nmi_behind_nmi();
	check_end();
	guest_poweroff();
}
