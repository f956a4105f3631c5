/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of a type 0 configuration header (PCI 3.0, section 6.1), and what
 * pci.c and msix.c share. */
#pragma once

#define PCI_VENDOR         0x00u
#define PCI_DEVICE         0x02u
#define PCI_COMMAND        0x04u
#define PCI_STATUS         0x06u
#define PCI_REVISION       0x08u /* and the class code above it */
#define PCI_CACHE_LINE     0x0cu /* and the latency timer above it */
#define PCI_BAR0           0x10u
#define PCI_SUBVENDOR      0x2cu
#define PCI_SUBDEVICE      0x2eu
#define PCI_ROM_BASE       0x30u
#define PCI_CAP_POINTER    0x34u
#define PCI_INTERRUPT_LINE 0x3cu
#define PCI_INTERRUPT_PIN  0x3du
#define PCI_FIRST_CAP      0x40u

#define PCI_ROM_ENABLE       0x00000001u
#define PCI_COMMAND_IO       0x0001u
#define PCI_COMMAND_MEMORY   0x0002u
#define PCI_COMMAND_MASTER   0x0004u
#define PCI_COMMAND_NO_INTX  0x0400u
#define PCI_STATUS_INTERRUPT 0x0008u
#define PCI_STATUS_CAPS      0x0010u
