/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions: configuration space by the ports that every chipset has, its extended part (from
 * byte 256 on) by memory where firmware tells of that, BARs where firmware has put them, interrupts
 * (PCI 3.0; PCIe 5.0, chapter 7).
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

#define PCI_CAP_PM      0x01u
#define PCI_CAP_MSI     0x05u
#define PCI_CAP_EXPRESS 0x10u
#define PCI_CAP_MSIX    0x11u
#define PCI_CAP_AF      0x13u /* advanced features: a reset of the function */
#define PCI_EXT_ACS     0x0du
#define PCI_EXT_ARI     0x0eu
#define PCI_EXT_SRIOV   0x10u

#define PCI_HEADER_BRIDGE 1u

struct pci_bar {
	uint64_t base, size; /* size 0: none */
	bool io;
	uint32_t ports;           /* their handle, once used */
	volatile uint8_t *mapped; /* likewise */
};

struct pci_device;

/* The services of a physical function's driver for its virtual functions. */
struct pci_virtual_ops {
	/* So many are there, which nobody uses yet. The driver calls pci_virtual_prepared, from
	 * within this or later. */
	void (*made)(struct pci_device *dev, unsigned count);
	/* All are gone. */
	void (*removed)(struct pci_device *dev);
};

/* Of functions that no driver can use (bridges and the like) only what they are is known. */
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
	bool endpoint;         /* drivers may use it */
	bool multifunction;    /* it is one of several functions, perhaps: function 0 says so */
	uint8_t header;        /* type of its configuration space */
	uint8_t secondary;     /* the bus behind a bridge */
	const char *driver;    /* NULL: none has taken it */
	char name[16];         /* "00:1f.2" */
	volatile uint8_t *extended;  /* its configuration space in memory, once it was read */
	uint32_t handle;             /* the environment's, once it has interrupts */
	struct pci_device *physical; /* of a virtual one, which belongs to it; else NULL */
	struct pci_sriov *sriov;     /* of a physical one, once somebody has asked */
	const struct pci_virtual_ops *virtual_ops; /* the driver's, may be NULL */
	void *driver_data;                         /* likewise */
};

/* bytes: 1, 2 or 4; offset below 4096 and a multiple of it. All ones: the extended part cannot be
 * reached; writes there are lost then. */
uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes);
void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value);
/* Changes bits of a register of two bytes. */
void pci_change(struct pci_device *dev, unsigned offset, uint32_t clear, uint32_t set);
/* Offset of a capability, 0: the function has none of this kind. */
unsigned pci_find_capability(struct pci_device *dev, uint8_t id);
/* The same among the extended capabilities. */
unsigned pci_find_extended(struct pci_device *dev, uint16_t id);
/* Configuration space of the buses `first` to `last` is in memory, bus 0 at `base`, 4 KiB a
 * function (PCI Firmware 3.0, 4.1.2: the first segment). */
void pci_extended_at(uint64_t base, uint8_t first, uint8_t last);

/* A register in a BAR of I/O ports: 1, 2 or 4 bytes. All ones: there is none. */
uint32_t pci_port_read(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes);
void pci_port_write(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes,
		    uint32_t value);
/* Memory BAR as a pointer (uncached), NULL on failure. */
volatile void *pci_map(struct pci_device *dev, unsigned bar);

/* The kernel's handle of the function, which reaches memory that is for it (dma_alloc, requests)
 * from now on; 0: the kernel gives none. */
uint32_t pci_handle(struct pci_device *dev);

/* Writes the BARs that firmware has chosen to a function that was reset or asleep. */
void pci_restore_bars(struct pci_device *dev);
/* The function reaches memory that is for it (dma_alloc, requests). Memory, I/O and bus-master
 * enable are set in the command register. The BARs are set before: a device that was reset or
 * asleep may have lost them. name: for messages about the function, up to 8 characters. */
void pci_enable(struct pci_device *dev, const char *name);

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

/* Finds all functions and quiets those that drivers can use: no DMA, no interrupts. They are there
 * for good; virtual functions come and go. */
struct pci_device *pci_scan(void);
/* The functions that the last scan has found. */
struct pci_device *pci_first(void);
/* The function with that number among them, NULL: none. */
struct pci_device *pci_at(uint16_t bdf);
/* The bridge that leads to the function's bus, NULL: it is on a root bus. */
struct pci_device *pci_parent(const struct pci_device *dev);

/* Does the function answer at all, as one does not in and after a reset? */
bool pci_answers(struct pci_device *dev);
/* --- virtual functions (sriov.c) --- */

/* How many the function can have; 0: it is no physical function. */
unsigned pci_virtual_most(struct pci_device *dev);
/* How many it has. */
unsigned pci_virtual_count(const struct pci_device *dev);
/* Are some being made or removed? */
bool pci_virtual_busy(const struct pci_device *dev);
/* The number (bus << 8 | slot << 3 | function) of one of them, from 0 on. */
uint16_t pci_virtual_at(const struct pci_device *dev, unsigned n);
/*
 * Makes virtual functions, or removes all of them (count 0), which nobody may use. Returns NULL, or
 * why not; `done` is called later, from the event loop, with what has failed or NULL.
 */
const char *pci_virtual_make(struct pci_device *dev, unsigned count,
			     void (*done)(struct pci_device *dev, const char *failure));
/* The driver has done what `made` asked for; failure: NULL, or why it could not. */
void pci_virtual_prepared(struct pci_device *dev, const char *failure);

/* pci.c, for sriov.c. The n-th virtual function joins the list, with BARs as the physical
 * function's registers say. NULL: no memory. */
struct pci_device *pci_virtual_add(struct pci_device *physical, uint16_t bdf, uint16_t device,
				   const struct pci_bar bar[6], const uint32_t bar_value[6]);
/* It leaves the list and is freed. */
void pci_virtual_remove(struct pci_device *dev);

/* Drivers are tried in this order on every function; probe returns true when
 * it has taken the device. The table is in drivers/drivers.c. */
struct pci_driver {
	const char *name;
	bool (*probe)(struct pci_device *dev);
};
extern const struct pci_driver *const pci_drivers[];

/* Scans, and offers every function that drivers can use to them, but for those that are reserved
 * for others (`reserved` may be NULL). */
void pci_start(bool (*reserved)(const struct pci_device *dev));
