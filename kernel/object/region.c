/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/region.h"

#include "arch/barrier.h"
#include "arch/paging.h"
#include "arch/ptab.h"
#include "kernel/base/frame.h"
#include "kernel/base/slab.h"
#include "kernel/base/step.h"
#include "kernel/cpu/smp.h"

#define BLOCK_ZEROED 1ull
#define ZERO_STEP    (128ull << 10)
#define PER_PAGE     512u
#define RAM_MAX      (PER_PAGE * PER_PAGE) /* blocks */

static struct slab regions = SLAB_INIT(struct region);
static struct slab mappings = SLAB_INIT(struct mapping);

static struct region *new_region(struct domain *owner, enum region_kind kind, uint64_t size)
{
	struct region *region = domain_slab_alloc(owner, &regions);

	if (!region)
		return NULL;
	object_init(&region->object, SAMPO_T_REGION);
	region->lock.rank = LOCK_REGION;
	region->kind = kind;
	region->size = size;
	region->owner = owner;
	object_get(&owner->object);
	return region;
}

/* --- blocks --- */

static uint64_t *block_entry(const struct region *region, uint64_t n)
{
	return &region->blocks[n / PER_PAGE][n % PER_PAGE];
}

static uint64_t address_of(const struct region *region, uint64_t entry)
{
	return entry & ~((1ull << region->block_shift) - 1);
}

static void free_table(struct region *region, uint64_t n)
{
	domain_page_free(region->owner, region->blocks[n]);
	region->blocks[n] = NULL;
}

static bool add_block(struct region *region)
{
	uint64_t n = region->count, block;
	struct domain *owner = region->owner;
	bool zeroed = true; /* kernel pages come so */

	if (!region->blocks[n / PER_PAGE])
		region->blocks[n / PER_PAGE] = domain_page_alloc(owner);
	if (!region->blocks[n / PER_PAGE])
		return false;
	if (region->block_shift == 21)
		block = frame_alloc_block(&zeroed);
	else
		block = (uint64_t)domain_page_alloc(owner);
	if (!block) {
		if (n % PER_PAGE == 0)
			free_table(region, n / PER_PAGE);
		return false;
	}
	*block_entry(region, n) = zeroed ? block | BLOCK_ZEROED : block;
	region->count++;
	return true;
}

int64_t region_fill(struct region *region)
{
	uint64_t count = region->size >> region->block_shift, start = cpu_rdtsc();

	while (region->count < count) {
		if (!add_block(region))
			return SAMPO_ENOMEM;
		if (step_is_over(start))
			break;
	}
	return region->count < count ? SAMPO_EAGAIN : SAMPO_OK;
}

/* The last ones first, each page of the upper level when it has become empty. */
static bool free_some_blocks(struct region *region)
{
	struct domain *owner = region->owner;
	uint64_t block;

	for (unsigned left = STEP_PARTS; region->count && left; left--) {
		region->count--;
		block = address_of(region, *block_entry(region, region->count));
		if (region->block_shift == 21)
			frame_free_block(block);
		else
			domain_page_free(owner, (void *)block);
		if (region->count % PER_PAGE == 0)
			free_table(region, region->count / PER_PAGE);
	}
	return region->count;
}

int64_t region_new_ram(struct domain *owner, uint64_t size, uint32_t block_shift,
		       struct region **result)
{
	struct region *region;
	int64_t status;

