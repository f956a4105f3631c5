/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a guest's linear addresses to its physical ones (APM volume 2, chapter
 * 5). The tables are in the guest's memory: each entry is read once.
 */
#include "guests/dom0/cpu/insn.h"

#define CR0_PE    0x1ull
#define CR0_WP    0x10000ull
#define CR0_PG    0x80000000ull
#define CR4_PSE   0x10ull
#define CR4_PAE   0x20ull
#define CR4_LA57  0x1000ull
#define CR4_SMEP  0x100000ull
#define CR4_SMAP  0x200000ull
#define EFER_LMA  0x400ull
#define EFER_NXE  0x800ull
#define RFLAGS_VM 0x20000ull
#define RFLAGS_AC 0x40000ull

#define PTE_P     0x1ull
#define PTE_W     0x2ull
#define PTE_U     0x4ull
#define PTE_A     0x20ull
#define PTE_D     0x40ull
#define PTE_PS    0x80ull
#define PTE_NX    (1ull << 63)
#define PTE_FRAME 0x000ffffffffff000ull

#define PF_P    0x1u
#define PF_W    0x2u
#define PF_U    0x4u
#define PF_RSVD 0x8u
#define PF_I    0x10u

#define SEGMENT_L           0x200u /* sampo_segment.attrib */
#define SEGMENT_D           0x400u
#define SEGMENT_DPL(attrib) ((attrib) >> 5 & 3u)
#define MAX_LEVELS          5

struct walker {
	struct vm *vm;
	unsigned levels, bits; /* of index per level */
	bool is_long, user_mode;
	uint64_t linear;
	void *entry[MAX_LEVELS]; /* those used, from the top */
	unsigned used;
	uint64_t leaf; /* value of the last */
	unsigned leaf_level;
	bool writable, user, no_execute;
};

enum cpu_mode cpu_mode(const struct sampo_exit *exit)
{
	uint16_t attrib = exit->seg[SAMPO_CS].attrib;

	if (!(exit->cr0 & CR0_PE) || exit->rflags & RFLAGS_VM)
		return MODE_16;
	if (exit->efer & EFER_LMA && attrib & SEGMENT_L)
		return MODE_64;
	return attrib & SEGMENT_D ? MODE_32 : MODE_16;
}

static uint64_t load_entry(const struct walker *w, const void *entry)
{
	return w->bits == 9 ? __atomic_load_n((const uint64_t *)entry, __ATOMIC_RELAXED)
			    : __atomic_load_n((const uint32_t *)entry, __ATOMIC_RELAXED);
}

static void set_bits(void *entry, uint32_t bits)
{
	if (~*(volatile uint32_t *)entry & bits)
		__atomic_fetch_or((uint32_t *)entry, bits, __ATOMIC_RELAXED);
}

static bool is_leaf(const struct walker *w, const struct sampo_exit *exit, unsigned level,
		    uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_PS))
		return false;
	if (level == 2)
		return w->bits == 9 || exit->cr4 & CR4_PSE;
	return level == 3 && w->is_long;
}

/* From the top table to the entry of the page. WALK_FAULT: not present. */
static enum walk_result descend(struct walker *w, const struct sampo_exit *exit)
{
	uint64_t table = exit->cr3 & (w->is_long     ? PTE_FRAME
				      : w->bits == 9 ? 0xffffffe0ull
						     : 0xfffff000ull);
	unsigned entry_bytes = w->bits == 9 ? 8 : 4;

