/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest sees of a function's configuration space, and which bits of it the guest may change.
 *
 * Each bit of the first 256 bytes is one of these: constant, as it was when the guest got the
 * function or 0 where it is hidden; the guest's own (`writable` of the guest's function), without
 * an effect on the function by itself; live, read from the function each time; passed, live and
 * written to the function; cleared, live and written to the function by a 1, which clears it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/pci.h"

#define SPACE_BYTES     256u
#define SPACE_EXTENDEDS 48u

struct assign_space {
	uint8_t live[SPACE_BYTES], pass[SPACE_BYTES], clear[SPACE_BYTES];
	uint8_t msi, msix, express; /* offsets of what is shown; 0: not there */
	bool msi_wide;              /* its address has 64 bits */
	uint16_t vectors;           /* of MSI-X that are shown */
	/* Extended capabilities that are shown, by offset; a capability goes on up to `end`. */
	struct assign_extended {
		uint16_t at, end;
		uint32_t header;
	} extended[SPACE_EXTENDEDS];
	unsigned extendeds;
};

/* Fills in the space of a function, the constants in config, and the guest's own bits in writable.
 * Both have 256 bytes, of which the header (the first 64) has been made for a function of a guest,
 * without capabilities. */
void assign_space_make(struct assign_space *space, struct pci_device *dev, uint8_t *config,
		       uint8_t *writable);
/* Before bytes are read: the live bits among them are put into config. */
void assign_space_refresh(const struct assign_space *space, struct pci_device *dev, uint8_t *config,
			  unsigned offset, unsigned size);
/* The guest has written: what is passed on goes to the function. */
void assign_space_forward(const struct assign_space *space, struct pci_device *dev, unsigned offset,
			  unsigned size, uint32_t value);
/* Does the guest reset the function by what it has written? */
bool assign_space_resets(const struct assign_space *space, unsigned offset, unsigned size,
			 uint32_t value);
/* Bytes from 256 on, within a dword. */
uint32_t assign_space_extended(const struct assign_space *space, struct pci_device *dev,
			       unsigned offset, unsigned size);
/* Where the registers of MSI are, by the form of the capability: of its message's data. */
unsigned assign_space_msi_data(const struct assign_space *space);
