/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions: memory that can be mapped into domains. */
#pragma once

#include "kernel/base/lock.h"
#include "kernel/object/domain.h"
#include "kernel/object/object.h"

enum region_kind {
	REGION_RAM,    /* blocks allocated for the region, zeroed on first use */
	REGION_FIXED,  /* a physical range: boot modules, a kernel page */
	REGION_DEVICE, /* a physical range that is no RAM, uncached */
	REGION_PORTS,  /* I/O ports: not to be mapped */
};

/* Does not change once made, but for the words about its blocks. */
struct region {
	struct object object;
	struct lock lock; /* held while a block is being zeroed */
	enum region_kind kind;
	uint32_t block_shift; /* RAM: 12 or 21 */
	uint64_t size;        /* bytes, a multiple of the block (or page) */
	uint64_t base;        /* FIXED, DEVICE: physical address; PORTS: the first */
	struct domain *owner; /* charged for it, holds a reference */
	bool owner_only;
	/* RAM: physical address of each block; bit 0: zeroed, else the other low bits say how much
	 * of the block is. Two levels. */
	uint64_t **blocks;
	uint64_t count; /* of blocks that it has: all, but while it is made or freed */
};

/* One place where a region appears in a domain. */
struct mapping {
	struct mapping *next[MAPPING_LEVELS]; /* by gpa: region.c */
	struct region *region;                /* holds a reference */
	uint64_t gpa, size, offset;
	uint32_t perms; /* SAMPO_MAP_* */
};

/*
 * The owner is charged. SAMPO_EAGAIN: *region has some of its blocks, region_fill gets more of
 * them, by steps, and returns the same. ENOMEM from region_fill: the reference to the region is
 * still the caller's.
 */
int64_t region_new_ram(struct domain *owner, uint64_t size, uint32_t block_shift,
		       struct region **region);
int64_t region_fill(struct region *region);
int64_t region_new_fixed(struct domain *owner, enum region_kind kind, uint64_t base, uint64_t size,
			 struct region **region);
bool region_take_apart(struct object *object);

/*
 * Physical address of a byte of the region. RAM is zeroed before it is shown: returns false if
 * that takes more than the step of it that has been done now. offset must be below size.
 */
bool region_physical(struct region *region, uint64_t offset, uint64_t *physical);

/* Map [offset, offset + size) of a region at gpa, charged to the domain. The page tables are
 * filled when the domain touches it. EINVAL, EEXIST, ENOMEM; EAGAIN: the page tables still have
 * something that has been unmapped. */
int64_t region_map(struct region *region, struct domain *domain, uint64_t gpa, uint64_t offset,
		   uint64_t size, uint32_t perms);

/* Unmap every mapping that begins in [gpa, gpa + size): they are cut off at once, and leave the
 * page tables now, or those of a large range by steps of object_reap. EINVAL if none begins there.
 */
int64_t region_unmap(struct domain *domain, uint64_t gpa, uint64_t size);
/* Such a step, on mappings that have been cut off. */
void region_clear_some(struct domain *domain);

/* The mapping that holds gpa, or NULL. Without a lock it stays until this CPU leaves the kernel. */
struct mapping *region_at(struct domain *domain, uint64_t gpa);

/*
 * The address by which devices of the domain reach the byte of RAM at gpa. From now on they do
 * reach its block of the region, or its page if a piece of the block is mapped; the block is zeroed
 * before. Manage lock. EINVAL: no RAM is mapped
 * there, or no device can name the address; ERIGHT: a private domain has
 * the memory for itself, and is not the caller; EAGAIN: a step of the zeroing has been done;
 * ENOMEM.
 */
int64_t region_bus(struct domain *caller, struct domain *domain, uint64_t gpa, uint64_t *bus);

/*
 * A SLAT fault at gpa: fill the tables if something that allows the access is mapped. SAMPO_OK: run
 * the guest again; EAGAIN: call again, or run it; ENOMEM; EINVAL: it is the monitor's.
 */
int64_t region_fault(struct domain *domain, uint64_t gpa, uint32_t access);