	w->writable = w->user = true;
	w->no_execute = false;
	for (unsigned level = w->levels; level; level--) {
		uint64_t index = w->linear >> (12 + (level - 1) * w->bits) & ((1u << w->bits) - 1);
		void *at = vm_mem(w->vm, table + index * entry_bytes, entry_bytes);
		uint64_t entry;

		if (!at)
			return WALK_BROKEN;
		entry = load_entry(w, at);
		if (!(entry & PTE_P))
			return WALK_FAULT;
		table = entry & PTE_FRAME;
		/* Entries of the PAE directory pointer table have no rights. */
		if (level == 3 && !w->is_long)
			continue;
		w->writable = w->writable && entry & PTE_W;
		w->user = w->user && entry & PTE_U;
		w->no_execute = w->no_execute || entry & PTE_NX;
		w->entry[w->used++] = at;
		if (is_leaf(w, exit, level, entry)) {
			w->leaf = entry;
			w->leaf_level = level;
			return WALK_OK;
		}
	}
	return WALK_BROKEN;
}

static bool allowed(const struct walker *w, const struct sampo_exit *exit, unsigned access)
{
	bool nx = exit->efer & EFER_NXE && w->no_execute;

	if (access & WALK_WRITE && !w->writable && (w->user_mode || exit->cr0 & CR0_WP))
		return false;
	if (access & WALK_FETCH && nx)
		return false;
	if (w->user_mode)
		return w->user;
	if (!w->user)
		return true;
	if (access & WALK_FETCH)
		return !(exit->cr4 & CR4_SMEP);
	return !(exit->cr4 & CR4_SMAP) || (exit->rflags & RFLAGS_AC && !(access & WALK_IMPLICIT));
}

static uint64_t page_address(const struct walker *w)
{
	uint64_t mask = (1ull << (12 + (w->leaf_level - 1) * w->bits)) - 1;
	uint64_t frame = w->leaf & PTE_FRAME;

	/* PSE-36: bits 13-20 of a 4 MiB page's entry are address bits 32-39 */
	if (w->bits == 10 && w->leaf_level == 2)
		frame = (frame & 0xffc00000) | (w->leaf >> 13 & 0xff) << 32;
	return (frame & ~mask) | (w->linear & mask);
}

static uint32_t fault_code(const struct walker *w, const struct sampo_exit *exit, unsigned access,
			   bool present)
{
	uint32_t code = present ? PF_P : 0;

	if (access & WALK_WRITE)
		code |= PF_W;
	if (w->user_mode)
		code |= PF_U;
	if (access & WALK_FETCH &&
	    ((exit->efer & EFER_NXE && w->bits == 9) || exit->cr4 & CR4_SMEP))
		code |= PF_I;
	return code;
}

enum walk_result walk(struct vm *vm, const struct sampo_exit *exit, uint64_t linear,
		      unsigned access, uint64_t *gpa, uint32_t *code)
{
	bool is_long = exit->efer & EFER_LMA, pae = exit->cr4 & CR4_PAE;
	struct walker w = {.vm = vm, .is_long = is_long};
	enum walk_result result;

	w.linear = is_long ? linear : (uint32_t)linear;
	*gpa = w.linear;
	if (!(exit->cr0 & CR0_PG))
		return WALK_OK;
	w.bits = is_long || pae ? 9 : 10;
	w.levels = is_long ? (exit->cr4 & CR4_LA57 ? 5 : 4) : pae ? 3 : 2;
	w.user_mode = !(access & WALK_IMPLICIT) && SEGMENT_DPL(exit->seg[SAMPO_SS].attrib) == 3;

	result = descend(&w, exit);
	if (result == WALK_BROKEN)
		return WALK_BROKEN;
	*code = fault_code(&w, exit, access, result == WALK_OK);
	if (result == WALK_OK && w.no_execute && !(exit->efer & EFER_NXE)) {
		*code |= PF_RSVD;
		return WALK_FAULT;
	}
	if (result != WALK_OK || !allowed(&w, exit, access))
		return WALK_FAULT;
	for (unsigned i = 0; i < w.used; i++)
		set_bits(w.entry[i], PTE_A);
	if (access & WALK_WRITE)
		set_bits(w.entry[w.used - 1], PTE_D);
	*gpa = page_address(&w);
	return WALK_OK;
}