	if (!size || size & ((1ull << block_shift) - 1) || size >> block_shift > RAM_MAX)
		return SAMPO_EINVAL;
	if (owner->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (size > owner->memory_limit - owner->memory ||
	    (block_shift == 21 && size > frame_stats.free_bytes))
		return SAMPO_ENOMEM;
	region = new_region(owner, REGION_RAM, size);
	if (!region)
		return SAMPO_ENOMEM;
	owner->memory += size;
	owner->regions++;
	region->block_shift = block_shift;
	region->owner_only = owner->flags & SAMPO_DOMAIN_PRIVATE;
	region->blocks = domain_page_alloc(owner);
	status = region->blocks ? region_fill(region) : SAMPO_ENOMEM;
	if (status == SAMPO_ENOMEM)
		object_put(&region->object);
	else
		*result = region;
	return status;
}

int64_t region_new_fixed(struct domain *owner, enum region_kind kind, uint64_t base, uint64_t size,
			 struct region **result)
{
	if (!size || (kind != REGION_PORTS && (base | size) % FRAME_PAGE))
		return SAMPO_EINVAL;
	*result = new_region(owner, kind, size);
	if (!*result)
		return SAMPO_ENOMEM;
	(*result)->base = base;
	return SAMPO_OK;
}

bool region_take_apart(struct object *object)
{
	struct region *region = CONTAINER_OF(object, struct region, object);
	struct domain *owner = region->owner;

	if (free_some_blocks(region))
		return true;
	if (region->kind == REGION_RAM) {
		owner->memory -= region->size;
		owner->regions--;
	}
	if (region->blocks)
		domain_page_free(owner, region->blocks);
	if (region->kind == REGION_PORTS)
		smp_quiesce(); /* somebody may be accessing one */
	domain_slab_free(owner, &regions, region);
	object_put(&owner->object);
	return false;
}

/*
 * A block that nobody has touched is exchanged for one that is zeroed, if there is any. Else how
 * much of it is zeroed is kept in its entry, so that the faults of any domain that maps it, on any
 * CPU, go on where the last one was. Nobody sees the block before all of it is. Each step is done
 * in the turn of the vCPU that touches the block, and counts as its time.
 */
static bool zero_some(struct region *region, uint64_t *entry)
{
	uint64_t size = 1ull << region->block_shift, done, value, other;

	lock(&region->lock);
	value = *entry;
	if (!(value & BLOCK_ZEROED)) {
		done = value - address_of(region, value);
		other = done ? 0 : frame_exchange(value);
		if (!other)
			window_zero(value, ZERO_STEP);
		if (other)
			value = other | BLOCK_ZEROED;
		else if (done + ZERO_STEP < size)
			value += ZERO_STEP;
		else
			value = (value - done) | BLOCK_ZEROED;
		__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	}
	unlock(&region->lock);
	return value & BLOCK_ZEROED;
}

bool region_physical(struct region *region, uint64_t offset, uint64_t *physical)
{
	uint64_t mask = (1ull << region->block_shift) - 1, *entry;

	if (region->kind != REGION_RAM) {
		*physical = region->base + offset;
		return true;
	}
	entry = block_entry(region, offset >> region->block_shift);
	if (!(__atomic_load_n(entry, __ATOMIC_ACQUIRE) & BLOCK_ZEROED) && !zero_some(region, entry))
		return false;
	*physical = address_of(region, *entry) + (offset & mask);
	return true;
}

/*
 * --- mappings ---
 *
 * A skip list by gpa (W. Pugh, 1990): each mapping is in the list of level 0, and of those in a
 * list every fourth, by chance, is in the next one too. A search begins in the highest list and
 * goes down where that would lead too far: O(log n) steps are expected, whatever a guest's
 * addresses are, since chance does not depend on them. A range is cut out of all lists at once.
 *
 * The lists are read and changed with the domain's lock. Without it only last_mapping is read,
 * which the last fault has used; a search that needs more takes the lock. The kernel frees a
 * mapping that was cut off after last_mapping has been cleared and every CPU has left the kernel
 * once.
 */

/* Of those that begin at gpa or below it, the last; or NULL. */
static struct mapping *last_until(const struct domain *domain, uint64_t gpa)
{
	struct mapping *const *next = domain->mappings;
	struct mapping *last = NULL;

