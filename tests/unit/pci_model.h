/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI's ports in front of model configuration spaces, for tests and fuzzers of drivers/pci. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "drivers/pci.h"

#define FUNCTIONS 4
#define PCI_PORTS 1u /* handle of 0xcf8-0xcff */

/* config holds the registers, writable which of their bits can be changed. */
struct model {
	bool there;
	uint16_t bdf;
	uint8_t config[256], writable[256];
};

static struct model model[FUNCTIONS];
static uint32_t pci_address;
static unsigned sized_while_decoding;

static inline void model_check(bool right)
{
	if (!right)
		abort();
}

static inline struct model *model_at(void)
{
	model_check((pci_address & 0xff000003) == 0x80000000);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		if (model[i].there && model[i].bdf == (uint16_t)(pci_address >> 8))
			return &model[i];
	return NULL;
}

static inline uint32_t model_read(uint32_t offset, unsigned bytes)
{
	const struct model *m = model_at();
	uint32_t value = UINT32_MAX;

	model_check(offset >= 4 && offset + bytes <= 8 && offset % bytes == 0);
	if (m)
		memcpy(&value, m->config + (pci_address & 0xfc) + offset - 4, bytes);
	return value & UINT32_MAX >> (32 - 8 * bytes);
}

static inline void model_write(uint32_t offset, unsigned bytes, uint32_t value)
{
	struct model *m;
	unsigned at;

	if (offset == 0) {
		model_check(bytes == 4);
		pci_address = value;
		return;
	}
	m = model_at();
	model_check(m && offset >= 4 && offset + bytes <= 8 && offset % bytes == 0);
	at = (pci_address & 0xfc) + offset - 4;
	if (at >= 0x10 && at < 0x28 && value == UINT32_MAX && m->config[4] & 3)
		sized_while_decoding++;
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t mask = m->writable[at + i];

		m->config[at + i] =
			(uint8_t)((m->config[at + i] & ~mask) | (value >> 8 * i & mask));
	}
}
