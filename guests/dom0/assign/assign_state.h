/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest would miss of a PCI function that was given to it, beside struct pci_function. */
#pragma once

#include <stdint.h>

#define ASSIGN_FUNCTIONS 8u
#define ASSIGN_VECTORS   64u /* of MSI-X, for each function */

struct assign_entry {
	uint64_t address;
	uint32_t data, control; /* control bit 0: masked */
};

struct assign_state {
	uint16_t requester; /* of the machine's function: bus << 8 | slot << 3 | function */
	uint8_t present;
	uint8_t slot; /* of the guest's bus */
	uint8_t pad[4];
	struct assign_entry entry[ASSIGN_VECTORS]; /* the table of MSI-X as the guest wrote it */
};
