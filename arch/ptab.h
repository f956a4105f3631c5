/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page-table walker for every table of 512 eight-byte entries: the
 * kernel's own, NPT, EPT and the second-level tables of both IOMMUs. Their differences are data,
 * struct ptab_format.
 *
 * Tables are reached at their physical address. Nothing here flushes a TLB:
 * `stale` says that a translation which hardware may have cached has changed.
 * Tables that fell out of use are kept until the owner has flushed and calls
 * ptab_flushed.
 */
#pragma once

#include "kernel/base/types.h"

#define PTAB_PAGE 4096ull

/* The accesses that a mapping allows; cache types are a field of two bits. */
#define PTAB_R     0x01u
#define PTAB_W     0x02u
#define PTAB_X     0x04u
#define PTAB_WB    0x00u
#define PTAB_WC    0x10u
#define PTAB_UC    0x20u
#define PTAB_CACHE 0x30u

/* The page sizes, as levels of the tree. */
#define PTAB_4K 1
#define PTAB_2M 2
#define PTAB_1G 3

struct ptab_format {
	uint64_t present;       /* any of these bits: the entry is in use */
	uint64_t address;       /* where the physical address is */
	uint64_t table;         /* set in every entry that points to a table */
	uint64_t next;          /* times the level of that table (AMD-Vi), or 0 */
	uint64_t type;          /* above level 1: these bits tell a page ... */
	uint64_t page;          /* ... when they have this value */
	uint64_t fixed;         /* set in every entry that maps a page */
	uint64_t r, w, x;       /* set when allowed */
	uint64_t nx;            /* set when execution is not allowed */
	uint64_t cache_type[4]; /* by PTAB_CACHE >> 4 */
	uint64_t dirty;         /* may be w; 0: not known */
};

/* Entry 1 of the host's PAT must be WC, 0 and 3 are WB and UC as after reset. */
extern const struct ptab_format ptab_host, ptab_npt;
/* EPT with and without accessed and dirty bits (an EPTP setting). */
extern const struct ptab_format ptab_ept, ptab_ept_no_ad;
extern const struct ptab_format ptab_vtd, ptab_amdvi;

struct domain;

struct ptab {
	const struct ptab_format *format;
	uint64_t root;    /* physical address of the top table */
	int levels;       /* 3 to 5 */
	int max_page;     /* largest page: PTAB_4K, PTAB_2M or PTAB_1G */
	bool stale;       /* the TLB must be flushed, then ptab_flushed called */
	void *unused;     /* tables to be freed by ptab_flushed */
	uint64_t reached; /* after SAMPO_EAGAIN: where the rest begins */
	/* Called for entries that have changed, and for a new table; NULL: hardware sees the CPU's
	 * caches. */
	void (*written)(const volatile void *entry, size_t bytes);
	void *(*alloc)(struct domain *owner); /* a zeroed page, or NULL */
	void (*free)(struct domain *owner, void *page);
	struct domain *owner; /* the tables' domain; NULL: they are the kernel's */
};

/*
 * Addresses and sizes are multiples of 4 KiB, virtual ones without sign
 * extension and below ptab_limit, sizes above 0. Status: 0, SAMPO_ENOMEM, or as
 * said.
 */

/* All other members are set before; allocates the root. */
int ptab_init(struct ptab *pt);
/* Frees all tables; no CPU or device may use them any more. */
void ptab_destroy(struct ptab *pt);
uint64_t ptab_limit(const struct ptab *pt);

/* Uses the largest pages. SAMPO_EEXIST if something is mapped in the range;
 * the part before the place of an error is mapped then. */
int ptab_map(struct ptab *pt, uint64_t va, uint64_t pa, uint64_t size, uint32_t flags);
/*
 * The following ones do a bounded part of the range at a time: SAMPO_EAGAIN says that the rest,
 * from pt->reached to the end, wants another call.
 */

/* A large page goes as a whole if any part of it is in the range. */
int ptab_unmap(struct ptab *pt, uint64_t va, uint64_t size);
/* To 4 KiB pages; may stop half-way with SAMPO_ENOMEM, the mapping is the same
 * in any case. */
int ptab_split(struct ptab *pt, uint64_t va, uint64_t size);

/*
 * Sets bit n of the bitmap if page n from va was written to; bits of clean
 * pages are left as they are. A large page is dirty as a whole. With `clear`,
 * dirty bits of pages that lie in the range as a whole are cleared: writes
 * that come before the TLB is flushed may go unnoticed.
 */
int ptab_dirty(struct ptab *pt, uint64_t va, uint64_t pages, uint64_t *bitmap, bool clear);

/* A write to the page, which is one that may be written, has faulted: without dirty bits in
 * hardware, clean pages are protected. */
void ptab_dirtied(struct ptab *pt, uint64_t va);

/* The page that is mapped there, of 4 KiB or part of a larger one, which is split then, may be
 * executed from now on. ENOMEM. */
int ptab_execute(struct ptab *pt, uint64_t va);

/* The TLB has been flushed. */
void ptab_flushed(struct ptab *pt);
