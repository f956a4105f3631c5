/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that does not leave the kernel any more, because of an error of ours,
 * is found by the one before it, and the machine stops with a dump. The
 * exchange of looks also bounds for how long a guest runs that nothing else
 * interrupts.
 */
#include "kernel/cpu/watchdog.h"

#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/base/panic.h"
#include "kernel/console/console.h"
#include "kernel/cpu/mce.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define LOOK_NS  1000000000ull
#define STUCK_NS 12000000000ull /* a long text on a slow serial port takes 6 s */
#define DUMP_NS  100000000ull

static void __attribute__((noreturn)) stuck(const struct cpu *cpu)
{
	const struct vcpu *vcpu = cpu->current;

	WRITE_ONCE(smp_stuck, cpu);
	apic_send(cpu->apic_id, APIC_NMI); /* says where it is, if its NMIs are not held back */
	tsc_delay_ns(DUMP_NS);
	panic("CPU %u does not leave the kernel; it holds locks %x; current: domain %d, vCPU %d",
	      cpu->id, cpu->locks, vcpu ? (int)vcpu->domain->id : -1, vcpu ? (int)vcpu->id : -1);
}

static void look(struct timer *timer, uint64_t now)
{
	struct cpu *cpu = CONTAINER_OF(timer, struct cpu, watch);
	const struct cpu *next = cpu_table[(cpu->id + 1) % cpu_count];
	uint64_t entries = __atomic_load_n(&next->entries, __ATOMIC_RELAXED);

	if (entries != cpu->watch_entries || __atomic_load_n(&next->in_guest, __ATOMIC_RELAXED)) {
		cpu->watch_entries = entries;
		cpu->watch_since = now;
	} else if (next != cpu && now - cpu->watch_since > tsc_from_ns(STUCK_NS)) {
		stuck(next);
	}
	mce_poll();
	console_interrupt(); /* whose listener may be stuck */
	timer_set(&cpu->timers, timer, now + tsc_from_ns(LOOK_NS));
}

void watchdog_start(struct cpu *cpu)
{
	uint64_t now = cpu_rdtsc();

	/* The first CPU is still on its way to the main loop, and the TSC counts since power on. */
	cpu->watch_since = now;
	cpu->watch.fire = look;
	look(&cpu->watch, now);
}
