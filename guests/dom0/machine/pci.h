/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI bus 0 of a guest: its configuration space, a host bridge in slot 0,
 * and a generic function that other devices (virtio) build on: identity, BARs
 * that the guest may size and move, capabilities, MSI-X and INTx.
 *
 * A device's order of calls: at start pci_add_function, pci_add_bar,
 * pci_add_capability, pci_add_msix as needed, then pci_enable_bars; after a
 * restart of dom0 only pci_resume_function, which finds the rest in the state.
 * A machine reset (pci_reset) leaves functions in place and BARs where they
 * were at start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/vm/bus.h"

struct vm;

#define PCI_SLOTS        32
#define PCI_BARS         6
#define PCI_ROM          PCI_BARS /* the expansion ROM is a range behind the BARs' */
#define PCI_RANGES       7
#define PCI_MSIX_VECTORS 32
#define PCI_NO_BASE      (~0ull)

/* Where the configuration space of bus 0 is in memory, 4 KiB for each function: the MCFG table, the
 * DSDT and the memory map name this range. Firmware, which places BARs up to the I/O APIC at
 * 0xfec00000, leaves it alone. */
#define PCI_ECAM_BASE 0xfef00000ull
#define PCI_ECAM_SIZE 0x100000ull

/* The window above 4 GiB of the DSDT. It is there if RAM ends below it. */
#define PCI_HIGH_BASE 0x4000000000ull
#define PCI_HIGH_END  0x8000000000ull

#define PCI_BAR_IO       0x1u
#define PCI_BAR_KIND     0x6u /* of a memory BAR: WIDE, or 0 for 32 bits */
#define PCI_BAR_WIDE     0x4u
#define PCI_BAR_PREFETCH 0x8u

/* The lines of INTA# (slot n's is n % 4) that are IRQ 10 at the PICs, and those that are IRQ 11.
 * Firmware of PCs with Intel's PIIX routes them so, and tells its callers by the functions'
 * interrupt lines. */
#define PCI_ISA_10 0x6u
#define PCI_ISA_11 0x9u

#define PCI_CAP_VENDOR 0x09u
#define PCI_CAP_MSIX   0x11u

struct pci_msix_entry {
	uint64_t address;
	uint32_t data, control; /* control bit 0: masked */
};

struct pci_function {
	uint8_t present;
	uint8_t msix_cap; /* offset of the capability, 0: none */
	uint8_t msix_bar;
	uint8_t cap_end;    /* where the next capability goes */
	uint8_t intx;       /* the device asserts its pin */
	uint8_t complained; /* bits of the command register about which a line was logged */
	uint8_t pad[2];
	uint32_t msix_vectors;
	uint32_t msix_pending;          /* bit for each vector */
	uint64_t bar_size[PCI_RANGES];  /* 0: none, or the upper half of a BAR of 64 bits */
	uint64_t bar_reset[PCI_RANGES]; /* where firmware puts it, and the bits of its kind */
	uint64_t bar_base[PCI_RANGES];  /* where it is decoded, or PCI_NO_BASE */
	uint8_t config[256];
	uint8_t writable[256];
	struct pci_msix_entry msix[PCI_MSIX_VECTORS];
};

struct pci_state {
	uint32_t address;   /* port 0xcf8 */
	uint32_t gsi_level; /* bit for each of GSI 16-19 */
	/* Where the next large BAR is placed, below and above 4 GiB. */
	uint64_t next_large, next_high;
	struct pci_function function[PCI_SLOTS];
};

