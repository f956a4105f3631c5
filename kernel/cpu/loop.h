/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's main loop on each CPU: choose a vCPU, enter it, handle its exit. */
#pragma once

#include "kernel/base/types.h"

struct cpu;

void loop_run(struct cpu *cpu) __attribute__((noreturn));

/*
 * In the middle of long work, with no lock held: interrupts come, and objects that were found in
 * tables may be gone. Returns false if others wait for the CPU.
 */
bool loop_breathe(struct cpu *cpu);
