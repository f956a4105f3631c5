/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct cpu;

/* On the CPU itself: its local APIC, FPU, run queue and virtualization. */
void cpu_setup(struct cpu *cpu);

/* On the boot CPU: starts all others of the ACPI tables, and waits for them. */
void cpus_start(void);
