/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own address space: virtual = physical for what it uses, W^X,
 * and nothing of a guest's but through a window. */
#pragma once

#include "arch/ptab.h"

/* Build the real tables and switch to them. */
void paging_init(void);

/* Bytes of the image, and of what it has allocated. */
uint64_t kernel_bytes_used(void);

/* On each CPU: use them, with what protects the kernel from what it maps. */
void paging_enable(void);

/* A stack of STACK_SIZE bytes above a gap, by a number of its own; NULL: no memory. The boot CPU's
 * is in the image, above a gap too. */
void *stack_new(uint32_t slot);
/* Memory for struct cpu_tables and the stacks behind it. */
void *tables_new(uint32_t slot);
/* The address is in the gap below a stack. */
bool stack_below(uint64_t address);

/* Access to physical memory that is no guest's (firmware's tables, boot modules, registers of
 * devices), as PTAB_* say, for good; pages that were mapped before stay as they are. NULL if it
 * cannot be had (page 0, beyond the address width, no memory). */
void *phys_map(uint64_t pa, size_t bytes, uint32_t flags);
#define MAP_DEVICE (PTAB_R | PTAB_W | PTAB_UC)

/*
 * Memory of a guest, one page or one block at a time, until the next call.
 * Per CPU; not to be kept across anything that may call it.
 */
void *window_page(uint64_t pa);
