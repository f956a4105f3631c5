/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions of the machine that guests have: <hostdev> in their descriptions. A function is the
 * guest's from before its first boot until its end; its DMA reaches that guest's memory and nothing
 * else, and its interrupts reach the guest without dom0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/vm/part.h"

struct pci_device;

extern const struct vm_part assign_part;

/* dom0's drivers leave the function alone: a guest's description names it, and the machine can give
 * it away. */
bool assign_reserves(const struct pci_device *dev);
/* All functions are known: looks for groups of those that go together. */
void assign_start(void);

/* The name of the guest that has the function, NULL: none. */
const char *assign_owner(const struct pci_device *dev);
/* The number of its group, of functions that go together. False: there is no IOMMU in use. */
bool assign_group(const struct pci_device *dev, unsigned *group);

/* The words `vfs=DEVICE/COUNT` of the command line, as in vfs=01:00.0/2: makes virtual functions.
 * Guests that start with the machine wait for them. */
void assign_virtual_start(const char *cmdline);
/* Makes virtual functions of a function, or removes all of them (count 0). NULL, or why not; `done`
 * is called later, with what has failed or NULL. */
const char *assign_virtual_make(struct pci_device *dev, unsigned count,
				void (*done)(struct pci_device *dev, const char *failure));

/* Resets a function that nobody uses. NULL, or why it is not reset; `done` is called later, with
 * what is wrong with the function then, or NULL. */
const char *assign_reset_function(struct pci_device *dev, void (*done)(const char *failure));
