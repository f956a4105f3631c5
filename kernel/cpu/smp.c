/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cpu/smp.h"

#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/base/lock.h"
#include "kernel/base/panic.h"

#define KICK_AGAIN_NS 1000000u

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;
bool smp_stopping;
const struct cpu *smp_stuck;

void smp_kick(const struct cpu *cpu)
{
	if (cpu != this_cpu())
		apic_send(cpu->apic_id, VECTOR_KICK);
}

bool smp_wait(uint64_t *start)
{
	cpu_pause();
	if (cpu_rdtsc() - *start < tsc_from_ns(KICK_AGAIN_NS))
		return false;
	*start = cpu_rdtsc();
	return true;
}

static bool has_left(const struct cpu *cpu, uint64_t entries)
{
	return __atomic_load_n(&cpu->in_guest, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&cpu->entries, __ATOMIC_ACQUIRE) != entries;
}

/*
 * Each CPU counts in `entries` how often it has left the kernel. A CPU that is outside now, or has
 * left since this look, holds no pointer that it found before; whatever it finds when it comes in
 * again has been changed already. So one look at each CPU suffices, in any order.
 */
void smp_quiesce(void)
{
	ASSERT(!(this_cpu()->holds.ranks & ~LOCK_MANAGE));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct cpu *cpu = cpu_table[i];
		uint64_t entries = __atomic_load_n(&cpu->entries, __ATOMIC_ACQUIRE);

		while (cpu != this_cpu() && !has_left(cpu, entries))
			cpu_pause();
	}
}

static bool out_of_guest(const struct cpu *cpu, uint64_t entries)
{
	return __atomic_load_n(&cpu->entries, __ATOMIC_ACQUIRE) != entries ||
	       !__atomic_load_n(&cpu->in_guest, __ATOMIC_ACQUIRE);
}

/*
 * Kicks those CPUs only that run the domain's guest now, then waits until each has come out once:
 * `entries` tells an exit and a new entry from no exit at all. CPUs that enter the guest later see
 * slat_changes on their way (the door, smp.h).
 */
void smp_shoot_down(const struct domain *domain)
{
	uint64_t entries[CPUS], start; /* entries 0: does not run it */
	bool any = false;

	/* The tables have changed before the look at the CPUs' guests. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++) {
		uint64_t now = __atomic_load_n(&cpu_table[i]->entries, __ATOMIC_ACQUIRE);

		entries[i] = 0;
		if (__atomic_load_n(&cpu_table[i]->in_guest, __ATOMIC_ACQUIRE) != domain)
			continue;
		entries[i] = now;
		smp_kick(cpu_table[i]);
		any = true;
	}
	if (!any)
		return;
	start = cpu_rdtsc();
	for (uint32_t i = 0; i < cpu_count; i++)
		while (entries[i] && !out_of_guest(cpu_table[i], entries[i]))
			if (smp_wait(&start))
				smp_kick(cpu_table[i]);
}

void smp_stop_others(void)
{
	__atomic_store_n(&smp_stopping, true, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < cpu_count; i++)
		if (cpu_table[i] != this_cpu())
			apic_send(cpu_table[i]->apic_id, APIC_NMI);
}
