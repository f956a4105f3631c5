/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains: a guest-physical address space, handles, and vCPUs. */
#pragma once

#include "arch/iommu/iommu.h"
#include "arch/ptab.h"
#include "arch/up.h"
#include "kernel/abi.h"
#include "kernel/base/lock.h"
#include "kernel/object/handle.h"
#include "kernel/object/object.h"

struct event;
struct mapping;
struct slab;
struct vcpu;

#define DOMAIN_VCPUS 64
/* The doorbells of a domain's 65536 ports. */
#define BELLS_PER_PAGE   512
#define BELL_PAGES       128
#define DOMAIN_UNLIMITED (~0ull)
#define MAPPING_LEVELS   8

/* Changed with the manage lock, but for members that say otherwise. */
struct domain {
	struct object object;
	uint32_t id;
	uint32_t state; /* SAMPO_DOM_* */
	uint32_t flags; /* SAMPO_DOMAIN_* */
	uint32_t weight;
	uint64_t quota, period;      /* TSC ticks that each vCPU may have; 0: all */
	struct domain *next, **link; /* list of all; what points to this one there */

	struct handle_table handles;
	uint32_t names; /* handles to it in tables of others: it ends with the last */

	struct lock lock; /* for the next six */
	struct ptab slat;
	struct iommu_space io; /* what its devices reach: a part of what is mapped */
	uint64_t unmaps;       /* counts calls of region_unmap */
	uint64_t slat_changes; /* counts removals: vCPUs flush when it moved */
	struct mapping *mappings[MAPPING_LEVELS]; /* region.c */
	uint32_t mapping_levels;
	struct mapping *last_mapping; /* read without the lock */
	struct mapping *cut;          /* no longer mappings, but the page tables have them yet */

	/* Blocks of its address space that guests may have written since it was cleared, a bit
	 * each, atomic; blocks beyond the page, and all if it is NULL, may be written at any time.
	 */
	uint64_t *written;

	/* Bytes of kernel memory charged, atomic; of memory in its regions and given to domains
	 * that it made; how many it may have. */
	uint64_t kernel_bytes, kernel_limit;
	uint64_t memory, memory_limit;
	struct domain
		*creator; /* holds a reference; NULL: the kernel, or nothing was taken of it */
	uint32_t regions, events;

	uint64_t tsc_offset;                      /* that vCPUs begin with */
	uint64_t tsc_khz, tsc_scale, tsc_unscale; /* its ticks per the host's and reverse, 32.32 */
	uint64_t cpu_tsc;                         /* used by vCPUs that are gone */
	struct vcpu *vcpu[DOMAIN_VCPUS];          /* by APIC id; others read them by domain_vcpu */
	uint64_t present;                         /* bit n: vcpu[n] is there */
	uint32_t vcpus;

	struct sampo_event_page *event_page; /* NULL: takes MSIs only */
	struct event **bells[BELL_PAGES];    /* allocated as needed; its guest reads them */
};

/* NULL: there is none. Needs no lock: the vCPU stays while this CPU is in the kernel. */
static inline struct vcpu *domain_vcpu(const struct domain *domain, uint64_t id)
{
	return id < DOMAIN_VCPUS ? __atomic_load_n(&domain->vcpu[id], __ATOMIC_ACQUIRE) : NULL;
}

/*
 * A domain that may have so many kernel pages and so many bytes of memory (DOMAIN_UNLIMITED: as
 * much as there is). The creator is charged for the object; a creator that has limits gives the new
 * one's limits out of its own, until that one is gone. NULL: the kernel makes it. Returns SAMPO_OK
 * and *domain with one reference, or ENOMEM, EINVAL.
 */
int64_t domain_new(struct domain *creator, uint64_t flags, uint64_t page_limit, uint64_t weight,
		   uint64_t memory_limit, struct domain **domain);

/* Ends a domain for ever: with the next steps of object_reap its vCPUs stop, its memory is
 * unmapped, its handles are dropped. The object lives until the last reference goes. */
static inline void domain_destroy(struct domain *domain)
{
	domain->state = SAMPO_DOM_DEAD;
	object_queue(&domain->object);
}
bool domain_take_apart(struct object *object);

/* Its page tables have changed: the vCPUs flush before they run again, and
 * those that run now have left the guest. Its lock is held. */
void domain_slat_changed(struct domain *domain);

/* A TSC of this rate for vCPUs that are yet to be made, 0 from now on. EINVAL, EBUSY (there are
 * some), ENODEV: the CPU knows no other rate than its own. */
int64_t domain_set_tsc(struct domain *domain, uint64_t khz);
static inline uint64_t domain_tsc(const struct domain *domain, uint64_t host)
{
	return (uint64_t)((unsigned __int128)host * domain->tsc_scale >> 32);
}

/* Nothing was written in this whole block; from now on it counts as clean. */
bool domain_unwritten(struct domain *domain, uint64_t gpa);

/* Objects of a slab, charged to the domain; NULL beyond its limit. */
void *domain_slab_alloc(struct domain *domain, struct slab *slab);
void domain_slab_free(struct domain *domain, struct slab *slab, void *object);

/* domain_write and domain_read copy between kernel and guest-physical memory; SAMPO_EFAULT if part
 * of the range is not writable (readable) RAM there. Bytes before the fault may have been copied.
 * SAMPO_EAGAIN: a step of the zeroing of that memory has been done, the copy is to be made again.
 */
int64_t domain_write(struct domain *domain, uint64_t gpa, const void *from, size_t bytes);

/* A word of a guest's memory that the kernel writes often: its place is found once, and again when
 * anything has been unmapped since. All zero at first, and when the address is another one. */
struct domain_word {
	uint64_t physical, unmaps;
};

/* Where the word at gpa, and the rest of its page, is in the kernel's window until the next such
 * call; NULL if there is no writable RAM, or it is not zeroed yet. It stays the domain's until this
 * CPU leaves the kernel. */
void *domain_word(struct domain *domain, uint64_t gpa, struct domain_word *word);

extern struct domain *domain_list;
extern uint32_t domain_count;
