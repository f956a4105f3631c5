/* SPDX-License-Identifier: BSD-2-Clause */

#include "arch/ptab.h"
#include "kernel/abi.h"

#define ENTRIES 512u
#define ADDRESS 0x000ffffffffff000ull

/* clang-format off */
/* SDM vol. 3A 4.5, APM vol. 2 5.3. Cache types are entries 0, 1 and 3 of the PAT, by PWT and PCD. */
#define X86 .present = 0x1, .address = ADDRESS, .table = 0x7, .type = 0x80, .page = 0x80, \
	.r = 0x1, .w = 0x2, .nx = 1ull << 63, .dirty = 0x40, .cache_type = {0, 0x08, 0x18}

/* SDM vol. 3C 28.3.2; memory types as in the MTRRs. */
#define EPT .present = 0x7, .address = ADDRESS, .table = 0x7, .type = 0x80, .page = 0x80, \
	.r = 0x1, .w = 0x2, .x = 0x4, .cache_type = {6 << 3, 1 << 3, 0}

const struct ptab_format ptab_host = {X86};
/* APM vol. 2 15.25.5: every access is one of user mode. */
const struct ptab_format ptab_npt = {X86, .fixed = 0x4};
const struct ptab_format ptab_ept = {EPT, .dirty = 0x200};
/* The right to write stands for the dirty bit: a clean page must fault, see ptab_dirtied. */
const struct ptab_format ptab_ept_no_ad = {EPT, .dirty = 0x2};

/* VT-d 9.8, second-level tables. */
const struct ptab_format ptab_vtd = {
	.present = 0x3, .address = ADDRESS, .table = 0x3, .type = 0x80, .page = 0x80,
	.r = 0x1, .w = 0x2,
};

/* AMD IOMMU 2.2.3: bits 9-11 hold the level of the next table, 0 for a page; IR and IW are bits
 * 61 and 62, FC (bit 60) keeps DMA coherent. */
const struct ptab_format ptab_amdvi = {
	.present = 0x1, .address = ADDRESS, .table = 3ull << 61 | 1, .next = 1 << 9, .type = 7 << 9,
	.fixed = 1ull << 60 | 1, .r = 1ull << 61, .w = 1ull << 62,
};
/* clang-format on */

static unsigned shift(int level)
{
	return 12u + 9u * (unsigned)(level - 1);
}

static uint64_t page_size(int level)
{
	return 1ull << shift(level);
}

static unsigned slot(uint64_t va, int level)
{
	return (va >> shift(level)) % ENTRIES;
}

static uint64_t *at(uint64_t physical)
{
	return (uint64_t *)(uintptr_t)physical;
}

static uint64_t *table_of(const struct ptab_format *f, uint64_t entry)
{
	return at(entry & f->address);
}

static bool is_page(const struct ptab_format *f, uint64_t entry, int level)
{
	return level == PTAB_4K || (entry & f->type) == f->page;
}

/* Entries are written by these two only: hardware walks the tables meanwhile,
 * and may set accessed and dirty bits. */
static void set(const struct ptab *pt, uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	if (pt->written)
		pt->written(entry, sizeof(*entry));
}

static bool change(const struct ptab *pt, uint64_t *entry, uint64_t old, uint64_t new)
{
	bool done = __atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED);

	if (pt->written)
		pt->written(entry, sizeof(*entry));
	return done;
}

static void *new_table(const struct ptab *pt)
{
	void *table = pt->alloc(pt->owner);

	if (table && pt->written)
		pt->written(table, PTAB_PAGE);
	return table;
}

static uint64_t encode(const struct ptab_format *f, uint32_t flags)
{
	uint64_t entry = f->fixed | f->cache_type[(flags & PTAB_CACHE) >> 4];

	entry |= (flags & PTAB_R ? f->r : 0) | (flags & PTAB_W ? f->w : 0);
	entry |= flags & PTAB_X ? f->x : f->nx;
	return entry;
}

uint64_t ptab_limit(const struct ptab *pt)
{
	return page_size(pt->levels + 1);
}

int ptab_init(struct ptab *pt)
{
	void *root = new_table(pt);

	pt->root = (uint64_t)(uintptr_t)root;
	pt->stale = false;
	pt->unused = NULL;
	return root ? SAMPO_OK : SAMPO_ENOMEM;
}

static uint64_t link_to(const struct ptab_format *f, const void *table, int level)
{
	return (uint64_t)(uintptr_t)table | f->table | f->next * (unsigned)(level - 1);
}

/* The table stays allocated until the TLB has been flushed: hardware may
 * still walk it. The link's low bits are 0, so it is no entry in use. */
static void retire(struct ptab *pt, uint64_t *table)
{
	table[0] = (uint64_t)(uintptr_t)pt->unused;
	pt->unused = table;
	pt->stale = true;
}

