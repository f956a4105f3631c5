/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cpu/interrupt.h"

#include "arch/apic.h"
#include "arch/cpu.h"
#include "kernel/base/log.h"
#include "kernel/console/console.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/irq.h"

static void handle(unsigned vector)
{
	switch (vector) {
	case VECTOR_TIMER:
		this_cpu()->timers.armed = TIMER_NEVER;
		break;
	case VECTOR_KICK: /* that the guest was left is all */
		break;
	case VECTOR_CONSOLE:
		console_interrupt();
		break;
	case VECTOR_DEBUG:
		console_debug();
		break;
	case VECTOR_ERROR:
		log_print(LOG_WARNING "kernel: local APIC error %x\n", apic_error());
		break;
	case VECTOR_SPURIOUS:
		return; /* SDM 3A 11.9: no EOI */
	default:
		if (vector >= IRQ_VECTOR_FIRST && vector <= IRQ_VECTOR_LAST)
			irq_handle((uint8_t)vector);
	}
	apic_eoi();
}

/* Asleep, the CPU counts as outside the kernel, but objects that the handler finds must stay. */
void interrupt_handle(unsigned vector)
{
	struct cpu *cpu = this_cpu();
	struct domain *outside = READ_ONCE(cpu->in_guest);

	if (outside)
		smp_enter_kernel(cpu);
	handle(vector);
	if (outside)
		smp_leave_kernel(cpu, outside);
}

void interrupt_program_timer(struct cpu *cpu)
{
	uint64_t next = timer_next(&cpu->timers);

	apic_timer_set(next);
	cpu->timers.armed = next;
}

void interrupt_run_timers(struct cpu *cpu)
{
	timer_run(&cpu->timers, cpu_rdtsc());
}

void interrupt_timer_passed(struct cpu *cpu)
{
	cpu->timers.armed = TIMER_NEVER;
	interrupt_run_timers(cpu);
}
