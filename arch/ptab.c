/* SPDX-License-Identifier: BSD-2-Clause */

#include "arch/ptab.h"
#include "kernel/abi.h"

#define ENTRIES 512u
#define ADDRESS 0x000ffffffffff000ull

/* clang-format off */
/* SDM vol. 3A 4.5, APM vol. 2 5.3. Cache types are entries 0, 1 and 3 of the PAT, by PWT and PCD. */
#define X86 .present = 0x1, .address = ADDRESS, .table = 0x7, .type = 0x80, .page = 0x80, \
	.r = 0x1, .w = 0x2, .nx = 1ull << 63, .accessed = 0x20, .dirty = 0x40, \
	.cache = 0x18, .cache_type = {0, 0x08, 0x18}

/* SDM vol. 3C 28.3.2; memory types as in the MTRRs. */
#define EPT .present = 0x7, .address = ADDRESS, .table = 0x7, .type = 0x80, .page = 0x80, \
	.r = 0x1, .w = 0x2, .x = 0x4, .cache = 7 << 3, .cache_type = {6 << 3, 1 << 3, 0}

const struct ptab_format ptab_host = {X86, .u = 0x4};
/* APM vol. 2 15.25.5: every access is one of user mode. */
const struct ptab_format ptab_npt = {X86, .fixed = 0x4};
const struct ptab_format ptab_ept = {EPT, .accessed = 0x100, .dirty = 0x200};
const struct ptab_format ptab_ept_no_ad = {EPT};

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
static void set(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool change(uint64_t *entry, uint64_t old, uint64_t new)
{
	return __atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static uint64_t encode(const struct ptab_format *f, uint32_t flags)
{
	uint64_t entry = f->fixed | f->cache_type[(flags & PTAB_CACHE) >> 4];

	entry |= (flags & PTAB_R ? f->r : 0) | (flags & PTAB_W ? f->w : 0);
	entry |= (flags & PTAB_X ? f->x : f->nx) | (flags & PTAB_U ? f->u : 0);
	return entry;
}

static uint32_t decode(const struct ptab_format *f, uint64_t entry)
{
	uint32_t flags = (entry & f->r ? PTAB_R : 0) | (entry & f->w ? PTAB_W : 0);

	flags |= ((f->x ? entry & f->x : !(entry & f->nx)) ? PTAB_X : 0);
	flags |= (entry & f->u ? PTAB_U : 0) | (entry & f->accessed ? PTAB_ACCESSED : 0);
	flags |= entry & f->dirty ? PTAB_DIRTY : 0;
	for (uint32_t type = 0; type < 3; type++)
		if ((entry & f->cache) == f->cache_type[type])
			return flags | type << 4;
	return flags;
}

uint64_t ptab_limit(const struct ptab *pt)
{
	unsigned bits = 12u + 9u * (unsigned)pt->levels;

	return 1ull << (bits < 63 ? bits : 63);
}

static bool valid(const struct ptab *pt, uint64_t va, uint64_t size)
{
	return (va | size) % PTAB_PAGE == 0 && size && va < ptab_limit(pt) &&
	       size <= ptab_limit(pt) - va;
}

static bool valid_flags(const struct ptab *pt, uint32_t flags)
{
	return !(flags & ~(PTAB_R | PTAB_W | PTAB_X | PTAB_U | PTAB_CACHE)) &&
	       (flags & PTAB_CACHE) <= PTAB_UC && encode(pt->format, flags) & pt->format->present;
}

int ptab_init(struct ptab *pt)
{
	void *root = pt->alloc(pt->ctx);

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
		pt->free(pt->ctx, table);
	}
}

/* One large page becomes a table of smaller ones that inherit all bits. */
static int split(struct ptab *pt, uint64_t *entry, int level)
{
	const struct ptab_format *f = pt->format;
	uint64_t *table = pt->alloc(pt->ctx);
	uint64_t old;

	if (!table)
		return SAMPO_ENOMEM;
	do {
		uint64_t child;

		old = *entry;
		child = level - 1 == PTAB_4K ? old & ~f->type : old;
		for (unsigned i = 0; i < ENTRIES; i++)
			table[i] = child + i * page_size(level - 1);
	} while (!change(entry, old, link_to(f, table, level)));
	pt->stale = true;
	return SAMPO_OK;
}

enum action { NEXT, SPLIT };

/* Goes over what is mapped from va to last. */
struct walk {
	struct ptab *pt;
	uint64_t va, last;
	/* What to do with a page of which any part is in the range. */
	enum action (*page)(struct walk *w, uint64_t *entry, int level, uint64_t va);
	bool prune;       /* retire tables that are empty then */
	uint64_t bits;    /* of new entries */
	uint64_t *bitmap; /* of dirty pages */
	bool clear;
};

static bool empty(const struct ptab_format *f, const uint64_t *table)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (table[i] & f->present)
			return false;
	return true;
}

