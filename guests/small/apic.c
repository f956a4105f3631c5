/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC by x2APIC MSRs and by its page (SDM 3A, chapter 11): timer in
 * its three modes, IPIs to itself, priorities, HLT. */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"
#include "guests/lib/tsc.h"

#define VECTOR_LOW           0x41
#define VECTOR_HIGH          0x81
#define VECTOR_TIMER         0x61
#define XAPIC_LVT_TIMER      0x320
#define XAPIC_INITIAL        0x380
#define XAPIC_CURRENT        0x390
#define XAPIC_DIVIDE         0x3e0
#define CPUID_1_TSC_DEADLINE (1u << 24)
#define CPUID_1_APIC         (1u << 9) /* EDX */
#define SHORT_TICKS          100000u
/* Times that a busy host cannot spend between two instructions. */
#define SOON_MS 200ull
#define WAIT_MS 500ull

static uint64_t khz;

/* Runs until the count is reached, or for WAIT_MS. */
static bool wait_count(unsigned vector, uint64_t count)
{
	uint64_t end = rdtsc() + WAIT_MS * khz;

	while (interrupt_count[vector] < count) {
		if (rdtsc() > end)
			return false;
		interrupts_on();
		cpu_relax();
		interrupts_off();
	}
	return true;
}

static void check_identity(void)
{
	uint64_t version = rdmsr(X2APIC_VERSION);

	check(rdmsr(X2APIC_ID) == 0, "x2APIC id", "%#llx", (unsigned long long)rdmsr(X2APIC_ID));
	check((version & 0xff) >= 0x10 && (version >> 16 & 0xff) >= 4, "version", "%#llx",
	      (unsigned long long)version);
}

static void check_self_ipi(void)
{
	uint64_t before = interrupt_count[VECTOR_LOW];

	wrmsr(X2APIC_SELF_IPI, VECTOR_LOW);
	check(interrupt_count[VECTOR_LOW] == before, "IPI waits for IF", "came early");
	check(rdmsr(X2APIC_IRR + VECTOR_LOW / 32) >> VECTOR_LOW % 32 & 1, "IPI is in the IRR",
	      "not there");
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == before + 1, "SELF IPI", "not taken");
	wrmsr(X2APIC_ICR, ICR_SELF | VECTOR_LOW);
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == before + 2, "ICR to self", "not taken");
	wrmsr(X2APIC_ICR, VECTOR_LOW); /* physical, to id 0 */
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == before + 3, "ICR to id 0", "not taken");
}

/* KVM's word for ends of interrupts: set when one is taken that has nothing behind it. */
static void check_paravirtual_eoi(void)
{
	const uint64_t word = (uint64_t)(uintptr_t)&interrupt_eoi;
	uint64_t before = interrupt_count[VECTOR_LOW];
	uint32_t leaf[4];

	cpuid(CPUID_KVM_FEATURES, 0, leaf);
	if (!(leaf[0] & KVM_FEATURE_PV_EOI))
		return;
	wrmsr(MSR_KVM_PV_EOI, word | 1);
	check(rdmsr(MSR_KVM_PV_EOI) == (word | 1), "EOI in memory: the MSR", "is another");
	for (unsigned i = 0; i < 20; i++) {
		wrmsr(X2APIC_SELF_IPI, VECTOR_LOW);
		interrupts_on();
		interrupts_off();
	}
	check(interrupt_count[VECTOR_LOW] == before + 20, "EOI in memory: all are taken", "%llu",
	      (unsigned long long)(interrupt_count[VECTOR_LOW] - before));
	printf("EOI in memory: %u saved\n",
	       interrupt_eoi_saved); /* none if the CPU has no exits for it */
	/* Of two, the first one has something behind it. */
	interrupt_eoi_saved = 0;
	wrmsr(X2APIC_SELF_IPI, VECTOR_LOW);
	wrmsr(X2APIC_SELF_IPI, VECTOR_HIGH);
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == before + 21 && interrupt_eoi_saved <= 1,
	      "EOI in memory: not of the first of two", "%u", interrupt_eoi_saved);
	check(!(rdmsr(X2APIC_ISR + VECTOR_LOW / 32) | rdmsr(X2APIC_ISR + VECTOR_HIGH / 32)),
	      "EOI in memory: nothing is in service", "ISR not empty");
	/* Turned off before an end that was said in memory has been seen. Not at address 0. */
	__asm__ volatile("movl $1, 0" : : : "memory");
	wrmsr(X2APIC_SELF_IPI, VECTOR_LOW);
	interrupts_on();
	interrupts_off();
	wrmsr(MSR_KVM_PV_EOI, 0);
	check(!rdmsr(X2APIC_ISR + VECTOR_LOW / 32), "EOI in memory: the last one counts",
	      "ISR not empty");
	wrmsr(X2APIC_SELF_IPI, VECTOR_LOW);
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == before + 23 && !interrupt_eoi,
	      "EOI in memory: turned off", "word %u", interrupt_eoi);
}

