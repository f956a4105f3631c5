/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct cpu;

/* Each CPU looks now and then whether the next one still leaves the kernel. */
void watchdog_start(struct cpu *cpu);
