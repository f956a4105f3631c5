/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI bus 0 of a guest: configuration mechanism #1, a host bridge in slot 0,
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
#define PCI_MSIX_VECTORS 32
#define PCI_NO_BASE      (~0ull)

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

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
	uint32_t msix_pending;        /* bit for each vector */
	uint32_t bar_size[PCI_BARS];  /* 0: none */
	uint32_t bar_reset[PCI_BARS]; /* where firmware puts it */
	uint64_t bar_base[PCI_BARS];  /* where it is decoded, or PCI_NO_BASE */
	uint8_t config[256];
	uint8_t writable[256];
	struct pci_msix_entry msix[PCI_MSIX_VECTORS];
};

struct pci_state {
	uint32_t address;            /* port 0xcf8 */
	uint32_t next_io, next_mmio; /* where the next BAR is placed */
	uint32_t gsi_level;          /* bit for each of GSI 16-19 */
	struct pci_function function[PCI_SLOTS];
};

/* What a device brings. */
struct pci_ops {
	/* What answers in each BAR (NULL for the BAR of the MSI-X table). Their
	 * `instance` argument is the one given to pci_add_function. */
	const struct io_ops *bar[PCI_BARS];
	/* The guest moved, enabled or disabled a BAR: bases in ports or
	 * addresses, PCI_NO_BASE: not decoded. For doorbells. May be NULL. */
	void (*bar_moved)(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from,
			  uint64_t to);
	/* Before configuration bytes are read, after some were written: for
	 * windows such as virtio's PCI_CFG capability. May be NULL. */
	void (*config_read)(struct vm *vm, uint32_t instance, unsigned offset, unsigned size);
	void (*config_written)(struct vm *vm, uint32_t instance, unsigned offset, unsigned size);
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

/* 0, or -1: slot taken or out of range. */
int pci_add_function(struct vm *vm, unsigned slot, const struct pci_ids *ids,
		     const struct pci_ops *ops, uint32_t instance);
/* size: a power of two, 4..256 for ports, from 16 for memory. Placed as
 * firmware would; decoded after pci_enable_bars. Returns 0 or -1. */
int pci_add_bar(struct vm *vm, unsigned slot, unsigned bar, enum bus_space space, uint32_t size);
/* body: what follows the id and next bytes. Offset of the capability, or 0. */
unsigned pci_add_capability(struct vm *vm, unsigned slot, uint8_t id, const void *body,
			    size_t bytes);
/* Table and pending bits of up to PCI_MSIX_VECTORS in a memory BAR that has
 * been added with at least 4 KiB and nothing else in it. Returns 0 or -1. */
int pci_add_msix(struct vm *vm, unsigned slot, unsigned bar, unsigned vectors);
/* As firmware leaves the function: I/O and memory decoding on. */
void pci_enable_bars(struct vm *vm, unsigned slot);
/* dom0 was restarted: bring the function of the state back to life. Calls
 * bar_moved from PCI_NO_BASE for every BAR that is decoded. */
void pci_resume_function(struct vm *vm, unsigned slot, const struct pci_ops *ops,
			 uint32_t instance);

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