void ptab_flushed(struct ptab *pt)
{
	pt->stale = false;
	while (pt->unused) {
		uint64_t *table = pt->unused;

		pt->unused = at(table[0]);
		pt->free(pt->owner, table);
	}
}

/* The entry for va in a table of this level, which is made if need be. */
static int descend(struct ptab *pt, uint64_t va, int level, uint64_t **entry)
{
	uint64_t *table = at(pt->root);

	for (int l = pt->levels;; l--) {
		*entry = &table[slot(va, l)];
		if (l == level)
			return SAMPO_OK;
		if (!(**entry & pt->format->present)) {
			table = new_table(pt);
			if (!table)
				return SAMPO_ENOMEM;
			set(pt, *entry, link_to(pt->format, table, l));
		} else if (is_page(pt->format, **entry, l)) {
			return SAMPO_EEXIST;
		}
		table = table_of(pt->format, **entry);
	}
}

/*
 * Each step uses the largest page that fits: both addresses are aligned to it, and the rest is as
 * long. The new entry was not present before, so no TLB holds it, and nothing need be flushed (SDM
 * 3A 4.10.2.3).
 */
int ptab_map(struct ptab *pt, uint64_t va, uint64_t pa, uint64_t size, uint32_t flags)
{
	uint64_t bits = encode(pt->format, flags), *entry;

	while (size) {
		int level = pt->max_page, error;

		while ((va | pa) % page_size(level) || size < page_size(level))
			level--;
		error = descend(pt, va, level, &entry);
		if (error)
			return error;
		/* A page, or a table where a page would go: walks leave no empty ones. */
		if (*entry & pt->format->present)
			return SAMPO_EEXIST;
		set(pt, entry, pa | bits | (level > PTAB_4K ? pt->format->page : 0));
		va += page_size(level);
		pa += page_size(level);
		size -= page_size(level);
	}
	return SAMPO_OK;
}

/*
 * A walk over the mapped pages in a range of addresses. It goes along one table at a time: down
 * from the root to the lowest table that has an entry for the address, along that table to its end
 * or to an entry that leads lower, and down from the root again, since what it does to a page may
 * put a table in the page's place. One step passes a range that an upper table lacks. The
 * walk stops when it has looked at a number of entries, so that a range of any size takes as many
 * calls as it needs, each of them short.
 */
struct walk;
/* The action on a page that lies in the range in part or as a whole. */
typedef int page_function(struct walk *w, uint64_t *entry, int level, uint64_t va);

struct walk {
	struct ptab *pt;
	uint64_t va, last;
	int left;   /* entries that it may still look at; below 1 it stops */
	int lowest; /* level of the lowest tables that it enters */
	page_function *page;
	uint64_t *bitmap; /* of dirty pages */
};

#define WALK_ENTRIES 1024
#define WALK_DOWN    16 /* the way from the root costs as much as so many entries */
#define LEVELS_MAX   5

static bool empty(const struct ptab_format *f, const uint64_t *table)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (table[i] & f->present)
			return false;
	return true;
}

/* Does a walk whose lowest tables are of that level go on below the entry? */
static bool leads_lower(const struct ptab_format *f, uint64_t entry, int level, int lowest)
{
	return level > lowest && entry & f->present && !is_page(f, entry, level);
}

/* Returns where it has come to. */
static uint64_t along(struct walk *w, uint64_t *table, int level, uint64_t va, int *status)
{
	const struct ptab_format *f = w->pt->format;
	uint64_t size = page_size(level), *entry = &table[slot(va, level)], *end = table + ENTRIES;

	do {
		if (*entry & f->present) {
			if (is_page(f, *entry, level))
				*status = w->page(w, entry, level, va & ~(size - 1));
			if (*status || leads_lower(f, *entry, level, w->lowest))
				return va;
		}
		entry++;
		va = (va | (size - 1)) + 1;
		w->left--;
	} while (entry != end && va <= w->last && w->left > 0);
	return va;
}

/* SAMPO_EAGAIN: not to the end; pt->reached is where the rest begins. */
static int walk_range(struct ptab *pt, uint64_t va, uint64_t size, int lowest, page_function *page,
		      uint64_t *bitmap)
{
	const struct ptab_format *f = pt->format;
	int status = SAMPO_OK, top = pt->levels;
	uint64_t *table[LEVELS_MAX + 1], at_va = va, last = va + size - 1;
	struct walk w = {pt, va, last, WALK_ENTRIES, lowest, page, bitmap};

	table[top] = at(pt->root);
	while (!status && w.left > 0 && at_va <= last) {
		uint64_t from = at_va, entry;
		int level = top;

		for (; level > lowest; level--) {
			entry = table[level][slot(from, level)];
			if (!leads_lower(f, entry, level, lowest))
				break;
			table[level - 1] = table_of(f, entry);
		}
		w.left -= WALK_DOWN;
		at_va = along(&w, table[level], level, from, &status);
		for (; level < top && empty(f, table[level]); level++) {
			set(pt, &table[level + 1][slot(from, level + 1)], 0);
			retire(pt, table[level]);
		}
	}
	pt->reached = at_va;
	return status ? status : at_va <= last ? SAMPO_EAGAIN : SAMPO_OK;
}