/* A device's part of its PCI function. */
struct pci_ops {
	/* The handlers of each BAR (NULL for the BAR of the MSI-X table). Their
	 * `instance` argument is the one given to pci_add_function. */
	const struct io_ops *bar[PCI_RANGES];
	/* The guest moved, enabled or disabled a BAR: bases in ports or
	 * addresses, PCI_NO_BASE: not decoded. For doorbells. May be NULL. */
	void (*bar_moved)(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from,
			  uint64_t to);
	/* Before configuration bytes are read, after some were written: for
	 * windows such as virtio's PCI_CFG capability. `value` is that of the
	 * access, also where its bits cannot be written. config_read returns
	 * false if the function does not answer now. May be NULL. */
	bool (*config_read)(struct vm *vm, uint32_t instance, unsigned offset, unsigned size);
	void (*config_written)(struct vm *vm, uint32_t instance, unsigned offset, unsigned size,
			       uint32_t value);
	/* Configuration bytes from 256 on, which the guest cannot write. NULL:
	 * they are 0. */
	uint32_t (*extended_read)(struct vm *vm, uint32_t instance, unsigned offset, unsigned size);
	/* The guest has ended the interrupt of the function's pin, which is
	 * up. May be NULL. */
	void (*intx_ended)(struct vm *vm, uint32_t instance);
	/* The guest has given the function up, which the operator has asked for (hotplug.h). NULL:
	 * the function cannot go. */
	void (*eject)(struct vm *vm, uint32_t instance);
};

struct pci_ids {
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint8_t revision;
	bool intx; /* has an interrupt pin (INTA#) */
};

int pci_init(struct vm *vm); /* platform.h says what these do */
void pci_reset(struct vm *vm);
int pci_resume(struct vm *vm);

/* The registers of a function are as its own reset leaves them: BARs have no place. */
void pci_reset_function(struct vm *vm, unsigned slot);

/* 0, or -1: slot taken or out of range. */
int pci_add_function(struct vm *vm, unsigned slot, const struct pci_ids *ids,
		     const struct pci_ops *ops, uint32_t instance);
/* size: a power of two, 4..256 for ports, from 16 for memory. Placed as
 * firmware would; decoded after pci_enable_bars. Returns 0 or -1. */
int pci_add_bar(struct vm *vm, unsigned slot, unsigned bar, enum bus_space space, uint32_t size);
/* A memory BAR of any size. kind: PCI_BAR_WIDE (its upper half takes the next BAR's place), and
 * PCI_BAR_PREFETCH. */
int pci_add_large_bar(struct vm *vm, unsigned slot, unsigned bar, uint64_t size, uint32_t kind);
/* An expansion ROM of a power of two of bytes, from 4096 on. Firmware leaves it off. */
int pci_add_rom(struct vm *vm, unsigned slot, uint32_t size);
bool pci_has_high_window(const struct vm *vm);
/* body: the bytes behind the id and next bytes. Offset of the capability, or 0. */
unsigned pci_add_capability(struct vm *vm, unsigned slot, uint8_t id, const void *body,
			    size_t bytes);
/* Table and pending bits of up to PCI_MSIX_VECTORS in a memory BAR that has
 * been added with at least 4 KiB and nothing else in it. Returns 0 or -1. */
int pci_add_msix(struct vm *vm, unsigned slot, unsigned bar, unsigned vectors);
/* As firmware leaves the function: I/O and memory decoding on. A guest with firmware finds it as
 * after power on: firmware places its BARs. */
void pci_enable_bars(struct vm *vm, unsigned slot);
/* dom0 was restarted: bring the function of the state back to life. Calls
 * bar_moved from PCI_NO_BASE for every BAR that is decoded. */
void pci_resume_function(struct vm *vm, unsigned slot, const struct pci_ops *ops,
			 uint32_t instance);

/* Returns the first slot without a function, PCI_SLOTS if there is none. */
unsigned pci_free_slot(struct vm *vm);

/* Takes the function off the bus. */
void pci_remove_function(struct vm *vm, unsigned slot);

/* The function's configuration space, 256 bytes; and which bits of it the
 * guest may write. */
uint8_t *pci_config(struct vm *vm, unsigned slot);
uint8_t *pci_writable(struct vm *vm, unsigned slot);
bool pci_bus_master(struct vm *vm, unsigned slot);

/* Interrupts. */
bool pci_msix_enabled(struct vm *vm, unsigned slot);
void pci_msix_raise(struct vm *vm, unsigned slot, unsigned vector);
void pci_intx(struct vm *vm, unsigned slot, bool level);
/* The guest has ended the interrupt of some of the four lines, bit n for slots n, n + 4... */
void pci_intx_ended(struct vm *vm, unsigned lines);
