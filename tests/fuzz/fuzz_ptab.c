/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/ptab.c */
/*
 * Any sequence of operations on page tables, allocations failing at any time:
 * what is mapped stays what a model of a few pages says, and no table is lost.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "arch/ptab.h"
#include "kernel/abi.h"

#define WATCHED 8

static const struct ptab_format *const formats[] = {&ptab_host, &ptab_npt, &ptab_ept, &ptab_vtd,
						    &ptab_amdvi};
static unsigned live, fail_in;

static void *alloc(void *ctx)
{
	(void)ctx;
	if ((fail_in && !--fail_in) || live > 2000)
		return NULL;
	live++;
	return memset(aligned_alloc(PTAB_PAGE, PTAB_PAGE), 0, PTAB_PAGE);
}

static void release(void *ctx, void *page)
{
	(void)ctx;
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
		struct ptab_entry before[WATCHED] = {0}, after[WATCHED] = {0};
		uint64_t va, bytes, pa, end;
		int status = 0;

		memcpy(&c, data, sizeof(c));
		va = (uint64_t)c.va << (12 + c.shift % 24);
		bytes = (uint64_t)c.pages << (12 + c.shift / 24 * 9 % 27);
		pa = (uint64_t)c.pa << 12;
		end = va + bytes;
		/* Around both ends and in the middle. */
		uint64_t watch[WATCHED] = {va,  va - 1,          va + bytes / 2, end - 1,
					   end, va ^ (2u << 20), va ^ 4096,      end ^ (1u << 30)};
		for (unsigned i = 0; i < WATCHED; i++)
			ptab_lookup(&pt, watch[i], &before[i]);
		fail_in = c.fail;
		switch (c.op % 6) {
		case 0:
			status = ptab_map(&pt, va, pa, bytes, c.flags);
			break;
		case 1:
			status = ptab_unmap(&pt, va, bytes);
			break;
		case 2:
			status = ptab_protect(&pt, va, bytes, c.flags);
			break;
		case 3:
			status = ptab_split(&pt, va, bytes & 0xffffff);
			break;
		case 4:
			status = ptab_dirty(&pt, va, c.pages, bitmap, c.flags & 1);
			break;
		case 5:
			ptab_flushed(&pt);
			break;
		}
		fail_in = 0;
		for (unsigned i = 0; i < WATCHED; i++) {
			bool inside = watch[i] - va < bytes;

			ptab_lookup(&pt, watch[i], &after[i]);
			if (status || !inside || c.op % 6 >= 3) {
				if (after[i].pa != before[i].pa ||
				    after[i].flags != before[i].flags)
					abort();
			} else if (c.op % 6 == 0) {
				if (!after[i].size || after[i].pa != pa + (watch[i] - va))
					abort();
			} else if (c.op % 6 == 1 && after[i].size) {
				abort();
			}
		}
	}
	ptab_destroy(&pt);
	if (live)
		abort();
	return 0;
}
