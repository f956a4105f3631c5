/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X of a PCI function: for pci.c; devices use pci.h. */
#pragma once

#include <stdbool.h>

#include "guests/dom0/machine/pci.h"

/* The function in a slot, NULL if there is none. */
struct pci_function *pci_slot(struct vm *vm, unsigned slot);

/* The BAR with table and pending bits; the instance is the slot. */
extern const struct io_ops msix_ops;

bool msix_is_enabled(const struct pci_function *f);
void msix_control_written(struct vm *vm, unsigned slot);
void msix_reset(struct pci_function *f);
