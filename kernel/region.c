/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/region.h"

#include "arch/barrier.h"
#include "arch/paging.h"
#include "arch/ptab.h"
#include "kernel/domain.h"
#include "kernel/frame.h"
#include "kernel/slab.h"
#include "kernel/smp.h"

#define BLOCK_ZEROED 1ull
#define PER_PAGE     512u
#define RAM_MAX      (PER_PAGE * PER_PAGE) /* blocks */

static struct slab regions = SLAB_INIT(struct region);
static struct slab mappings = SLAB_INIT(struct mapping);

static struct region *new_region(enum region_kind kind, uint64_t size)
{
	struct region *region = slab_alloc(&regions);

	if (!region)
		return NULL;
	object_init(&region->object, SAMPO_T_REGION);
	region->lock.rank = LOCK_REGION;
	region->kind = kind;
	region->size = size;
	return region;
}

static uint64_t *block_entry(const struct region *region, uint64_t n)
{
	return &region->blocks[n / PER_PAGE][n % PER_PAGE];
}

static void free_block(const struct region *region, uint64_t block)
{
	if (region->block_shift == 21)
		frame_free_block(block & ~BLOCK_ZEROED);
	else
		domain_page_free(region->owner, (void *)(block & ~BLOCK_ZEROED));
}

static void free_blocks(struct region *region)
{
	struct domain *owner = region->owner;

	for (uint64_t p = 0; region->blocks && p < PER_PAGE && region->blocks[p]; p++) {
		for (unsigned i = 0; i < PER_PAGE && region->blocks[p][i]; i++)
			free_block(region, region->blocks[p][i]);
		domain_page_free(owner, region->blocks[p]);
	}
	if (region->blocks)
		domain_page_free(owner, region->blocks);
}

static bool alloc_blocks(struct region *region)
{
	uint64_t count = region->size >> region->block_shift, block;
	struct domain *owner = region->owner;

	region->blocks = domain_page_alloc(owner);
	if (!region->blocks)
		return false;
	for (uint64_t n = 0; n < count; n++) {
		if (!region->blocks[n / PER_PAGE])
			region->blocks[n / PER_PAGE] = domain_page_alloc(owner);
		if (!region->blocks[n / PER_PAGE])
			return false;
		if (region->block_shift == 21)
			block = frame_alloc_block();
		else /* kernel pages come zeroed */
			block = (uint64_t)domain_page_alloc(owner) | BLOCK_ZEROED;
		if (!(block & ~BLOCK_ZEROED))
			return false;
		*block_entry(region, n) = block;
	}
	return true;
}

int64_t region_new_ram(struct domain *owner, uint64_t size, uint32_t block_shift,
		       struct region **result)
{
	struct region *region;

