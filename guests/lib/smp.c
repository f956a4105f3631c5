/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/smp.h"

#include <stdlib.h>
#include <string.h>

#include "guests/lib/cpu.h"
#include "guests/lib/lapic.h"
#include "guests/lib/tsc.h"

#define PAGE        0x8000u /* below 1 MiB, and nobody's */
#define STACK_BYTES 8192u
#define WAIT_MS     2000u

extern const uint8_t ap_begin[], ap_end[], ap_block[];
const uint64_t ap_at = PAGE;

struct pointer {
	uint16_t limit;
	uint64_t base;
	uint8_t pad[6];
} __attribute__((packed));

struct ap_block {
	struct pointer gdt, idt;
	uint64_t cr3, stack;
	void (*entry)(uint64_t id);
	uint64_t id;
} __attribute__((packed));

static uint8_t *stacks[SMP_CPUS];
static void (*start)(uint64_t id);
static bool arrived;

void ipi_send(uint32_t destination, uint32_t command)
{
	if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC) {
		wrmsr(X2APIC_ICR, (uint64_t)destination << 32 | command);
		return;
	}
	xapic_write(XAPIC_ICR_HIGH, destination << 24);
	xapic_write(XAPIC_ICR_LOW, command);
}

static void arrive(uint64_t id)
{
	void (*entry)(uint64_t) = start;

	__atomic_store_n(&arrived, true, __ATOMIC_RELEASE);
	entry(id);
}

static bool has_arrived(uint64_t ms)
{
	uint64_t end = rdtsc() + ms * tsc_khz();

	while (!__atomic_load_n(&arrived, __ATOMIC_ACQUIRE)) {
		if (rdtsc() > end)
			return false;
		cpu_relax();
	}
	return true;
}

bool smp_start(unsigned id, void (*entry)(uint64_t id))
{
	struct ap_block *block = (struct ap_block *)(uintptr_t)(PAGE + (ap_block - ap_begin));

	if (id >= SMP_CPUS)
		return false;
	if (!stacks[id])
		stacks[id] = aligned_alloc(16, STACK_BYTES);
	if (!stacks[id])
		return false;
	memcpy((void *)(uintptr_t)PAGE, ap_begin, (size_t)(ap_end - ap_begin));
	__asm__ volatile("sgdt %0; sidt %1" : "=m"(block->gdt), "=m"(block->idt));
	block->cr3 = read_cr3();
	block->stack = (uint64_t)(uintptr_t)stacks[id] + STACK_BYTES;
	block->entry = arrive;
	block->id = id;
	start = entry;
	arrived = false;
	ipi_send(id, ICR_INIT | ICR_ASSERT);
	ipi_send(id, ICR_STARTUP | ICR_ASSERT | PAGE >> 12);
	if (has_arrived(WAIT_MS / 2))
		return true;
	ipi_send(id, ICR_STARTUP | ICR_ASSERT | PAGE >> 12);
	return has_arrived(WAIT_MS / 2);
}
