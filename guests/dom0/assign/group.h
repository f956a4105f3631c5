/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which functions can reach each other past the IOMMU, and so belong to one guest: those of a
 * device without access control services (ACS), and those behind a bridge or port without them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/pci.h"

/* Turns ACS on where there is some, so that requests between functions go up to the IOMMU, and
 * looks which groups that makes. */
void group_start(void);
/* A virtual function has come, or goes: the groups of the others stay as they are. */
void group_add(struct pci_device *dev);
void group_remove(const struct pci_device *dev);
/* Functions with the same number are in the same group. The first function has 0. */
unsigned group_of(const struct pci_device *dev);
/* Do its requests arrive at the IOMMU under its own number? A bridge to conventional PCI puts its
 * own in the place of theirs. */
bool group_has_own_requests(struct pci_device *dev);
