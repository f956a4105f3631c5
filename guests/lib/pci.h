/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI bus 0 as a small guest sees it: configuration mechanism #1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PCI_CAP_VENDOR 0x09u
#define PCI_CAP_MSIX   0x11u

/* offset is a multiple of the access's size */
uint32_t pci_config_read(unsigned slot, unsigned offset, unsigned bytes);
void pci_config_write(unsigned slot, unsigned offset, unsigned bytes, uint32_t value);

/* The slot of the first function with these ids, or -1. */
int pci_find(uint16_t vendor, uint16_t device);
/* I/O, memory and bus mastering on. */
void pci_function_enable(unsigned slot);
/* The next capability of that id after `after` (0: the first), 0: none. */
unsigned pci_capability(unsigned slot, unsigned id, unsigned after);

/* A piece of a BAR: ports or memory. */
struct pci_window {
	uint64_t base;
	bool io;
};
/* false: the function has no such BAR or nobody has placed it. */
bool pci_window(unsigned slot, unsigned bar, uint32_t offset, struct pci_window *window);
uint32_t window_read(const struct pci_window *window, unsigned offset, unsigned bytes);
void window_write(const struct pci_window *window, unsigned offset, unsigned bytes, uint32_t value);

/* MSI-X with all vectors masked but `vector`, which comes as the interrupt to
 * the CPU with local APIC id 0. false: the function has no MSI-X. */
bool pci_msix_enable(unsigned slot, unsigned vector, uint8_t interrupt);
