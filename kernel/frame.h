/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory. It comes in blocks of 2 MiB, which are free, given to
 * domains, or the kernel's; kernel blocks are carved into 4 KiB pages. What is
 * left of memory in pieces smaller than a block also serves for kernel pages.
 * Memory below 1 MiB is never given out.
 */
#pragma once

#include "kernel/types.h"

#define FRAME_PAGE  4096ull
#define FRAME_BLOCK (2ull << 20)
#define FRAME_ANY   (~0ull) /* as a limit */

struct frame_range {
	uint64_t base, size;
};

struct frame_stats {
	uint64_t total_bytes;       /* usable memory */
	uint64_t free_bytes;        /* free blocks */
	uint64_t kernel_bytes;      /* metadata, kernel blocks and fragments */
	uint64_t kernel_free_bytes; /* of these, free kernel pages */
	uint64_t trampoline;        /* a page below 640 KiB for starting CPUs, or 0 */
};
extern struct frame_stats frame_stats;

/*
 * Ranges may overlap and have any alignment; at most 128 of each. What the
 * kernel uses at once (metadata, the first pages) is taken from the lowest
 * usable memory above 1 MiB. SAMPO_ENOMEM: no memory to work with.
 */
int frame_init(const struct frame_range *usable, unsigned usable_count,
	       const struct frame_range *reserved, unsigned reserved_count);

/*
 * n contiguous blocks, the first a multiple of align blocks (a power of two),
 * all below the address limit; the highest place that fits. The content is
 * whatever was there. 0: none.
 */
uint64_t frame_alloc_blocks(uint64_t n, uint64_t align, uint64_t limit);
void frame_free_blocks(uint64_t base, uint64_t n);

/* Kernel pages, zeroed; NULL: none left. */
void *page_alloc(void);
void page_free(void *page);
void *page_alloc_contig(unsigned n); /* n physically contiguous pages, n <= 64 */
void page_free_contig(void *pages, unsigned n);

/*
 * Supplied by the architecture: called when a block becomes the kernel's
 * (before it is touched) and after it has ceased to be. It may allocate up to
 * four pages and free any. False: it can't be mapped.
 */
bool kernel_block_mapped(uint64_t base, bool mapped);

/* Calls fn for each range of kernel memory that this allocator manages now:
 * metadata, kernel blocks and fragments. */
void frame_each_kernel(void (*fn)(uint64_t base, uint64_t size, void *ctx), void *ctx);
