/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupts and the CPU's timer. */
#pragma once

#include "arch/up.h"
#include "kernel/cpu/percpu.h"

#define VECTOR_TIMER    0xf0u
#define VECTOR_ERROR    0xfeu
#define VECTOR_SPURIOUS 0xffu

/* Program the hardware timer if something is due before it fires. A timer
 * that was cancelled leaves it armed: it fires for nothing, which is cheaper
 * than programming it twice. */
void interrupt_program_timer(struct cpu *cpu);
static inline void interrupt_arm_timer(struct cpu *cpu)
{
	if (timer_next(&cpu->timers) < cpu->timers.armed)
		interrupt_program_timer(cpu);
}

/* Fire the timers that are due. */
void interrupt_run_timers(struct cpu *cpu);

/* After an exit: timers that the hardware's was set for are fired even if its interrupt does not
 * come (see apic_offer). */
void interrupt_timer_passed(struct cpu *cpu);
static inline void interrupt_check_timer(struct cpu *cpu, uint64_t now)
{
	if (now >= cpu->timers.armed)
		interrupt_timer_passed(cpu);
}
