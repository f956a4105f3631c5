/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's machine says of itself: manufacturer, product, name and UUID. */
#pragma once

#include <stdint.h>

struct vm_config;

#define SMBIOS_ENTRY 31u   /* bytes of the entry point */
#define SMBIOS_TABLE 1024u /* the most that the structures have */

/* Writes the entry point to `entry`, and the structures to `table`, which the guest has at
 * `address`. Returns how many bytes the structures have. */
uint32_t smbios_build(const struct vm_config *config, uint8_t *entry, uint8_t *table,
		      uint32_t address);
