/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory, in blocks of 2 MiB: those that lie in usable memory as a
 * whole. A block is free, given to a domain, or the kernel's for good: then it
 * is a supply of 4 KiB pages.
 *
 * CPUs that have nothing else to do zero free blocks in small pieces (frame_zero_some), until some
 * hundred MiB are ready: a guest that touches a block of its memory for the first time seldom waits
 * for that to be zeroed, since it gets another one.
 */
#pragma once

#include "boot/boot_info.h"
#include "kernel/base/lock.h"

#define FRAME_PAGE  4096ull
#define FRAME_BLOCK (2ull << 20)
#define FRAME_ANY   (~0ull) /* as a limit */

/* For all of this, and for the kernel's own page tables. */
extern struct lock frame_lock;

struct frame_stats {
	uint64_t total_bytes;       /* all blocks */
	uint64_t free_bytes;        /* free blocks */
	uint64_t kernel_bytes;      /* the kernel's blocks */
	uint64_t kernel_free_bytes; /* of these, free pages */
	uint64_t trampoline;        /* a page below 640 KiB for starting CPUs, or 0 */
};
extern struct frame_stats frame_stats;

/* Where the kernel's first blocks are, kernel_bytes of them after frame_init; to be
 * mapped before page_alloc is called. */
extern uint64_t frame_first;

/*
 * By boot_next_range. Ranges may have any alignment and overlap: a byte that one of them says is
 * not RAM is none. The kernel's first blocks are the lowest that there are. SAMPO_ENOMEM: none
 * below 4 GiB.
 */
int frame_init(const struct boot_info *boot);

/* 0: none. *zeroed: all its bytes are 0; else the content is whatever was there, as is mostly so:
 * zeroed blocks are kept for frame_exchange. */
uint64_t frame_alloc_block(bool *zeroed);
/* A zeroed block for this one, which is free then; 0: there is none. */
uint64_t frame_exchange(uint64_t base);
void frame_free_block(uint64_t base);
/* Zeroes a piece of a free block. False: there are zeroed blocks enough, or none left to zero, or
 * another CPU allocates or zeroes just now. */
bool frame_zero_some(void);
/* n blocks in a row, the highest below the limit; looks at all of memory. */
uint64_t frame_alloc_run(uint64_t n, uint64_t limit);

/* A block for the kernel itself, zeroed, for good; NULL: none left. */
void *frame_kernel_block(void);

/* Kernel pages, zeroed; NULL: none left. */
void *page_alloc(void);
void page_free(void *page);

/* For the tables that map kernel memory: a page of the few that page_alloc
 * leaves, so that there can always be another block. */
void *page_alloc_reserved(void);

/*
 * Supplied by the architecture: called when a block becomes the kernel's,
 * before it is touched. False: it can't be mapped; it is not used then.
 */
bool kernel_map_block(uint64_t base);
/* ... and called for bytes of one block. */
void window_zero(uint64_t pa, uint64_t bytes);
