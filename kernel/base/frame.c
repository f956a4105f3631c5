/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/base/frame.h"
#include "kernel/abi.h"
#include "kernel/base/panic.h"

#define TOP         (1ull << 46)
#define FIRST_BYTES (1ull << 20) /* of the kernel's first pages, at least */
#define RESERVE     (16 * FRAME_PAGE)
#define ZERO_PIECE  (8ull << 10)   /* a microsecond: an interrupt waits no longer */
#define ZERO_AHEAD  (256ull << 20) /* bytes of zeroed blocks that are ready at most */

/* The kind of each block; a free one has the number of the next free one, 0 after the last. */
enum { KERNEL = 0xfffffffdu, GIVEN, ABSENT };

struct page {
	struct page *next;
};

struct lock frame_lock = {.rank = LOCK_FRAME};
struct frame_stats frame_stats;
uint64_t frame_first;

static uint32_t *block; /* one for each 2 MiB of the physical address space */
static uint64_t blocks;
static uint32_t dirty_block; /* the first free one with any content */
static uint32_t zero_block;  /* the first free one that is zeroed */
static uint64_t zero_bytes;
static struct {
	uint32_t block; /* free, and in no list; 0: none */
	bool busy;      /* a CPU is at it, without the lock */
	uint64_t done;  /* bytes */
} zeroing;
static struct page *free_page;

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

/* --- blocks --- */

/* With frame_lock. 0: the list is empty. */
static uint32_t pop(uint32_t *list)
{
	uint32_t b = *list;

	if (b) {
		*list = block[b];
		block[b] = GIVEN;
		zero_bytes -= list == &zero_block ? FRAME_BLOCK : 0;
	}
	return b;
}

/* With frame_lock: a free block, one with any content if there is one. */
static uint64_t take(bool *zeroed)
{
	uint32_t b = pop(&dirty_block);

	*zeroed = false;
	if (!b && !zeroing.busy) {
		b = zeroing.block;
		zeroing.block = 0;
	}
	if (!b) {
		b = pop(&zero_block);
		*zeroed = true;
	}
	frame_stats.free_bytes -= b ? FRAME_BLOCK : 0;
	return b * FRAME_BLOCK;
}

uint64_t frame_alloc_block(bool *zeroed)
{
	uint64_t base;

	lock(&frame_lock);
	base = take(zeroed);
	unlock(&frame_lock);
	return base;
}

uint64_t frame_exchange(uint64_t base)
{
	uint32_t b;

	lock(&frame_lock);
	b = pop(&zero_block);
	if (b) {
		frame_stats.free_bytes -= FRAME_BLOCK;
		frame_free_block(base);
	}
	unlock(&frame_lock);
	return b * FRAME_BLOCK;
}

void frame_free_block(uint64_t base)
{
	uint64_t b = base / FRAME_BLOCK;

	ASSERT(base % FRAME_BLOCK == 0 && b < blocks && block[b] == GIVEN);
	lock(&frame_lock);
	block[b] = dirty_block;
	dirty_block = (uint32_t)b;
	frame_stats.free_bytes += FRAME_BLOCK;
	unlock(&frame_lock);
}

/* With frame_lock: true if there is a piece for this CPU. */
static bool begin_piece(void)
{
	if (zeroing.busy || zero_bytes >= ZERO_AHEAD)
		return false;
	if (!zeroing.block) {
		zeroing.block = pop(&dirty_block);
		zeroing.done = 0;
	}
	zeroing.busy = zeroing.block;
	return zeroing.busy;
}

/* With frame_lock. */
static void end_piece(void)
{
	uint32_t b = zeroing.block;

	zeroing.busy = false;
	zeroing.done += ZERO_PIECE;
	if (zeroing.done < FRAME_BLOCK)
		return;
	zeroing.block = 0;
	block[b] = zero_block;
	zero_block = b;
	zero_bytes += FRAME_BLOCK;
}

/* No CPU waits for the lock meanwhile: the one that zeroes may be a virtual one, and stand still.
 */
bool frame_zero_some(void)
{
	bool mine;

	if (READ_ONCE(zero_bytes) >= ZERO_AHEAD || READ_ONCE(zeroing.busy) ||
	    !lock_try(&frame_lock))
		return false;
	mine = begin_piece();
	unlock(&frame_lock);
	if (!mine)
		return false;
	window_zero(zeroing.block * FRAME_BLOCK + zeroing.done, ZERO_PIECE);
	lock(&frame_lock);
	end_piece();
	unlock(&frame_lock);
	return true;
}

/* With frame_lock: those of a list that lie within n blocks from `first` on are given. */
static void take_run(uint32_t *list, uint64_t first, uint64_t n)
{
	uint32_t *link = list;

	while (*link) {
		if (*link - first < n) {
			uint32_t next = block[*link];

			block[*link] = GIVEN;
			*link = next;
			frame_stats.free_bytes -= FRAME_BLOCK;
			zero_bytes -= list == &zero_block ? FRAME_BLOCK : 0;
		} else {
			link = &block[*link];
		}
	}
}

uint64_t frame_alloc_run(uint64_t n, uint64_t limit)
{
	uint64_t run = 0, b = limit / FRAME_BLOCK < blocks ? limit / FRAME_BLOCK : blocks;
	bool found;

	lock(&frame_lock); /* at boot other CPUs zero free blocks already */
	for (; run < n && b > 0; b--)
		run = block[b - 1] < KERNEL ? run + 1 : 0;
	found = n && run == n;
	if (found) {
		take_run(&dirty_block, b, n);
		take_run(&zero_block, b, n);
	}
	unlock(&frame_lock);
	return found ? b * FRAME_BLOCK : 0;
}

