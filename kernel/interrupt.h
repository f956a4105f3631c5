/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupts and the CPU's timer. */
#ifndef KERNEL_INTERRUPT_H
#define KERNEL_INTERRUPT_H

struct cpu;

/* From the interrupt window: a vector from 32 on. */
void interrupt_handle(unsigned vector);

/* Program the hardware timer if something is due before it fires. */
void interrupt_arm_timer(struct cpu *cpu);

/* Fire the timers that are due. */
void interrupt_run_timers(struct cpu *cpu);

#endif