/* Below a table, whose first entry is for address base. Fails only when splitting. */
static int walk(struct walk *w, uint64_t *table, int level, uint64_t base)
{
	const struct ptab_format *f = w->pt->format;
	uint64_t size = page_size(level), *lower;
	unsigned first = w->va > base ? slot(w->va, level) : 0;

	for (unsigned i = first; i < ENTRIES && base + i * size <= w->last; i++) {
		if (!(table[i] & f->present))
			continue;
		if (is_page(f, table[i], level)) {
			if (w->page(w, &table[i], level, base + i * size) == NEXT)
				continue;
			if (split(w->pt, &table[i], level))
				return SAMPO_ENOMEM;
		}
		lower = table_of(f, table[i]);
		if (walk(w, lower, level - 1, base + i * size))
			return SAMPO_ENOMEM;
		if (w->prune && empty(f, lower)) {
			set(&table[i], 0);
			retire(w->pt, lower);
		}
	}
	return SAMPO_OK;
}

static int walk_range(struct walk *w, uint64_t va, uint64_t size)
{
	w->va = va;
	w->last = va + size - 1;
	return walk(w, at(w->pt->root), w->pt->levels, 0);
}

static enum action split_at_start(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	(void)entry;
	return va < w->va && level > PTAB_4K ? SPLIT : NEXT;
}

static enum action split_always(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	(void)w, (void)entry, (void)va;
	return level > PTAB_4K ? SPLIT : NEXT;
}

static enum action unmap_page(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	(void)level, (void)va;
	set(entry, 0);
	w->pt->stale = true;
	return NEXT;
}

struct cursor {
	struct ptab *pt;
	uint64_t va, last, pa, bits;
};

/* Maps from the cursor to its end or to the end of the table. */
static int map(struct cursor *c, uint64_t *table, int level)
{
	const struct ptab_format *f = c->pt->format;
	uint64_t size = page_size(level);

	for (unsigned i = slot(c->va, level); i < ENTRIES && c->va <= c->last; i++) {
		bool used = table[i] & f->present;
		bool fits = level <= c->pt->max_page && (c->va | c->pa) % size == 0 &&
			    c->last - c->va >= size - 1;
		int error;

		/* There are no empty tables: where a page fits, too, something is mapped. */
		if (used && (fits || is_page(f, table[i], level)))
			return SAMPO_EEXIST;
		if (fits) {
			set(&table[i], c->pa | c->bits | (level > PTAB_4K ? f->page : 0));
			c->va += size;
			c->pa += size;
			continue;
		}
		if (!used) {
			void *lower = c->pt->alloc(c->pt->ctx);

			if (!lower)
				return SAMPO_ENOMEM;
			set(&table[i], link_to(f, lower, level));
		}
		error = map(c, table_of(f, table[i]), level - 1);
		if (error)
			return error;
	}
	return SAMPO_OK;
}

int ptab_map(struct ptab *pt, uint64_t va, uint64_t pa, uint64_t size, uint32_t flags)
{
	struct cursor c = {pt, va, va + size - 1, pa, encode(pt->format, flags)};
	struct walk undo = {.pt = pt, .page = unmap_page, .prune = true};
	int error;

	if (!valid(pt, va, size) || !valid_flags(pt, flags) || pa & ~pt->format->address ||
	    (pa + size - 1) & ~(pt->format->address | (PTAB_PAGE - 1)))
		return SAMPO_EINVAL;
	error = map(&c, at(pt->root), pt->levels);
	/* Where memory ran out nothing is mapped, but there may be new, empty tables. */
	size = c.va - va + (error == SAMPO_ENOMEM ? PTAB_PAGE : 0);
	if (error && size)
		walk_range(&undo, va, size);
	return error;
}

