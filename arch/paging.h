/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own address space: virtual = physical for what it uses, W^X,
 * and nothing of a guest's but through a window. */
#pragma once

#include "kernel/types.h"

/* Build the real tables and switch to them. */
void paging_init(void);

/* On each CPU: use them, with what protects the kernel from what it maps. */
void paging_enable(void);

/* A stack of STACK_SIZE bytes for this CPU, above a gap; NULL: no memory. */
void *stack_new(uint32_t id);

/* Read-only access to firmware's tables and boot modules, for good; NULL if
 * it cannot be had (page 0, beyond the address width, no memory). */
const void *phys_map(uint64_t pa, size_t bytes);
/* Uncached or write-combining read and write access to a device's registers. */
volatile void *mmio_map(uint64_t pa, size_t bytes);
void *framebuffer_map(uint64_t pa, size_t bytes);

/*
 * Memory of a guest, one page or one block at a time, until the next call.
 * Per CPU; not to be kept across anything that may call it.
 */
void *window_page(uint64_t pa);
void window_zero_block(uint64_t pa);