static void check_priority(void)
{
	uint64_t low = interrupt_count[VECTOR_LOW];
	uint64_t high = interrupt_count[VECTOR_HIGH];

	wrmsr(X2APIC_TPR, 0x50);
	wrmsr(X2APIC_SELF_IPI, VECTOR_LOW);
	wrmsr(X2APIC_SELF_IPI, VECTOR_HIGH);
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == low && interrupt_count[VECTOR_HIGH] == high + 1,
	      "TPR holds lower vectors", "%llu low",
	      (unsigned long long)(interrupt_count[VECTOR_LOW] - low));
	__asm__ volatile("mov %0, %%cr8" : : "r"(0ull));
	check(rdmsr(X2APIC_TPR) == 0, "CR8 is the TPR", "%#llx",
	      (unsigned long long)rdmsr(X2APIC_TPR));
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_LOW] == low + 1, "then they come", "not taken");
	wrmsr(X2APIC_TPR, 0x50);
	{
		uint64_t cr8;

		__asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
		check(cr8 == 5, "the TPR is CR8", "%llu", (unsigned long long)cr8);
	}
	wrmsr(X2APIC_TPR, 0);
}

static void check_one_shot(void)
{
	uint64_t before = interrupt_count[VECTOR_TIMER];

	wrmsr(X2APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	wrmsr(X2APIC_LVT_TIMER, VECTOR_TIMER);
	wrmsr(X2APIC_TIMER_INITIAL, SHORT_TICKS);
	halt_once();
	check(interrupt_count[VECTOR_TIMER] == before + 1, "one-shot wakes HLT", "count %llu",
	      (unsigned long long)interrupt_count[VECTOR_TIMER]);
	check(rdmsr(X2APIC_TIMER_CURRENT) == 0, "one-shot stops at 0", "%llu",
	      (unsigned long long)rdmsr(X2APIC_TIMER_CURRENT));

	wrmsr(X2APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	wrmsr(X2APIC_TIMER_INITIAL, SHORT_TICKS);
	while (rdmsr(X2APIC_TIMER_CURRENT))
		cpu_relax();
	interrupts_on();
	interrupts_off();
	check(interrupt_count[VECTOR_TIMER] == before + 1, "masked one-shot", "taken");
}

static void check_periodic(void)
{
	uint64_t before = interrupt_count[VECTOR_TIMER];

	wrmsr(X2APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
	wrmsr(X2APIC_TIMER_INITIAL, SHORT_TICKS);
	for (unsigned i = 0; i < 10; i++)
		halt_once();
	wrmsr(X2APIC_TIMER_INITIAL, 0);
	check(interrupt_count[VECTOR_TIMER] >= before + 10, "periodic", "%llu",
	      (unsigned long long)(interrupt_count[VECTOR_TIMER] - before));
	interrupts_on();
	interrupts_off();
	before = interrupt_count[VECTOR_TIMER];
	check(!wait_count(VECTOR_TIMER, before + 1), "periodic stops", "goes on");
}

static void check_deadline(void)
{
	uint64_t before = interrupt_count[VECTOR_TIMER], deadline, now;
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	check(leaf[2] & CPUID_1_TSC_DEADLINE, "TSC-deadline in CPUID", "no");
	wrmsr(X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
	deadline = rdtsc() + SOON_MS * khz;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	check(rdmsr(MSR_TSC_DEADLINE) == deadline, "deadline reads back", "no");
	halt_once();
	now = rdtsc();
	check(interrupt_count[VECTOR_TIMER] == before + 1 && now >= deadline,
	      "TSC-deadline wakes HLT", "%lld ticks late", (long long)(now - deadline));
	check(rdmsr(MSR_TSC_DEADLINE) == 0, "deadline is 0 then", "no");
	wrmsr(MSR_TSC_DEADLINE, 1); /* long past: at once */
	interrupts_on();
	interrupts_off();
	check(wait_count(VECTOR_TIMER, before + 2), "a deadline in the past", "not taken");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + SOON_MS * khz);
	wrmsr(MSR_TSC_DEADLINE, 0);
	check(!wait_count(VECTOR_TIMER, before + 3), "a deadline taken back", "taken");
	wrmsr(X2APIC_LVT_TIMER, LVT_MASKED);
}

static void check_refused(void)
{
	uint64_t value;

	check(try_wrmsr(X2APIC_ID, 1) == VECTOR_GP, "the id is read-only", "no");
	check(try_wrmsr(X2APIC_EOI, 1) == VECTOR_GP, "EOI of not 0", "no #GP");
	check(try_wrmsr(X2APIC_TPR, 0x100) == VECTOR_GP, "TPR: reserved bits", "no #GP");
	check(try_rdmsr(0x80e, &value) == VECTOR_GP, "no DFR in x2APIC", "no #GP");
	check(try_rdmsr(0x831, &value) == VECTOR_GP, "no ICR high in x2APIC", "no #GP");
	check(try_wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~(uint64_t)APIC_BASE_X2APIC) ==
		      VECTOR_GP,
	      "x2APIC to xAPIC needs disabling first", "no #GP");
	check(try_wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) + 0x1000) == VECTOR_GP,
	      "the local APIC does not move", "no #GP");
}

