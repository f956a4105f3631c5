/* SPDX-License-Identifier: BSD-2-Clause */
/* env.c's functions for dom0 itself, beside those that drivers/env.h promises to drivers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Maps a table of the firmware's to be read; NULL, and a line on the log, if that fails. */
const void *firmware_map(uint64_t base, uint64_t bytes);
void firmware_unmap(const void *memory, uint64_t bytes);

struct sampo_vcpu_info;
/* The CPU that dom0 runs on, which is the one that the machine's devices interrupt: dom0's own
 * vCPU, where it is and what it has used. */
bool home_info(struct sampo_vcpu_info *info);
/* Goes to that CPU and takes all interrupts along. NULL, or why dom0 is where it was. */
const char *home_move(unsigned cpu);
