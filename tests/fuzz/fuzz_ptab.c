/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/ptab.c */
/*
 * Any sequence of operations on page tables, allocations failing at any time:
 * what is mapped at a few watched addresses is what it must be, and no table is lost.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "arch/ptab.h"
#include "kernel/abi.h"
#include "tests/unit/ptab_look.h"

#define WATCHED 8

static const struct ptab_format *const formats[] = {&ptab_host, &ptab_npt, &ptab_ept, &ptab_vtd,
						    &ptab_amdvi};
static unsigned live, fail_in;

static void *alloc(struct domain *owner)
{
	(void)owner;
	if ((fail_in && !--fail_in) || live > 100)
		return NULL;
	live++;
	return memset(aligned_alloc(PTAB_PAGE, PTAB_PAGE), 0, PTAB_PAGE);
}

static void release(struct domain *owner, void *page)
{
	(void)owner;
	live--;
	free(page);
}

struct command {
	uint8_t op, shift, fail;
	uint8_t flags;
	uint16_t va, pages;
	uint32_t pa;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ptab pt = {.alloc = alloc, .free = release, .max_page = PTAB_1G};
	uint64_t bitmap[1024];
	struct command c;

	if (!size)
		return 0;
	live = fail_in = 0;
	pt.format = formats[data[0] % 5];
	pt.levels = 3 + data[0] / 5 % 3;
	ptab_init(&pt);
	for (data++, size--; size >= sizeof(c); data += sizeof(c), size -= sizeof(c)) {
		struct look before[WATCHED], after[WATCHED];
		uint64_t va, bytes, pa, end;
		uint32_t flags;
		int status = 0;

		memcpy(&c, data, sizeof(c));
		va = (uint64_t)c.va << (12 + c.shift % 24);
		bytes = (uint64_t)c.pages << (12 + c.shift / 24 * 9 % 27);
		pa = (uint64_t)c.pa << 12;
		end = va + bytes;
		flags = (c.flags & (PTAB_W | PTAB_X)) | PTAB_R | (uint32_t)(c.flags >> 4) % 3 << 4;
		if (!bytes || !c.pages || end > ptab_limit(&pt))
			continue;
		/* Around both ends and in the middle. */
		uint64_t watch[WATCHED] = {va,  va - 1,          va + bytes / 2, end - 1,
					   end, va ^ (2u << 20), va ^ 4096,      end ^ (1u << 30)};
		for (unsigned i = 0; i < WATCHED; i++)
			look_up(&pt, watch[i], &before[i]);
		fail_in = c.fail;
		switch (c.op % 5) {
		case 0:
			status = ptab_map(&pt, va, pa, bytes, flags);
			break;
		case 1:
			for (uint64_t at = va; ptab_unmap(&pt, at, end - at) == SAMPO_EAGAIN;)
				at = pt.reached;
			break;
		case 2:
			bytes = bytes % 0x1000000 ? bytes % 0x1000000 : PTAB_PAGE;
			status = ptab_split(&pt, va, bytes);
			break;
		case 3:
			status = ptab_dirty(
				&pt, va,
				bytes < sizeof(bitmap) * 8 * PTAB_PAGE ? bytes / PTAB_PAGE : 1,
				bitmap, flags & PTAB_W);
			break;
		case 4:
			ptab_flushed(&pt);
			break;
		}
		fail_in = 0;
		for (unsigned i = 0; i < WATCHED; i++) {
			bool inside = watch[i] - va < bytes;
			uint64_t from = watch[i] & ~(before[i].size - 1);
			/* A large page goes as a whole. */
			bool gone = c.op % 5 == 1 && before[i].size && from < end &&
				    from + before[i].size > va;
			bool there = look_up(&pt, watch[i], &after[i]);

			if (before[i].size && !gone) {
				if (after[i].pa != before[i].pa ||
				    after[i].flags != before[i].flags)
					abort();
				if (c.op % 5 == 0 && inside && !status)
					abort();
			} else if (there) {
				if (c.op % 5 != 0 || !inside || after[i].pa != pa + (watch[i] - va))
					abort();
			} else if (c.op % 5 == 0 && inside && !status) {
				abort();
			}
		}
	}
	ptab_destroy(&pt);
	if (live)
		abort();
	return 0;
}
