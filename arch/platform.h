/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine around the CPUs: brings it up, and resets it. */
#pragma once

#include "kernel/base/types.h"

#define PORT_PCI   0xcf8u /* PCI configuration: address */
#define PORT_RESET 0xcf9u /* the chipset's reset control register */

/*
 * Tables, clocks and interrupt controllers, everything masked. rsdp: a copy,
 * from the boot loader. Refuses when the machine lacks what we need.
 */
void platform_setup(const uint8_t rsdp[36]);

/* The sleep registers are the firmware's until it is told to leave them to us. */
void platform_acpi_mode(void);
/* By the chipset, the keyboard controller, a triple fault. */
__attribute__((noreturn)) void platform_reset(void);
