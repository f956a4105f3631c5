/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions: configuration space by the ports that every chipset has, BARs
 * where firmware has put them, interrupts (PCI 3.0; PCIe 5.0, chapter 7).
 */
#pragma once

#include "drivers/env.h"

#define PCI_COMMAND          0x04u
#define PCI_COMMAND_IO       0x0001u
#define PCI_COMMAND_MEMORY   0x0002u
#define PCI_COMMAND_MASTER   0x0004u
#define PCI_COMMAND_INTX_OFF 0x0400u
#define PCI_STATUS           0x06u
#define PCI_BAR0             0x10u

#define PCI_CAP_MSI  0x05u
#define PCI_CAP_MSIX 0x11u

struct pci_bar {
	uint64_t base, size; /* size 0: none */
	bool io;
	uint32_t ports;           /* their handle, once used */
	volatile uint8_t *mapped; /* likewise */
};

/* A function that a driver can use. */
struct pci_device {
	struct pci_device *next;
	uint16_t bdf, vendor, device, subvendor, subdevice;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint16_t msi, msix;  /* vectors offered */
	uint8_t irq_pin;     /* 0: none */
	uint8_t irq_line;
	uint8_t msi_cap, msix_cap; /* offsets, 0: none */
	uint8_t msix_bar;
	uint32_t msix_offset; /* of the table */
	struct pci_bar bar[6];
	uint32_t bar_value[6]; /* the registers as firmware left them */
	char name[16];         /* "00:1f.2" */
	uint32_t handle;       /* the environment's, once it has interrupts */
};

/* bytes: 1, 2 or 4; offset below 256 and a multiple of it. */
uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes);
void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value);
/* Changes bits of a register of two bytes. */
void pci_change(struct pci_device *dev, unsigned offset, uint32_t clear, uint32_t set);
/* Offset of a capability, 0: the function has none of this kind. */
unsigned pci_find_capability(struct pci_device *dev, uint8_t id);

/* A register in a BAR of I/O ports: 1, 2 or 4 bytes. All ones: there is none. */
uint32_t pci_port_read(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes);
void pci_port_write(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes,
		    uint32_t value);
/* Memory BAR as a pointer (uncached), NULL on failure. */
volatile void *pci_map(struct pci_device *dev, unsigned bar);

/* Set memory, I/O and bus-master enable in the command register. The BARs are
 * set before: a device that was reset or asleep may have lost them. */
void pci_enable(struct pci_device *dev);

/*
 * pci_irq_setup asks for up to `wanted` vectors and returns how many it got
 * (MSI-X, else one MSI, else the legacy pin; 0: none, then poll). An IDE
 * controller at its old ports has one for each channel.
 */
unsigned pci_irq_setup(struct pci_device *dev, unsigned wanted, irq_handler *handler,
		       void *context);
/* No messages at all. */
void pci_messages_off(struct pci_device *dev);

/* A channel of an IDE controller at the places where the PC/AT had it, whatever
 * its BARs say: then they are reported there, and it has an ISA interrupt. */
bool pci_legacy_ide(const struct pci_device *dev, unsigned channel);

/* Finds all functions that drivers can use and quiets them: no DMA, no
 * interrupts. They are there for good. */
struct pci_device *pci_scan(void);

/* Drivers are tried in this order on every function; probe returns true when
 * it has taken the device. The table is in drivers/drivers.c. */
struct pci_driver {
	const char *name;
	bool (*probe)(struct pci_device *dev);
};
extern const struct pci_driver *const pci_drivers[];

/* Scans, and offers every function to the drivers. */
void pci_start(void);
