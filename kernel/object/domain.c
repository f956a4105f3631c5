/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/domain.h"

#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/hv.h"
#include "arch/paging.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/base/slab.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/object/up.h"

struct domain *domain_list;
uint32_t domain_count;

static struct slab domains = SLAB_INIT(struct domain);
static uint32_t last_id;

static void uncharge(struct domain *domain, uint64_t bytes)
{
	__atomic_fetch_sub(&domain->kernel_bytes, bytes, __ATOMIC_RELAXED);
}

/*
 * Any CPU may charge a domain at any time, so the sum is added first and looked at then: two CPUs
 * that add at once may both fail near the limit, but never both pass it.
 */
static bool charge(struct domain *domain, uint64_t bytes)
{
	uint64_t now = __atomic_add_fetch(&domain->kernel_bytes, bytes, __ATOMIC_RELAXED);

	if (now >= bytes && now <= domain->kernel_limit)
		return true;
	uncharge(domain, bytes);
	return false;
}

void *domain_page_alloc(struct domain *domain)
{
	void *page;

	if (!charge(domain, FRAME_PAGE))
		return NULL;
	page = page_alloc();
	if (!page)
		uncharge(domain, FRAME_PAGE);
	return page;
}

void domain_page_free(struct domain *domain, void *page)
{
	uncharge(domain, FRAME_PAGE);
	page_free(page);
}

/* All objects of a slab are of the same size, and freed ones serve again: a slab has as
 * many pages as its users were charged for at one time. */
void *domain_slab_alloc(struct domain *domain, struct slab *slab)
{
	void *object;

	if (!charge(domain, slab->size))
		return NULL;
	object = slab_alloc(slab);
	if (!object)
		uncharge(domain, slab->size);
	return object;
}

void domain_slab_free(struct domain *domain, struct slab *slab, void *object)
{
	uncharge(domain, slab->size);
	slab_free(slab, object);
}

void domain_slat_changed(struct domain *domain)
{
	WRITE_ONCE(domain->slat_changes, domain->slat_changes + 1);
	smp_shoot_down(domain);
	ptab_flushed(&domain->slat);
	iommu_changed(&domain->io);
}

void domain_written(struct domain *domain, uint64_t gpa)
{
	uint64_t block = gpa / FRAME_BLOCK;

	if (domain->written && block < FRAME_PAGE * 8)
		__atomic_fetch_or(&domain->written[block / 64], 1ull << block % 64,
				  __ATOMIC_RELAXED);
}

bool domain_unwritten(struct domain *domain, uint64_t gpa)
{
	uint64_t block = gpa / FRAME_BLOCK, bit = 1ull << block % 64;

	return domain->written && block < FRAME_PAGE * 8 &&
	       !(__atomic_fetch_and(&domain->written[block / 64], ~bit, __ATOMIC_ACQ_REL) & bit);
}

int64_t domain_set_tsc(struct domain *domain, uint64_t khz)
{
	uint64_t scale = (khz << 32) / tsc_khz;

	/* SVM's ratio has 8 bits before the point. */
	if (khz >> 32 || scale >> 40 || scale < 1 << 24)
		return SAMPO_EINVAL;
	if (khz != tsc_khz && !hv_uses(HV_TSCSCALE))
		return SAMPO_ENODEV;
	if (domain->vcpus)
		return SAMPO_EBUSY;
	domain->tsc_khz = khz;
	domain->tsc_scale = scale;
	domain->tsc_unscale = (tsc_khz << 32) / khz;
	domain->tsc_offset = 0 - domain_tsc(domain, cpu_rdtsc());
	return SAMPO_OK;
}

static uint64_t bytes_of(uint64_t pages)
{
	return pages > DOMAIN_UNLIMITED / FRAME_PAGE ? DOMAIN_UNLIMITED : pages * FRAME_PAGE;
}

static void give_back(struct domain *creator, const struct domain *domain)
{
	uncharge(creator, domain->kernel_limit);
	creator->memory -= domain->memory_limit;
}

/* A creator without limits has nothing to give out of. */
static bool take_from(struct domain *creator, struct domain *domain)
{
	if (!creator || (creator->kernel_limit == DOMAIN_UNLIMITED &&
			 creator->memory_limit == DOMAIN_UNLIMITED))
		return true;
	if (domain->memory_limit > creator->memory_limit - creator->memory ||
	    !charge(creator, domain->kernel_limit))
		return false;
	creator->memory += domain->memory_limit;
	domain->creator = creator;
	object_get(&creator->object);
	return true;
}

static void enter_list(struct domain *domain)
{
	domain->id = last_id++;
	domain->next = domain_list;
	domain->link = &domain_list;
	if (domain_list)
		domain_list->link = &domain->next;
	domain_list = domain;
	domain_count++;
}

static void leave_list(struct domain *domain)
{
	*domain->link = domain->next;
	if (domain->next)
		domain->next->link = domain->link;
	domain_count--;
}