/* Makes the ends of the range ends of pages, after which nothing can fail. */
static int prepare(struct ptab *pt, uint64_t va, uint64_t size)
{
	struct walk w = {.pt = pt, .page = split_at_start};

	if (!valid(pt, va, size))
		return SAMPO_EINVAL;
	if (walk_range(&w, va, 1))
		return SAMPO_ENOMEM;
	return va + size < ptab_limit(pt) ? walk_range(&w, va + size, 1) : SAMPO_OK;
}

int ptab_unmap(struct ptab *pt, uint64_t va, uint64_t size)
{
	struct walk w = {.pt = pt, .page = unmap_page, .prune = true};
	int error = prepare(pt, va, size);

	return error ? error : walk_range(&w, va, size);
}

static enum action protect_page(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	const struct ptab_format *f = w->pt->format;
	uint64_t keep = f->address | f->accessed | f->dirty;
	uint64_t bits = w->bits | (level > PTAB_4K ? f->page : 0);
	uint64_t old;

	(void)va;
	do {
		old = *entry;
		if (old == ((old & keep) | bits))
			return NEXT;
	} while (!change(entry, old, (old & keep) | bits));
	w->pt->stale = true;
	return NEXT;
}

int ptab_protect(struct ptab *pt, uint64_t va, uint64_t size, uint32_t flags)
{
	struct walk w = {.pt = pt, .page = protect_page, .bits = encode(pt->format, flags)};
	int error = valid_flags(pt, flags) ? prepare(pt, va, size) : SAMPO_EINVAL;

	return error ? error : walk_range(&w, va, size);
}

int ptab_split(struct ptab *pt, uint64_t va, uint64_t size)
{
	struct walk w = {.pt = pt, .page = split_always};

	return valid(pt, va, size) ? walk_range(&w, va, size) : SAMPO_EINVAL;
}

bool ptab_lookup(const struct ptab *pt, uint64_t va, struct ptab_entry *found)
{
	const uint64_t *table = at(pt->root);

	if (va >= ptab_limit(pt))
		return false;
	for (int level = pt->levels;; level--) {
		uint64_t entry = table[slot(va, level)];

		if (!(entry & pt->format->present))
			return false;
		table = table_of(pt->format, entry);
		if (!is_page(pt->format, entry, level))
			continue;
		found->size = page_size(level);
		found->pa = (entry & pt->format->address) + va % found->size;
		found->flags = decode(pt->format, entry);
		return true;
	}
}

static enum action dirty_page(struct walk *w, uint64_t *entry, int level, uint64_t va)
{
	uint64_t dirty = w->pt->format->dirty;
	uint64_t last = va + page_size(level) - 1;
	uint64_t from = va > w->va ? va : w->va, to = last < w->last ? last : w->last;

	if (!(*entry & dirty))
		return NEXT;
	/* Cleared before it is reported: a write in between is reported twice. */
	if (w->clear && va >= w->va && last <= w->last) {
		__atomic_fetch_and(entry, ~dirty, __ATOMIC_SEQ_CST);
		w->pt->stale = true;
	}
	for (uint64_t page = (from - w->va) / PTAB_PAGE; page <= (to - w->va) / PTAB_PAGE; page++)
		w->bitmap[page / 64] |= 1ull << page % 64;
	return NEXT;
}

int ptab_dirty(struct ptab *pt, uint64_t va, uint64_t pages, uint64_t *bitmap, bool clear)
{
	struct walk w = {.pt = pt, .page = dirty_page, .bitmap = bitmap, .clear = clear};

	if (!pt->format->dirty)
		return SAMPO_ENODEV;
	if (pages > ptab_limit(pt) / PTAB_PAGE || !valid(pt, va, pages * PTAB_PAGE))
		return SAMPO_EINVAL;
	return walk_range(&w, va, pages * PTAB_PAGE);
}

void ptab_destroy(struct ptab *pt)
{
	struct walk w = {.pt = pt, .page = unmap_page, .prune = true};

	walk_range(&w, 0, ptab_limit(pt));
	ptab_flushed(pt);
	pt->free(pt->ctx, at(pt->root));
	pt->root = 0;
}
