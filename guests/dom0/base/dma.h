/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator behind dma_alloc (drivers/env.h). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The memory, and the bus address of its first byte. */
void dma_init(void *memory, uint64_t bytes, uint64_t bus);
uint64_t dma_used(void);
