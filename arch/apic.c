/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/apic.h"

#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/msr.h"
#include "arch/paging.h"
#include "arch/tsc.h"
#include "kernel/base/log.h"

#define LVT_NMI     0x400u
#define DIVIDE_BY_1 0xbu
#define ICR_ASSERT  0x4000u

#define CPUID_APIC         (1u << 9)  /* leaf 1, EDX */
#define CPUID_X2APIC       (1u << 21) /* leaf 1, ECX */
#define CPUID_TSC_DEADLINE (1u << 24)

#define MEASURE_NS 2000000u
#define SAMPLES    5u

static bool x2apic, deadline_mode;
static volatile uint8_t *page;
static uint64_t counts_per_tick; /* of the timer, per TSC tick, 32.32 */

static uint32_t read(uint32_t reg)
{
	if (x2apic)
		return (uint32_t)cpu_rdmsr(MSR_X2APIC + reg);
	return mmio_read32(page + 16 * reg);
}

static void write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		cpu_wrmsr(MSR_X2APIC + reg, value);
	else
		mmio_write32(page + 16 * reg, value);
}

static void switch_on(void)
{
	uint64_t base = cpu_rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	cpu_wrmsr(MSR_APIC_BASE, base); /* from off to x2APIC it goes in two steps */
	if (x2apic)
		cpu_wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
}

/* The timer and the TSC at one moment: of some readings the one that took least. */
static uint64_t sample_timer(uint32_t *count)
{
	uint64_t best = UINT64_MAX, at = 0;

	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t before = cpu_rdtsc();
		uint32_t value = read(LAPIC_CURRENT_COUNT);
		uint64_t took = cpu_rdtsc() - before;

		if (took < best) {
			best = took;
			at = before + took / 2;
			*count = value;
		}
	}
	return at;
}

static void measure_timer(void)
{
	uint32_t from = 0, to = 0;
	uint64_t start, end;

	write(LAPIC_LVT_TIMER, LVT_MASKED);
	write(LAPIC_DIVIDE, DIVIDE_BY_1);
	write(LAPIC_INITIAL_COUNT, UINT32_MAX);
	start = sample_timer(&from);
	tsc_delay_ns(MEASURE_NS);
	end = sample_timer(&to);
	write(LAPIC_INITIAL_COUNT, 0);
	counts_per_tick = ((uint64_t)(from - to) << 32) / (end - start);
}

bool apic_setup(void)
{
	struct cpu_cpuid leaf = cpu_cpuid(1, 0);

	if (!(leaf.edx & CPUID_APIC))
		return false;
	x2apic = leaf.ecx & CPUID_X2APIC;
	deadline_mode = leaf.ecx & CPUID_TSC_DEADLINE;
	if (!x2apic) {
		page = phys_map(cpu_rdmsr(MSR_APIC_BASE) & 0xffffffffff000u, 4096, MAP_DEVICE);
		if (!page)
			return false;
	}
	switch_on();
	write(LAPIC_SVR, SVR_ENABLE | 0xff);
	if (!deadline_mode)
		measure_timer();
	log_print("apic: %s, timer by %s\n", x2apic ? "x2APIC" : "xAPIC",
		  deadline_mode ? "TSC deadline" : "count");
	return deadline_mode || counts_per_tick;
}

void apic_enable(uint8_t timer_vector, uint8_t error_vector, uint8_t spurious_vector)
{
	switch_on();
	write(LAPIC_SVR, SVR_ENABLE | spurious_vector);
	write(LAPIC_TPR, 0);
	write(LAPIC_LVT_PERF, LVT_MASKED);
	write(LAPIC_LVT_LINT0, LVT_MASKED); /* the PIC */
	write(LAPIC_LVT_LINT1, LVT_NMI);
	write(LAPIC_LVT_ERROR, error_vector);
	write(LAPIC_DIVIDE, DIVIDE_BY_1);
	write(LAPIC_LVT_TIMER, timer_vector | (deadline_mode ? TIMER_DEADLINE : 0));
	/* The xAPIC's store is not ordered before a later WRMSR (SDM 11.5.4.1). */
	__asm__ volatile("mfence" ::: "memory");
	if (deadline_mode)
		cpu_wrmsr(MSR_TSC_DEADLINE, 0);
	else
		write(LAPIC_INITIAL_COUNT, 0);
	apic_error();
}

uint32_t apic_id(void)
{
	uint32_t id = read(LAPIC_ID);

	return x2apic ? id : id >> 24;
}

void apic_eoi(void)
{
	write(LAPIC_EOI, 0);
}

/*
 * QEMU's emulated CPU may forget at a #VMEXIT that an interrupt is pending: two
 * of its threads change one word of flags without a lock. A write of the TPR
 * makes its APIC raise the line again.
 */
void apic_offer(void)
{
	write(LAPIC_TPR, 0);
}

void apic_timer_set(uint64_t tsc)
{
	unsigned __int128 count = 1;
	uint64_t now;

	if (deadline_mode) {
		cpu_wrmsr(MSR_TSC_DEADLINE, tsc);
		return;
	}
	now = cpu_rdtsc();
	if (tsc > now)
		count += (unsigned __int128)(tsc - now) * counts_per_tick >> 32;
	write(LAPIC_INITIAL_COUNT, count < UINT32_MAX ? (uint32_t)count : UINT32_MAX);
}

void apic_send(uint32_t dest, uint32_t command)
{
	if (x2apic) {
		/* The write does not serialize: all stores that the other CPU shall see go first.
		 */
		__asm__ volatile("mfence; lfence" ::: "memory");
		cpu_wrmsr(MSR_X2APIC + LAPIC_ICR, (uint64_t)dest << 32 | ICR_ASSERT | command);
		return;
	}
	while (read(LAPIC_ICR) & ICR_BUSY)
		cpu_pause();
	write(LAPIC_ICR_HIGH, dest << 24);
	write(LAPIC_ICR, ICR_ASSERT | command);
}

uint32_t apic_error(void)
{
	write(LAPIC_ESR, 0); /* latches what came since the last write */
	return read(LAPIC_ESR);
}
