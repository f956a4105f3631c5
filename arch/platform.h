/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine around the CPUs: brings it up, and turns it off. */
#pragma once

#include "kernel/types.h"

/*
 * Tables, clocks and interrupt controllers, everything masked. rsdp: a copy
 * from the boot loader, or NULL. Panics when the machine lacks what we need.
 */
void platform_setup(const void *rsdp, size_t rsdp_bytes);

/* Neither returns; poweroff halts if the firmware gave no way to do it. */
__attribute__((noreturn)) void platform_poweroff(void);
__attribute__((noreturn)) void platform_reset(void);