static int unmap_page(struct walk *w, uint64_t *entry, int, uint64_t)
{
	set(w->pt, entry, 0);
	w->pt->stale = true;
	return SAMPO_OK;
}

int ptab_unmap(struct ptab *pt, uint64_t va, uint64_t size)
{
	return walk_range(pt, va, size, PTAB_4K, unmap_page, NULL);
}

/* One large page becomes a table of smaller ones that inherit all bits. */
/*
 * The new table is complete before the link to it replaces the large page, by one
 * compare-and-exchange: hardware that walks meanwhile finds either of the two, with the same
 * translation. An accessed or dirty bit that it sets in between makes the exchange fail, and the
 * table is filled again.
 */
static int split_page(struct walk *w, uint64_t *entry, int level, uint64_t)
{
	const struct ptab_format *f = w->pt->format;
	uint64_t *table, old;

	if (level == PTAB_4K)
		return SAMPO_OK;
	table = new_table(w->pt);
	if (!table)
		return SAMPO_ENOMEM;
	w->left -= ENTRIES;
	do {
		uint64_t child;

		old = READ_ONCE(*entry);
		child = level - 1 == PTAB_4K ? old & ~f->type : old;
		for (unsigned i = 0; i < ENTRIES; i++)
			table[i] = child + i * page_size(level - 1);
		if (w->pt->written)
			w->pt->written(table, PTAB_PAGE);
	} while (!change(w->pt, entry, old, link_to(f, table, level)));
	w->pt->stale = true;
	return SAMPO_OK;
}

int ptab_split(struct ptab *pt, uint64_t va, uint64_t size)
{
	return walk_range(pt, va, size, PTAB_2M, split_page, NULL);
}

static int report(struct walk *w, int level, uint64_t va)
{
	uint64_t last = va + page_size(level) - 1;
	uint64_t from = va > w->va ? va : w->va, to = last < w->last ? last : w->last;

	for (uint64_t page = (from - w->va) / PTAB_PAGE; page <= (to - w->va) / PTAB_PAGE; page++)
		w->bitmap[page / 64] |= 1ull << page % 64;
	return SAMPO_OK;
}

static int note_dirty(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	return *entry & w->pt->format->dirty ? report(w, level, va) : SAMPO_OK;
}

/* Cleared before it is reported: a write in between is reported twice. */
static int take_dirty(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	uint64_t dirty = w->pt->format->dirty;

	if (!(*entry & dirty))
		return SAMPO_OK;
	if (va >= w->va && va + page_size(level) - 1 <= w->last) {
		__atomic_fetch_and(entry, ~dirty, __ATOMIC_SEQ_CST);
		w->pt->stale = true;
	}
	return report(w, level, va);
}

int ptab_dirty(struct ptab *pt, uint64_t va, uint64_t pages, uint64_t *bitmap, bool clear)
{
	return walk_range(pt, va, pages * PTAB_PAGE, PTAB_4K, clear ? take_dirty : note_dirty,
			  bitmap);
}

static int allow_write(struct walk *w, uint64_t *entry, int, uint64_t)
{
	__atomic_fetch_or(entry, w->pt->format->w, __ATOMIC_SEQ_CST);
	return SAMPO_OK;
}

void ptab_dirtied(struct ptab *pt, uint64_t va)
{
	walk_range(pt, va, PTAB_PAGE, PTAB_4K, allow_write, NULL);
}

static int allow_execution(struct walk *w, uint64_t *entry, int, uint64_t)
{
	__atomic_fetch_or(entry, w->pt->format->x, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(entry, ~w->pt->format->nx, __ATOMIC_SEQ_CST);
	return SAMPO_OK;
}

int ptab_execute(struct ptab *pt, uint64_t va)
{
	int status = ptab_split(pt, va, PTAB_PAGE);

	return status ? status : walk_range(pt, va, PTAB_PAGE, PTAB_4K, allow_execution, NULL);
}

void ptab_destroy(struct ptab *pt)
{
	uint64_t from = 0;

	while (ptab_unmap(pt, from, ptab_limit(pt) - from) == SAMPO_EAGAIN)
		from = pt->reached;
	ptab_flushed(pt);
	pt->free(pt->owner, at(pt->root));
	pt->root = 0;
}