	if (!size || size & ((1ull << block_shift) - 1) || size >> block_shift > RAM_MAX)
		return SAMPO_EINVAL;
	if (owner->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	region = new_region(REGION_RAM, size);
	if (!region)
		return SAMPO_ENOMEM;
	region->block_shift = block_shift;
	region->owner = owner;
	if (!alloc_blocks(region)) {
		free_blocks(region);
		slab_free(&regions, region);
		return SAMPO_ENOMEM;
	}
	region->owner_only = owner->flags & SAMPO_DOMAIN_PRIVATE;
	object_get(&owner->object);
	owner->memory += size;
	owner->regions++;
	*result = region;
	return SAMPO_OK;
}

int64_t region_new_fixed(enum region_kind kind, uint64_t base, uint64_t size,
			 struct region **result)
{
	if (!size || (kind != REGION_PORTS && (base | size) % FRAME_PAGE))
		return SAMPO_EINVAL;
	*result = new_region(kind, size);
	if (!*result)
		return SAMPO_ENOMEM;
	(*result)->base = base;
	return SAMPO_OK;
}

void region_free(struct object *object)
{
	struct region *region = CONTAINER_OF(object, struct region, object);
	struct domain *owner = region->owner;

	if (region->kind == REGION_RAM) {
		free_blocks(region);
		owner->memory -= region->size;
		owner->regions--;
	}
	if (region->kind == REGION_PORTS)
		smp_quiesce(); /* somebody may be accessing one */
	slab_free(&regions, region);
	if (owner)
		object_put(&owner->object);
}

/* Two domains may touch it at once. */
static void zero(struct region *region, uint64_t *entry)
{
	lock(&region->lock);
	if (!(*entry & BLOCK_ZEROED)) {
		window_zero_block(*entry);
		__atomic_store_n(entry, *entry | BLOCK_ZEROED, __ATOMIC_RELEASE);
	}
	unlock(&region->lock);
}

uint64_t region_physical(struct region *region, uint64_t offset)
{
	uint64_t mask = (1ull << region->block_shift) - 1, *entry;

	if (region->kind != REGION_RAM)
		return region->base + offset;
	entry = block_entry(region, offset >> region->block_shift);
	if (!(__atomic_load_n(entry, __ATOMIC_ACQUIRE) & BLOCK_ZEROED))
		zero(region, entry);
	return (*entry & ~BLOCK_ZEROED) + (offset & mask);
}

static uint64_t granule(const struct region *region)
{
	return region->kind == REGION_RAM ? 1ull << region->block_shift : FRAME_PAGE;
}

static bool overlaps(const struct domain *domain, uint64_t gpa, uint64_t size)
{
	for (const struct mapping *m = domain->mappings; m; m = m->next)
		if (gpa < m->gpa + m->size && m->gpa < gpa + size)
			return true;
	return false;
}

int64_t region_map(struct region *region, struct domain *domain, uint64_t gpa, uint64_t offset,
		   uint64_t size, uint32_t perms)
{
	uint64_t mask = granule(region) - 1;
	struct mapping *m;

	if (!size || (gpa | offset | size) & mask || perms & ~SAMPO_MAP_RWX ||
	    !(perms & SAMPO_MAP_R) || region->kind == REGION_PORTS)
		return SAMPO_EINVAL;
	if (offset >= region->size || size > region->size - offset ||
	    gpa >= ptab_limit(&domain->slat) || size > ptab_limit(&domain->slat) - gpa)
		return SAMPO_EINVAL;
	if (region->owner_only && region->owner != domain)
		return SAMPO_ERIGHT;
	if (domain->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (overlaps(domain, gpa, size))
		return SAMPO_EEXIST;
	m = slab_alloc(&mappings);
	if (!m)
		return SAMPO_ENOMEM;
	object_get(&region->object);
	lock(&domain->lock);
	*m = (struct mapping){domain->mappings, region, gpa, size, offset, perms};
	__atomic_store_n(&domain->mappings, m, __ATOMIC_RELEASE);
	unlock(&domain->lock);
	return SAMPO_OK;
}

static void remove_mapping(struct domain *domain, struct mapping **link)
{
	struct mapping *m = *link;

	lock(&domain->lock);
	__atomic_store_n(link, m->next, __ATOMIC_RELEASE);
	__atomic_store_n(&domain->last_mapping, NULL, __ATOMIC_RELEASE);
	ptab_unmap(&domain->slat, m->gpa, m->size);
	domain_slat_changed(domain);
	unlock(&domain->lock);
	smp_quiesce(); /* the kernel itself may be using it */
	object_put(&m->region->object);
	slab_free(&mappings, m);
}

int64_t region_unmap(struct domain *domain, uint64_t gpa, uint64_t size)
{
	struct mapping **link = &domain->mappings;
	int64_t status = SAMPO_EINVAL;

	while (*link) {
		if ((*link)->gpa >= gpa && (*link)->gpa - gpa < size) {
			remove_mapping(domain, link);
			status = SAMPO_OK;
		} else {
			link = &(*link)->next;
		}
	}
	return status;
}

struct mapping *region_at(const struct domain *domain, uint64_t gpa)
{
	struct mapping *m = __atomic_load_n(&domain->last_mapping, __ATOMIC_ACQUIRE);

	if (m && gpa - m->gpa < m->size)
		return m;
	m = __atomic_load_n(&domain->mappings, __ATOMIC_ACQUIRE);
	while (m && gpa - m->gpa >= m->size)
		m = __atomic_load_n(&m->next, __ATOMIC_ACQUIRE);
	return m;
}

static uint32_t ptab_flags(const struct mapping *m)
{
	_Static_assert(SAMPO_MAP_R == PTAB_R && SAMPO_MAP_W == PTAB_W && SAMPO_MAP_X == PTAB_X &&
		       SAMPO_ACCESS_W == SAMPO_MAP_W && SAMPO_ACCESS_X == SAMPO_MAP_X, "bits");
	return m->perms | (m->region->kind == REGION_DEVICE ? PTAB_UC : PTAB_WB);
}

/* The size of the page that can map gpa. */
static uint64_t page_size(const struct mapping *m, uint64_t gpa)
{
	uint64_t block = gpa & ~(FRAME_BLOCK - 1), shift = m->region->base + m->offset - m->gpa;

	if (m->region->kind != REGION_FIXED)
		return granule(m->region);
	if (block < m->gpa || block + FRAME_BLOCK > m->gpa + m->size || shift % FRAME_BLOCK)
		return FRAME_PAGE;
	return FRAME_BLOCK;
}

/*
 * Where a large page that is executed can stop the CPU (CVE-2018-12207), none is executable at
 * first: region_fault splits those that a guest executes. That takes one kernel page for each.
 */
static int fill(struct domain *domain, const struct mapping *m, uint64_t gpa)
{
	uint64_t offset = gpa - m->gpa + m->offset, size = page_size(m, gpa), physical;
	uint32_t flags = ptab_flags(m);
	int status;

	if (mitigations.on & DO_MULTIHIT && size > FRAME_PAGE)
		flags &= ~PTAB_X;
	physical = region_physical(m->region, offset);
	status = ptab_map(&domain->slat, gpa & ~(size - 1), physical & ~(size - 1), size, flags);
	if (status != SAMPO_EEXIST)
		return status;
	/* There may be small pages in its place, of which this one is missing. */
	return ptab_map(&domain->slat, gpa, physical, FRAME_PAGE, ptab_flags(m));
}

bool region_fault(struct domain *domain, uint64_t gpa, uint32_t access, int64_t *status)
{
	int result = SAMPO_EINVAL, split = SAMPO_OK;
	struct mapping *m;

	lock(&domain->lock);
	m = region_at(domain, gpa);
	__atomic_store_n(&domain->last_mapping, m, __ATOMIC_RELEASE);
	if (m && !(access & ~m->perms & (SAMPO_ACCESS_W | SAMPO_ACCESS_X)))
		result = fill(domain, m, gpa & ~(FRAME_PAGE - 1));
	if (mitigations.on & DO_MULTIHIT && access & SAMPO_ACCESS_X &&
	    (result == SAMPO_OK || result == SAMPO_EEXIST))
		split = ptab_execute(&domain->slat, gpa & ~(FRAME_PAGE - 1));
	result = split ? split : result;
	/* EEXIST: it was there, and the access is allowed: clean until now, or a stale entry. */
	if (result == SAMPO_EEXIST && access & SAMPO_ACCESS_W)
		ptab_dirtied(&domain->slat, gpa & ~(FRAME_PAGE - 1));
	if (result == SAMPO_EEXIST)
		WRITE_ONCE(domain->slat_changes, domain->slat_changes + 1);
	unlock(&domain->lock);
	*status = result == SAMPO_ENOMEM ? result : SAMPO_OK;
	return result == SAMPO_OK || result == SAMPO_EEXIST;
}
