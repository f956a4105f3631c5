/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/domain.h"

#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/hv.h"
#include "arch/paging.h"
#include "arch/tsc.h"
#include "kernel/event.h"
#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/region.h"
#include "kernel/slab.h"
#include "kernel/vcpu.h"

struct domain *domain_list;

static struct slab domains = SLAB_INIT(struct domain);
static uint32_t last_id;

void *domain_page_alloc(struct domain *domain)
{
	void *page;

	if (__atomic_fetch_add(&domain->pages, 1, __ATOMIC_RELAXED) < domain->page_limit) {
		page = page_alloc();
		if (page)
			return page;
	}
	__atomic_fetch_sub(&domain->pages, 1, __ATOMIC_RELAXED);
	return NULL;
}

void domain_page_free(struct domain *domain, void *page)
{
	__atomic_fetch_sub(&domain->pages, 1, __ATOMIC_RELAXED);
	page_free(page);
}

void domain_slat_changed(struct domain *domain)
{
	WRITE_ONCE(domain->slat_changes, domain->slat_changes + 1);
	smp_shoot_down(domain);
	ptab_flushed(&domain->slat);
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

int64_t domain_new(uint64_t flags, uint64_t page_limit, uint64_t weight, struct domain **result)
{
	struct domain *domain;
	bool failed;

	if (flags & ~(uint64_t)(SAMPO_DOMAIN_NO_LAPIC | SAMPO_DOMAIN_PRIVATE) || !weight ||
	    weight > 65535)
		return SAMPO_EINVAL;
	domain = slab_alloc(&domains);
	if (!domain)
		return SAMPO_ENOMEM;
	object_init(&domain->object, SAMPO_T_DOMAIN);
	domain->id = last_id++;
	domain->next = domain_list;
	domain_list = domain;
	domain->lock.rank = LOCK_DOMAIN;
	domain->flags = (uint32_t)flags;
	domain->page_limit = page_limit;
	domain->weight = (uint32_t)weight;
	domain_set_tsc(domain, tsc_khz);
	if (flags & SAMPO_DOMAIN_NO_LAPIC)
		domain->tsc_offset = 0;
	domain->slat = (struct ptab){
		.alloc = domain_page_alloc, .free = domain_page_free, .owner = domain};
	hv->slat_init(&domain->slat);
	failed = ptab_init(&domain->slat);
	if (flags & SAMPO_DOMAIN_NO_LAPIC)
		domain->event_page = domain_page_alloc(domain);
	if (failed || (!domain->event_page && (flags & SAMPO_DOMAIN_NO_LAPIC))) {
		domain->state = SAMPO_DOM_DEAD;
		object_put(&domain->object);
		return SAMPO_ENOMEM;
	}
	*result = domain;
	return SAMPO_OK;
}

void domain_each_vcpu(struct domain *domain, void (*function)(struct vcpu *vcpu, void *arg))
{
	for (unsigned i = 0; i < DOMAIN_VCPUS; i++)
		if (domain_vcpu(domain, i))
			smp_call(domain_vcpu(domain, i), function, NULL);
}

void domain_destroy(struct domain *domain)
{
	domain->state = SAMPO_DOM_DEAD;
	object_get(&domain->object); /* not under our feet */
	domain_each_vcpu(domain, vcpu_kill);
	region_unmap(domain, 0, ~0ull);
	for (unsigned i = 0; i < DOMAIN_BELLS; i++) /* its vCPUs are dead: nobody looks there */
		for (struct event *event = domain->bell[i]; event; event = event->next)
			event->ringer = NULL;
	handle_remove_all(domain);
	object_put(&domain->object);
}

void domain_free(struct object *object)
{
	struct domain *domain = CONTAINER_OF(object, struct domain, object), **link = &domain_list;

	if (domain->state != SAMPO_DOM_DEAD) { /* nobody has ended it: then we come here again */
		domain_destroy(domain);
		return;
	}
	while (*link != domain)
		link = &(*link)->next;
	*link = domain->next;
	if (domain->slat.root)
		ptab_destroy(&domain->slat);
	if (domain->event_page)
		domain_page_free(domain, domain->event_page);
	if (domain->written)
		domain_page_free(domain, domain->written);
	slab_free(&domains, domain);
}

void *domain_page(const struct domain *domain, uint64_t gpa, uint32_t perm)
{
	const struct mapping *m = region_at(domain, gpa);

	if (!m || !(m->perms & perm) || m->region->kind == REGION_DEVICE)
		return NULL;
	barrier_touched(domain);
	return window_page(region_physical(m->region, gpa - m->gpa + m->offset));
}

/* Between kernel and domain, page by page, in the direction of perm. */
static int64_t copy(struct domain *domain, uint64_t gpa, uint8_t *kernel, size_t bytes,
		    uint32_t perm)
{
	while (bytes) {
		size_t room = FRAME_PAGE - gpa % FRAME_PAGE, n = bytes < room ? bytes : room;
		void *page;

		page = domain_page(domain, gpa, perm);
		if (!page)
			return SAMPO_EFAULT;
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

void domain_msi(struct domain *domain, uint64_t address, uint32_t data)
{
	struct vlapic_message message;

	if (!(domain->flags & SAMPO_DOMAIN_NO_LAPIC) && vlapic_decode_msi(address, data, &message))
		vcpu_send(domain, NULL, &message);
}
