/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/env.h's memory for devices: a pointer of the host is the bus address, too. */
#pragma once

#include <stdlib.h>

#include "drivers/env.h"

void *dma_alloc(size_t bytes, uint64_t *bus)
{
	void *memory = calloc(1, bytes);

	*bus = (uint64_t)(uintptr_t)memory;
	return memory;
}

void dma_free(void *memory, size_t bytes)
{
	(void)bytes;
	free(memory);
}
