/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration space: access, the functions that are there, their
 * capabilities and message-signalled interrupts (PCI 3.0, PCIe 5.0 chapter 7).
 * A function is named bus << 8 | device << 3 | function, segment 0.
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/types.h"

#define PCI_COMMAND        0x04u
#define PCI_STATUS         0x06u
#define PCI_BAR0           0x10u
#define PCI_INTERRUPT_LINE 0x3cu

#define PCI_COMMAND_IO       0x0001u
#define PCI_COMMAND_MEMORY   0x0002u
#define PCI_COMMAND_MASTER   0x0004u
#define PCI_COMMAND_INTX_OFF 0x0400u

#define PCI_CAP_PM   0x01u
#define PCI_CAP_MSI  0x05u
#define PCI_CAP_MSIX 0x11u

#define PCI_CLASS_DISPLAY 0x03u
#define PCI_CLASS_MEMORY  0x05u
#define PCI_CLASS_BRIDGE  0x06u
#define PCI_CLASS_SYSTEM  0x08u

/* bytes: 1, 2 or 4; offset below 256 and a multiple of it. Reads of what is
 * not there give all ones. */
uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned bytes);
void pci_write(uint16_t bdf, unsigned offset, unsigned bytes, uint32_t value);

/* Offset of a capability, 0: the function has none of this kind. */
unsigned pci_find_capability(uint16_t bdf, uint8_t id);

struct pci_function {
	struct sampo_device_info info;
	bool endpoint;             /* one that a driver can use; else only ids are known */
	uint8_t msi_cap, msix_cap; /* offsets, 0: none */
	uint32_t bar_value[6];     /* the BAR registers as firmware left them */
	uint64_t msix_table;       /* its bus address */
};

/* An IDE controller's channel at the places where the PC/AT had it, whatever
 * its BARs say: then they are reported there, and it has an ISA interrupt. */
static inline bool pci_legacy_ide(const struct sampo_device_info *info, uint64_t channel)
{
	return info->class_code >> 8 == 0x0101 && channel < 2 &&
	       !(info->class_code >> 2 * channel & 1);
}

/* Fills in *f; false: nothing answers at bdf. */
bool pci_probe(uint16_t bdf, struct pci_function *f);
/* Calls found() for each endpoint of the machine until it returns false. */
void pci_scan(bool (*found)(const struct pci_function *f));

void pci_restore_bars(const struct pci_function *f);
void pci_command(const struct pci_function *f, uint32_t clear, uint32_t set);

/* Point an interrupt at a CPU and enable it. MSI has one; MSI-X as many as
 * info.msix. False: the table cannot be mapped. */
void pci_msi_set(const struct pci_function *f, uint32_t address, uint32_t data);
bool pci_msix_set(const struct pci_function *f, unsigned index, uint32_t address, uint32_t data);
void pci_msix_mask(const struct pci_function *f, unsigned index);
/* No messages at all. */
void pci_messages_off(const struct pci_function *f);
