/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the guest reaches configuration space: the ports of mechanism #1 for the first 256 bytes of
 * each function, and memory (ECAM) for all 4096.
 */
#pragma once

#include <stdint.h>

struct vm;

/* Puts ports and memory on the bus. Returns 0, or -1 if the bus has no room. */
int pci_config_attach(struct vm *vm);

/* pci.c's: bytes of the function in a slot of bus 0. `offset` is below 4096; no access crosses the
 * border of a dword. A slot without a function reads as all ones. */
uint32_t pci_slot_read(struct vm *vm, unsigned slot, unsigned offset, unsigned size);
void pci_slot_write(struct vm *vm, unsigned slot, unsigned offset, unsigned size, uint32_t value);