int64_t domain_new(struct domain *creator, uint64_t flags, uint64_t page_limit, uint64_t weight,
		   uint64_t memory_limit, struct domain **result)
{
	struct domain *domain;
	bool failed;

	if (flags & ~(uint64_t)(SAMPO_DOMAIN_NO_LAPIC | SAMPO_DOMAIN_PRIVATE) || !weight ||
	    weight > 65535)
		return SAMPO_EINVAL;
	domain = slab_alloc(&domains);
	if (!domain)
		return SAMPO_ENOMEM;
	domain->kernel_limit = bytes_of(page_limit);
	domain->memory_limit = memory_limit;
	if (!charge(domain, domains.size) || !take_from(creator, domain)) {
		slab_free(&domains, domain);
		return SAMPO_ENOMEM;
	}
	object_init(&domain->object, SAMPO_T_DOMAIN);
	enter_list(domain);
	domain->lock.rank = LOCK_DOMAIN;
	domain->flags = (uint32_t)flags;
	domain->weight = (uint32_t)weight;
	domain_set_tsc(domain, tsc_khz);
	if (flags & SAMPO_DOMAIN_NO_LAPIC)
		domain->tsc_offset = 0;
	domain->slat = (struct ptab){
		.alloc = domain_page_alloc, .free = domain_page_free, .owner = domain};
	if (hv->slat_init(&domain->slat))
		domain->written = domain_page_alloc(domain);
	failed = ptab_init(&domain->slat);
	if (flags & SAMPO_DOMAIN_NO_LAPIC)
		domain->event_page = domain_page_alloc(domain);
	if (failed || (!domain->event_page && (flags & SAMPO_DOMAIN_NO_LAPIC))) {
		object_put(&domain->object);
		return SAMPO_ENOMEM;
	}
	*result = domain;
	return SAMPO_OK;
}

/* A page at a time. */
static bool silence_some(struct domain *domain)
{
	unsigned n = 0;

	while (n < BELL_PAGES && !domain->bells[n])
		n++;
	if (n == BELL_PAGES)
		return false;
	for (unsigned i = 0; i < BELLS_PER_PAGE; i++)
		if (domain->bells[n][i])
			domain->bells[n][i]->ringer = NULL;
	domain_page_free(domain, domain->bells[n]);
	domain->bells[n] = NULL;
	return true;
}

static void free_domain(struct domain *domain)
{
	leave_list(domain);
	if (domain->slat.root) /* it is empty */
		ptab_destroy(&domain->slat);
	if (domain->io.table.root)
		iommu_close(&domain->io);
	if (domain->event_page)
		domain_page_free(domain, domain->event_page);
	if (domain->written)
		domain_page_free(domain, domain->written);
	if (domain->creator) {
		give_back(domain->creator, domain);
		object_put(&domain->creator->object);
	}
	slab_free(&domains, domain);
}

/*
 * First the vCPUs stop, so that nothing is in use of all that goes then: mappings, the doorbells
 * that only the domain's vCPUs look for, the handles. Mappings that region_unmap has cut off are
 * here too while the domain lives.
 */
bool domain_take_apart(struct object *object)
{
	struct domain *domain = CONTAINER_OF(object, struct domain, object);

	if (!object->refs) /* nobody has ended it */
		domain->state = SAMPO_DOM_DEAD;
	if (domain->cut)
		region_clear_some(domain);
	if (domain->cut || domain->state != SAMPO_DOM_DEAD)
		return domain->cut;
	if (vcpu_stop_some(domain) || !region_unmap(domain, 0, ~0ull) || silence_some(domain) ||
	    handle_remove_some(domain))
		return true;
	if (!object->refs)
		free_domain(domain);
	return false;
}

static int64_t find_physical(struct domain *domain, uint64_t gpa, uint32_t perm, uint64_t *physical)
{
	const struct mapping *m = region_at(domain, gpa);

	if (!m || !(m->perms & perm) || m->region->kind == REGION_DEVICE)
		return SAMPO_EFAULT;
	return region_physical(m->region, gpa - m->gpa + m->offset, physical) ? SAMPO_OK
									      : SAMPO_EAGAIN;
}

static void *open_window(const struct domain *domain, uint64_t physical)
{
	barrier_touched(domain);
	return window_page(physical);
}

void *domain_word(struct domain *domain, uint64_t gpa, struct domain_word *word)
{
	uint64_t unmaps = __atomic_load_n(&domain->unmaps, __ATOMIC_ACQUIRE);

	if (!word->physical || word->unmaps != unmaps) {
		if (find_physical(domain, gpa, SAMPO_MAP_W, &word->physical)) {
			word->physical = 0;
			return NULL;
		}
		word->unmaps = unmaps;
	}
	return open_window(domain, word->physical);
}

/* Between kernel and domain, page by page, in the direction of perm. */
static int64_t copy(struct domain *domain, uint64_t gpa, uint8_t *kernel, size_t bytes,
		    uint32_t perm)
{
	while (bytes) {
		size_t room = FRAME_PAGE - gpa % FRAME_PAGE, n = bytes < room ? bytes : room;
		uint64_t physical;
		int64_t status = find_physical(domain, gpa, perm, &physical);
		void *page;

		if (status)
			return status;
		page = open_window(domain, physical);
		__builtin_memcpy(perm == SAMPO_MAP_W ? page : kernel,
				 perm == SAMPO_MAP_W ? kernel : page, n);
		gpa += n;
		kernel += n;
		bytes -= n;
	}
	return SAMPO_OK;
}

int64_t domain_write(struct domain *domain, uint64_t gpa, const void *from, size_t bytes)
{
	return copy(domain, gpa, (uint8_t *)from, bytes, SAMPO_MAP_W);
}

int64_t domain_read(struct domain *domain, uint64_t gpa, void *to, size_t bytes)
{
	return copy(domain, gpa, to, bytes, SAMPO_MAP_R);
}
