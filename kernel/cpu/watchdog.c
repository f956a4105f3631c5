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
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define LOOK_NS       1000000000ull
#define LOOKS         12u /* a second and more each: a long text on a slow serial port takes 6 s */
#define LOOKS_AT_BOOT 120u
#define DUMP_NS       100000000ull

static void __attribute__((noreturn)) stuck(const struct cpu *cpu)
{
	const struct vcpu *vcpu = cpu->current;

	WRITE_ONCE(smp_stuck, cpu);
	apic_send(cpu->apic_id, APIC_NMI); /* says where it is, if its NMIs are not held back */
	tsc_delay_ns(DUMP_NS);
	panic("CPU %u does not leave the kernel; it holds locks %x; current: domain %d, vCPU %d",
	      cpu->id, cpu->holds.ranks, vcpu ? (int)vcpu->domain->id : -1,
	      vcpu ? (int)vcpu->id : -1);
}

/*
 * Looks count, not time: where another hypervisor gives the CPUs their turns, time goes on while
 * none has one. Before a CPU leaves the kernel for the first time it has more to do: the first one
 * starts all others and dom0.
 */
static void look(struct timer *timer, uint64_t now)
{
	struct cpu *cpu = CONTAINER_OF(timer, struct cpu, watch);
	const struct cpu *next = cpu_table[(cpu->id + 1) % cpu_count];
	uint64_t entries = __atomic_load_n(&next->entries, __ATOMIC_RELAXED);

	if (entries != cpu->watch_entries || __atomic_load_n(&next->in_guest, __ATOMIC_RELAXED)) {
		cpu->watch_entries = entries;
		cpu->watch_looks = 0;
	} else if (next != cpu) {
		cpu->watch_looks++;
		if (cpu->watch_looks > (entries ? LOOKS : LOOKS_AT_BOOT))
			stuck(next);
	}
	mce_poll();
	if (!cpu->id) {              /* all of them would stand in a row for the log's lock */
		console_interrupt(); /* whose listener may be stuck */
		device_poll_faults();
	}
	timer_set(&cpu->timers, timer, now + tsc_from_ns(LOOK_NS));
}

void watchdog_start(struct cpu *cpu)
{
	cpu->watch.fire = look;
	look(&cpu->watch, cpu_rdtsc());
}
