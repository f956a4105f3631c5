/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions: memory that can be mapped into domains. */
#pragma once

#include "kernel/lock.h"
#include "kernel/object.h"

struct domain;

enum region_kind {
	REGION_RAM,    /* blocks allocated for the region, zeroed on first use */
	REGION_FIXED,  /* a physical range: boot modules, a kernel page */
	REGION_DEVICE, /* a physical range that is no RAM, uncached */
	REGION_PORTS,  /* I/O ports: not to be mapped */
};

/* Does not change once made, but for the blocks. */
struct region {
	struct object object;
	struct lock lock; /* whose block is being zeroed */
	enum region_kind kind;
	uint32_t block_shift;  /* RAM: 12 or 21 */
	uint64_t size;         /* bytes, a multiple of the block (or page) */
	uint64_t base;         /* FIXED, DEVICE: physical address; PORTS: the first */
	struct domain *owner;  /* charged for it, holds a reference; or NULL */
	bool owner_only;
	/* RAM: physical address of each block, bit 0: zeroed. Two levels. */
	uint64_t **blocks;
};

/* One place where a region appears in a domain. */
struct mapping {
	struct mapping *next;
	struct region *region; /* holds a reference */
	uint64_t gpa, size, offset;
	uint32_t perms; /* SAMPO_MAP_* */
};

int64_t region_new_ram(struct domain *owner, uint64_t size, uint32_t block_shift,
		       struct region **region);
int64_t region_new_fixed(enum region_kind kind, uint64_t base, uint64_t size,
			 struct region **region);
void region_free(struct object *object);

/* Physical address of a byte of the region; RAM is zeroed before it is shown.
 * offset must be below size. */
uint64_t region_physical(struct region *region, uint64_t offset);

/* Map [offset, offset + size) of a region at gpa. The page tables are filled
 * when the domain touches it. EINVAL, EEXIST, ENOMEM. */
int64_t region_map(struct region *region, struct domain *domain, uint64_t gpa, uint64_t offset,
		   uint64_t size, uint32_t perms);

/* Unmap every mapping that begins in [gpa, gpa + size). EINVAL if none does. */
int64_t region_unmap(struct domain *domain, uint64_t gpa, uint64_t size);

/* The mapping that holds gpa, or NULL. Without a lock it stays until this CPU leaves the kernel. */
struct mapping *region_at(const struct domain *domain, uint64_t gpa);

/* A SLAT fault at gpa: fill the tables if something that allows the access is
 * mapped. True: run the guest again. *status tells of exhausted memory. */
bool region_fault(struct domain *domain, uint64_t gpa, uint32_t access, int64_t *status);
