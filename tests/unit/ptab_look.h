/* SPDX-License-Identifier: BSD-2-Clause */
/* What a page table says, read by other code than the walker's. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/ptab.h"

struct look {
	uint64_t *entry;
	uint64_t pa, size; /* of the address, of the page */
	uint32_t flags;    /* PTAB_*; execution where the format knows no other */
	bool dirty;
};

static inline void look_flags(const struct ptab_format *f, struct look *look)
{
	uint64_t e = *look->entry;
	bool ept = f == &ptab_ept || f == &ptab_ept_no_ad, x86 = f == &ptab_host || f == &ptab_npt;
	uint64_t cache = ept ? e >> 3 & 7 : e >> 3 & 3;

	look->dirty = x86              ? e >> 6 & 1
		      : f == &ptab_ept ? e >> 9 & 1
				       : f == &ptab_ept_no_ad && e >> 1 & 1;
	if (f == &ptab_amdvi) {
		look->flags = (e >> 61 & 1 ? PTAB_R : 0) | (e >> 62 & 1 ? PTAB_W : 0) | PTAB_X;
		return;
	}
	look->flags = (e & 1 ? PTAB_R : 0) | (e & 2 ? PTAB_W : 0);
	if (ept)
		look->flags |= (e & 4 ? PTAB_X : 0) | (cache == 6   ? PTAB_WB
						       : cache == 1 ? PTAB_WC
								    : PTAB_UC);
	else if (x86)
		look->flags |= (e >> 63 ? 0 : PTAB_X) | (cache == 0   ? PTAB_WB
							 : cache == 1 ? PTAB_WC
								      : PTAB_UC);
	else
		look->flags |= PTAB_X;
}

static inline bool look_is_page(const struct ptab_format *f, uint64_t entry, int level)
{
	return level == 1 || (f == &ptab_amdvi ? !(entry >> 9 & 7) : entry >> 7 & 1);
}

/* False: nothing is mapped there; *look is zero. */
static inline bool look_up(const struct ptab *pt, uint64_t va, struct look *look)
{
	uint64_t *table = (uint64_t *)pt->root;

	*look = (struct look){0};
	if (va >= ptab_limit(pt))
		return false;
	for (int level = pt->levels;; level--) {
		uint64_t *entry = &table[va >> (3 + 9 * level) & 511];

		if (!(*entry & (pt->format == &ptab_amdvi ? 1 : 7)))
			return false;
		table = (uint64_t *)(*entry & 0x000ffffffffff000ull);
		if (!look_is_page(pt->format, *entry, level)) {
			assert(pt->format != &ptab_amdvi || (int)(*entry >> 9 & 7) == level - 1);
			continue;
		}
		look->entry = entry;
		look->size = 1ull << (3 + 9 * level);
		look->pa = (uint64_t)table + va % look->size;
		look_flags(pt->format, look);
		return true;
	}
}
