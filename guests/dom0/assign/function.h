/* SPDX-License-Identifier: BSD-2-Clause */
/* A function that a guest has, for the files of this room. All of it beside the state can be made
 * anew. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/pci.h"
#include "guests/dom0/assign/assign_state.h"
#include "guests/dom0/assign/reset.h"
#include "guests/dom0/assign/space.h"
#include "guests/dom0/machine/pci.h"

#define PIECES  3u
#define WINDOWS 2u

/* A memory BAR: pieces of it that the guest reaches by itself, and pages that dom0 does for it. */
struct assign_bar {
	struct assign_piece {
		uint64_t offset, size;
		uint32_t region; /* handle */
		bool mapped;
	} piece[PIECES];
	struct assign_window {
		uint64_t offset, size;
		volatile uint8_t *registers;
	} window[WINDOWS];
	unsigned pieces, windows;
};

/* An interrupt of the function by message: what the guest wants, and what it is bound to. */
struct assign_vector {
	uint32_t event; /* handle; 0: none */
	uint64_t address;
	uint32_t data;
	uint64_t message; /* address << 32 | data, which the function sends */
};

struct assign_function {
	struct assign_function *next; /* of all that guests have */
	struct vm *vm;
	struct pci_device *dev;
	struct assign_state *state;
	uint32_t instance;        /* the state's index */
	uint32_t device;          /* handle; 0: the function reaches nothing */
	const char *failure;      /* why the guest cannot have it after all */
	bool resetting, by_guest; /* a reset is under way; the guest's function orders it */
	bool complained;
	struct assign_reset reset;
	struct assign_space space;
	struct assign_bar bar[PCI_BARS];
	struct assign_vector vector[ASSIGN_VECTORS]; /* MSI is vector 0 */
	bool has_pin, pin_bound, pin_up;
	uint32_t table_offset, pending_offset; /* of MSI-X, in their BARs */
	uint8_t table_bar, pending_bar;
};

/* bars.c. NULL, or why they cannot be the guest's. */
const char *assign_bars_add(struct assign_function *f);
void assign_bars_remove(struct assign_function *f);
void assign_bar_moved(struct assign_function *f, unsigned bar, uint64_t from, uint64_t to);
extern const struct io_ops assign_bar_ops[PCI_BARS];
/* The registers of a BAR's bytes, if dom0 has them mapped; NULL: it has not. */
volatile uint8_t *assign_registers(struct assign_function *f, unsigned bar, uint64_t offset,
				   unsigned size);

/* vectors.c. The table of MSI-X: does the access touch it, and what it does. An access that begins
 * below the table has an offset below 0, as a huge number: it is not aligned, and has no effect. */
bool assign_is_table(const struct assign_function *f, unsigned bar, uint64_t offset, unsigned size);
uint64_t assign_table_read(struct assign_function *f, uint64_t offset, unsigned size);
void assign_table_write(struct assign_function *f, uint64_t offset, unsigned size, uint64_t value);
/* The guest has written registers of MSI or MSI-X in configuration space. */
void assign_msi_written(struct assign_function *f);
void assign_msix_written(struct assign_function *f);
/* Does the guest use messages, so that the pin is quiet? */
bool assign_has_messages(const struct assign_function *f);
/* The function sends no messages, and nothing is bound. */
void assign_vectors_off(struct assign_function *f);
/* Finds the table and the pending bits. False: they lie where they cannot. */
bool assign_find_table(struct assign_function *f);

/* pin.c. Can the function's pin be shared with others? */
bool assign_pin_usable(struct pci_device *dev);
bool assign_pin_bind(struct assign_function *f);
void assign_pin_unbind(struct assign_function *f);
/* The guest uses its pin in another way now. */
void assign_pin_update(struct assign_function *f);
void assign_pin_ended(struct assign_function *f);

/* assign.c: by the number that the guest's bus has for it. */
struct assign_function *assign_by_instance(struct vm *vm, uint32_t instance);
/* Is the operator's reset of the function under way? */
bool assign_is_resetting(const struct pci_device *dev);
/* The function goes: the next one with its number is another one. */
void assign_forget(const struct pci_device *dev);