/* The counting handlers send EOI by x2APIC MSR, so here the interrupts are
 * looked at without taking them, or taken in x2APIC mode afterwards. */
static void check_xapic(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	check(leaf[3] & CPUID_1_APIC, "CPUID has the local APIC", "no");
	wrmsr(MSR_APIC_BASE, base & ~(uint64_t)(APIC_BASE_X2APIC | APIC_BASE_ENABLE));
	cpuid(1, 0, leaf);
	check(!(leaf[3] & CPUID_1_APIC), "CPUID has no local APIC that is turned off", "it has");
	cpuid(0x80000001, 0, leaf);
	check(!(leaf[3] & CPUID_1_APIC), "nor has AMD's leaf", "it has");
	wrmsr(MSR_APIC_BASE, (base & ~(uint64_t)APIC_BASE_X2APIC) | APIC_BASE_ENABLE);
	check(xapic_read(XAPIC_ID) == 0, "xAPIC id", "%#x", xapic_read(XAPIC_ID));
	check((xapic_read(XAPIC_VERSION) & 0xff) >= 0x10, "xAPIC version", "%#x",
	      xapic_read(XAPIC_VERSION));
	xapic_write(XAPIC_SPURIOUS, 0x1ff);
	check(xapic_read(XAPIC_SPURIOUS) == 0x1ff, "xAPIC SVR", "%#x", xapic_read(XAPIC_SPURIOUS));
	xapic_write(XAPIC_TPR, 0x30);
	check(xapic_read(XAPIC_TPR) == 0x30, "xAPIC TPR", "%#x", xapic_read(XAPIC_TPR));
	xapic_write(XAPIC_TPR, 0);
	xapic_write(XAPIC_DIVIDE, DIVIDE_BY_1);
	xapic_write(XAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	xapic_write(XAPIC_INITIAL, 0xf0000000);
	check(xapic_read(XAPIC_CURRENT) <= 0xf0000000 && xapic_read(XAPIC_CURRENT) > 0,
	      "xAPIC timer counts", "%#x", xapic_read(XAPIC_CURRENT));
	xapic_write(XAPIC_INITIAL, 0);
	xapic_write(XAPIC_ICR_LOW, ICR_SELF | VECTOR_LOW);
	check(xapic_read(XAPIC_IRR + VECTOR_LOW / 32 * 0x10) >> VECTOR_LOW % 32 & 1,
	      "xAPIC IPI to self", "not in the IRR");
	check(xapic_read(XAPIC_ESR) == 0, "xAPIC ESR", "%#x", xapic_read(XAPIC_ESR));
	xapic_write(XAPIC_EOI, 0);
	check(try_rdmsr(X2APIC_ID, &base) == VECTOR_GP, "no x2APIC MSRs in xAPIC mode", "no #GP");
}

int main(void)
{
	faults_init();
	interrupts_init();
	khz = tsc_khz();
	lapic_enable();
	check_identity();
	check_self_ipi();
	check_paravirtual_eoi();
	check_priority();
	check_one_shot();
	check_periodic();
	check_deadline();
	check_refused();
	check_xapic();
	check_end();
	guest_poweroff();
}