	for (uint32_t level = domain->mapping_levels; level-- > 0;) {
		while (next[level] && next[level]->gpa <= gpa) {
			last = next[level];
			next = last->next;
		}
	}
	return last;
}

/* In how many lists it is: 1, and with a chance of 1/4 each one more. */
static uint32_t random_levels(void)
{
	static uint64_t state;
	uint32_t levels = 1;

	state = (state + cpu_rdtsc()) * 0x9e3779b97f4a7c15ull + 1;
	for (uint64_t bits = state >> 32; !(bits & 3) && levels < MAPPING_LEVELS; bits >>= 2)
		levels++;
	return levels;
}

static void insert(struct domain *domain, struct mapping *m)
{
	struct mapping **next = domain->mappings;
	uint32_t levels = random_levels();

	if (levels > domain->mapping_levels)
		domain->mapping_levels = levels;
	for (uint32_t level = domain->mapping_levels; level-- > 0;) {
		while (next[level] && next[level]->gpa < m->gpa)
			next = next[level]->next;
		if (level >= levels)
			continue;
		m->next[level] = next[level];
		next[level] = m;
	}
}

static bool overlaps(const struct domain *domain, uint64_t gpa, uint64_t size)
{
	const struct mapping *m = last_until(domain, gpa + size - 1);

	return m && gpa < m->gpa + m->size;
}

int64_t region_map(struct region *region, struct domain *domain, uint64_t gpa, uint64_t offset,
		   uint64_t size, uint32_t perms)
{
	struct mapping *m;

	if (!size || (gpa | offset | size) % FRAME_PAGE || perms & ~SAMPO_MAP_RWX ||
	    !(perms & SAMPO_MAP_R) || region->kind == REGION_PORTS)
		return SAMPO_EINVAL;
	if (offset >= region->size || size > region->size - offset ||
	    gpa >= ptab_limit(&domain->slat) || size > ptab_limit(&domain->slat) - gpa)
		return SAMPO_EINVAL;
	if (region->owner_only && region->owner != domain)
		return SAMPO_ERIGHT;
	if (domain->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (domain->cut) /* a write that faults here would be let through to what was mapped */
		return SAMPO_EAGAIN;
	if (overlaps(domain, gpa, size))
		return SAMPO_EEXIST;
	m = domain_slab_alloc(domain, &mappings);
	if (!m)
		return SAMPO_ENOMEM;
	object_get(&region->object);
	m->region = region;
	m->gpa = gpa;
	m->size = size;
	m->offset = offset;
	m->perms = perms;
	lock(&domain->lock);
	insert(domain, m);
	unlock(&domain->lock);
	return SAMPO_OK;
}

/*
 * Part of a mapping that has been cut off leaves both tables: as much as either of them gets done.
 * Returns how many bytes that was.
 */
static uint64_t clear_part(struct domain *domain, const struct mapping *m)
{
	struct ptab *io = &domain->io.table;
	uint64_t done = m->size;

	if (io->root && ptab_unmap(io, m->gpa, done) == SAMPO_EAGAIN)
		done = io->reached - m->gpa;
	if (ptab_unmap(&domain->slat, m->gpa, done) == SAMPO_EAGAIN)
		done = domain->slat.reached - m->gpa;
	return done;
}

void region_clear_some(struct domain *domain)
{
	struct mapping *m, *cleared = NULL;
	uint64_t start = cpu_rdtsc(), done;

	lock(&domain->lock);
	do {
		m = domain->cut;
		done = clear_part(domain, m);
		m->gpa += done;
		m->size -= done;
		if (m->size)
			continue;
		domain->cut = m->next[0];
		m->next[0] = cleared;
		cleared = m;
	} while (domain->cut && !step_is_over(start));
	domain_slat_changed(domain);
	unlock(&domain->lock);
	while (cleared) {
		m = cleared;
		cleared = m->next[0];
		object_put(&m->region->object);
		domain_slab_free(domain, &mappings, m);
	}
}

int64_t region_unmap(struct domain *domain, uint64_t gpa, uint64_t size)
{
	struct mapping **before = domain->mappings, *first = NULL, *last = NULL;
	uint64_t end = size > ~gpa ? ~0ull : gpa + size;

	lock(&domain->lock);
	/* In each list `before` goes to the last link in front of the range, `last` to the last
	 * mapping in it, each from where the list above has left it. */
	for (uint32_t level = domain->mapping_levels; level-- > 0;) {
		struct mapping *rest;

		while (before[level] && before[level]->gpa < gpa)
			before = before[level]->next;
		rest = last ? last->next[level] : before[level];
		for (; rest && rest->gpa < end; rest = last->next[level])
			last = rest;
		first = before[level];
		before[level] = rest;
	}
	if (!last) {
		unlock(&domain->lock);
		return SAMPO_EINVAL;
	}
	last->next[0] = domain->cut;
	domain->cut = first;
	__atomic_store_n(&domain->last_mapping, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&domain->unmaps, domain->unmaps + 1, __ATOMIC_RELEASE);
	unlock(&domain->lock);
	smp_quiesce(); /* the kernel itself may be using them */
	region_clear_some(domain);
	if (domain->cut)
		object_queue(&domain->object);
	return SAMPO_OK;
}

struct mapping *region_at(struct domain *domain, uint64_t gpa)
{
	struct mapping *m = __atomic_load_n(&domain->last_mapping, __ATOMIC_ACQUIRE);

	if (m && gpa - m->gpa < m->size)
		return m;
	lock(&domain->lock);
	m = last_until(domain, gpa);
	unlock(&domain->lock);
	return m && gpa - m->gpa < m->size ? m : NULL;
}

/* The size of the page that can map gpa. */
static uint64_t page_size(const struct mapping *m, uint64_t gpa)
{
	uint64_t block = gpa & ~(FRAME_BLOCK - 1), shift = m->region->base + m->offset - m->gpa;

	if (m->region->kind == REGION_DEVICE || m->region->block_shift == 12 || block < m->gpa ||
	    block + FRAME_BLOCK > m->gpa + m->size || shift % FRAME_BLOCK)
		return FRAME_PAGE;
	return FRAME_BLOCK;
}

/*
 * A device reaches what one page can map, a block as a whole if it is mapped as a whole, with the
 * rights of its mapping. An address of DMA never reaches anything but RAM, so no other device's
 * registers.
 */
int64_t region_bus(struct domain *caller, struct domain *domain, uint64_t gpa, uint64_t *bus)
{
	struct mapping *m = region_at(domain, gpa);
	int64_t status = SAMPO_OK;
	uint64_t physical, page, bytes;

	if (!m || m->region->kind != REGION_RAM)
		return SAMPO_EINVAL;
	if (m->region->owner_only && m->region->owner != caller)
		return SAMPO_ERIGHT;
	bytes = page_size(m, gpa);
	page = gpa & ~(bytes - 1);
	if (!region_physical(m->region, page - m->gpa + m->offset, &physical))
		return SAMPO_EAGAIN;
	*bus = iommu.ops ? gpa : physical + (gpa - page);
	if (!iommu.ops)
		return SAMPO_OK;
	lock(&domain->lock);
	if (!domain->io.table.root)
		status = iommu_open(&domain->io, domain);
	if (!status)
		status =
			iommu_map(&domain->io, page, physical, bytes, m->perms & (PTAB_R | PTAB_W));
	unlock(&domain->lock);
	return status;
}

static uint32_t ptab_flags(const struct mapping *m)
{
	_Static_assert(SAMPO_MAP_R == PTAB_R && SAMPO_MAP_W == PTAB_W && SAMPO_MAP_X == PTAB_X &&
			       SAMPO_ACCESS_W == SAMPO_MAP_W && SAMPO_ACCESS_X == SAMPO_MAP_X,
		       "bits");
	return m->perms | (m->region->kind == REGION_DEVICE ? PTAB_UC : PTAB_WB);
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
	if (!region_physical(m->region, offset, &physical))
		return SAMPO_EAGAIN;
	status = ptab_map(&domain->slat, gpa & ~(size - 1), physical & ~(size - 1), size, flags);
	if (status != SAMPO_EEXIST)
		return status;
	/* There may be small pages in its place, of which this one is missing. */
	return ptab_map(&domain->slat, gpa, physical, FRAME_PAGE, ptab_flags(m));
}

/*
 * A fault of the second-level table (EPT violation: SDM 3C 29.3.3; nested page fault: APM
 * 2 15.25.6). The mapping decides: an address without one, or an access that the mapping does not
 * allow, is the monitor's. Else the page's entry is made now, as one page of the size of the
 * region's blocks, where that fits, once the block is zeroed. An entry that is there already means
 * that only its right to write was missing, since the page counted as clean, or that the TLB held
 * an older one, which the change of slat_changes flushes.
 */
int64_t region_fault(struct domain *domain, uint64_t gpa, uint32_t access)
{
	int64_t status = SAMPO_EINVAL;
	int split = SAMPO_OK;
	struct mapping *m;

	lock(&domain->lock);
	m = region_at(domain, gpa);
	__atomic_store_n(&domain->last_mapping, m, __ATOMIC_RELEASE);
	if (m && !(access & ~m->perms & (SAMPO_ACCESS_W | SAMPO_ACCESS_X)))
		status = fill(domain, m, gpa & ~(FRAME_PAGE - 1));
	if (mitigations.on & DO_MULTIHIT && access & SAMPO_ACCESS_X &&
	    (status == SAMPO_OK || status == SAMPO_EEXIST))
		split = ptab_execute(&domain->slat, gpa & ~(FRAME_PAGE - 1));
	status = split ? split : status;
	/* EEXIST: it was there, and the access is allowed: clean until now, or a stale entry. */
	if (status == SAMPO_EEXIST && access & SAMPO_ACCESS_W)
		ptab_dirtied(&domain->slat, gpa & ~(FRAME_PAGE - 1));
	if (status == SAMPO_EEXIST)
		WRITE_ONCE(domain->slat_changes, domain->slat_changes + 1);
	unlock(&domain->lock);
	return status == SAMPO_EEXIST ? SAMPO_OK : status;
}
