/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that come to and leave bus 0 of a running guest, as in QEMU's machines (its "ACPI PCI
 * hot-plug interface"): registers that the methods of the DSDT read and write, a bit for each slot,
 * and general-purpose event 1 by which the guest hears of news.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

#define HOTPLUG_PORT 0xae00u

struct hotplug_state {
	uint32_t up;   /* slots with a new device; reading takes the bits away */
	uint32_t down; /* slots whose device the operator wants back */
};

int hotplug_init(struct vm *vm); /* platform.h says what these do */
void hotplug_reset(struct vm *vm);
int hotplug_resume(struct vm *vm);

/* The guest is told that the slot has a new function. */
void hotplug_added(struct vm *vm, unsigned slot);
/* The guest is asked to give the slot's function up, once more if it was asked before. Its eject
 * calls `eject` of the function's pci_ops. */
void hotplug_ask(struct vm *vm, unsigned slot);
bool hotplug_is_asked(const struct vm *vm, unsigned slot);
/* The slot is empty now. */
void hotplug_removed(struct vm *vm, unsigned slot);