/* --- kernel pages --- */

void *page_alloc_reserved(void)
{
	struct page *page;

	lock(&frame_lock);
	page = free_page;
	if (page) {
		free_page = page->next;
		frame_stats.kernel_free_bytes -= FRAME_PAGE;
	}
	unlock(&frame_lock);
	return page ? __builtin_memset(page, 0, FRAME_PAGE) : NULL;
}

void page_free(void *freed)
{
	uint64_t b = (uint64_t)(uintptr_t)freed / FRAME_BLOCK;
	struct page *page = freed;

	ASSERT((uintptr_t)freed % FRAME_PAGE == 0 && b < blocks && block[b] == KERNEL);
	lock(&frame_lock);
	page->next = free_page;
	free_page = page;
	frame_stats.kernel_free_bytes += FRAME_PAGE;
	unlock(&frame_lock);
}

/* Whole blocks become the kernel's; all but the first bytes are free pages. */
static void adopt(uint64_t base, uint64_t size, uint64_t used)
{
	for (uint64_t at = base; at < base + size; at += FRAME_BLOCK)
		block[at / FRAME_BLOCK] = KERNEL;
	frame_stats.kernel_bytes += size;
	for (uint64_t at = base + used; at < base + size; at += FRAME_PAGE)
		page_free((void *)(uintptr_t)at);
}

/* Another block, if pages run out. */
static bool replenish(void)
{
	uint64_t base;
	bool zeroed;

	if (frame_stats.kernel_free_bytes > RESERVE)
		return true;
	base = take(&zeroed);
	if (!base || !kernel_map_block(base))
		return false;
	adopt(base, FRAME_BLOCK, 0);
	return true;
}

void *frame_kernel_block(void)
{
	uint64_t base;
	bool zeroed;

	lock(&frame_lock);
	base = take(&zeroed);
	if (base && !kernel_map_block(base))
		base = 0;
	if (base)
		adopt(base, FRAME_BLOCK, FRAME_BLOCK);
	unlock(&frame_lock);
	return base ? __builtin_memset((void *)(uintptr_t)base, 0, FRAME_BLOCK) : NULL;
}

void *page_alloc(void)
{
	void *page;

	lock(&frame_lock);
	page = replenish() ? page_alloc_reserved() : NULL;
	unlock(&frame_lock);
	return page;
}

/* --- the memory map --- */

static uint64_t end_of(const struct boot_range *range)
{
	uint64_t end = range->base + range->size;

	return end < range->base || end > TOP ? TOP : end;
}

/* Inside of RAM, and outside of all that is not. */
static bool is_usable(const struct boot_info *boot, uint64_t base, uint64_t end)
{
	struct boot_range r;
	bool usable = false;

	for (struct boot_place at = {0}; boot_next_range(boot, &at, &r);) {
		if (r.type == BOOT_RAM)
			usable |= base >= r.base && end <= end_of(&r);
		else if (base < end_of(&r) && end > r.base)
			return false;
	}
	return usable;
}

/* The lowest usable multiple of `step` between two addresses; 0: none. */
static uint64_t find(const struct boot_info *boot, uint64_t low, uint64_t high, uint64_t step,
		     uint64_t bytes)
{
	for (uint64_t base = low; base + bytes <= high; base += step)
		if (is_usable(boot, base, base + bytes))
			return base;
	return 0;
}

/* The blocks that lie in a range of RAM as a whole; or those of which a range that is none has a
 * part. Each range is looked at once, so that the time does not grow with ranges times blocks. */
static void mark(const struct boot_info *boot, bool ram, uint32_t what)
{
	struct boot_range r;

	for (struct boot_place at = {0}; boot_next_range(boot, &at, &r);) {
		uint64_t end = end_of(&r) + (ram ? 0 : FRAME_BLOCK - 1);

		if ((r.type == BOOT_RAM) != ram || r.base >= TOP)
			continue;
		r.base += ram ? FRAME_BLOCK - 1 : 0;
		for (uint64_t b = r.base / FRAME_BLOCK; b < end / FRAME_BLOCK && b < blocks; b++)
			block[b] = what;
	}
}

int frame_init(const struct boot_info *boot)
{
	struct boot_range r;
	uint64_t bytes, size;

	for (struct boot_place at = {0}; boot_next_range(boot, &at, &r);)
		if (r.type == BOOT_RAM && r.base < TOP && end_of(&r) > blocks * FRAME_BLOCK)
			blocks = end_of(&r) / FRAME_BLOCK;
	bytes = round_up(blocks * sizeof(*block), FRAME_PAGE);
	size = round_up(bytes + FIRST_BYTES, FRAME_BLOCK);
	frame_first = find(boot, FRAME_BLOCK, BOOT_MAPPED, FRAME_BLOCK, size);
	if (!frame_first)
		return SAMPO_ENOMEM;
	block = (uint32_t *)(uintptr_t)frame_first;
	for (uint64_t b = 0; b < blocks; b++)
		block[b] = ABSENT;
	mark(boot, true, GIVEN);
	mark(boot, false, ABSENT);
	block[0] = ABSENT; /* 0 ends the list */
	for (uint64_t b = 1; b < blocks; b++) {
		if (block[b] == ABSENT)
			continue;
		frame_stats.total_bytes += FRAME_BLOCK;
		if (b * FRAME_BLOCK - frame_first >= size)
			frame_free_block(b * FRAME_BLOCK);
	}
	adopt(frame_first, size, bytes);
	frame_stats.trampoline = find(boot, 0x8000, 0xa0000, FRAME_PAGE, FRAME_PAGE);
	return SAMPO_OK;
}
