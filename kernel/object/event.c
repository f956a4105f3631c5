/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/event.h"

#include "kernel/base/slab.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/irq.h"
#include "kernel/object/up.h"

static struct slab events = SLAB_INIT(struct event);

int64_t event_new(struct domain *target, uint64_t kind, uint64_t a, uint64_t b,
		  struct event **result)
{
	struct event *event;

	if (kind > SAMPO_EVENT_NONE)
		return SAMPO_EINVAL;
	if (kind == SAMPO_EVENT_BIT && (a >= SAMPO_EVENTS || !target->event_page))
		return SAMPO_EINVAL;
	event = domain_slab_alloc(target, &events);
	if (!event)
		return SAMPO_ENOMEM;
	object_init(&event->object, SAMPO_T_EVENT);
	event->kind = (uint32_t)kind;
	event->target = target;
	event->a = a;
	event->b = b;
	object_get(&target->object);
	target->events++;
	*result = event;
	return SAMPO_OK;
}

/*
 * Doorbells are found by port: a page of pointers for each part of the 64 Ki ports, made when its
 * first doorbell is. The pointer is stored last, since the guest may ring at once.
 */
int64_t event_doorbell(struct event *event, struct domain *domain, uint64_t port, uint64_t size)
{
	struct event **page = domain->bells[port % (UINT16_MAX + 1) / BELLS_PER_PAGE];

	if (port > UINT16_MAX || (size != 1 && size != 2 && size != 4))
		return SAMPO_EINVAL;
	if (domain->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (event->ringer || event_at(domain, (uint16_t)port))
		return SAMPO_EEXIST;
	if (!page)
		page = domain_page_alloc(domain);
	if (!page)
		return SAMPO_ENOMEM;
	__atomic_store_n(&domain->bells[port / BELLS_PER_PAGE], page, __ATOMIC_RELEASE);
	event->ringer = domain;
	event->port = (uint16_t)port;
	event->size = (uint8_t)size;
	__atomic_store_n(&page[port % BELLS_PER_PAGE], event, __ATOMIC_RELEASE);
	return SAMPO_OK;
}

bool event_take_apart(struct object *object)
{
	struct event *event = CONTAINER_OF(object, struct event, object);
	uint16_t port = event->port;

	if (event->ringer) {
		struct event **page = event->ringer->bells[port / BELLS_PER_PAGE];

		__atomic_store_n(&page[port % BELLS_PER_PAGE], NULL, __ATOMIC_RELEASE);
	}
	irq_unbind(event);
	smp_quiesce(); /* a guest may be ringing it */
	event->target->events--;
	object_put(&event->target->object);
	domain_slab_free(event->target, &events, event);
	return false;
}

/*
 * The bit, then the summary, then the vCPU's state or a request: each by a locked instruction. The
 * domain takes the summary first, then the words that it names, so that a bit which the domain does
 * not see comes with a summary, and with an end of wait, that it has yet to see.
 */
void event_set_bit(struct domain *domain, unsigned bit)
{
	struct sampo_event_page *page = domain->event_page;
	struct vcpu *vcpu;

	if (!page || domain->state == SAMPO_DOM_DEAD)
		return;
	__atomic_fetch_or(&page->pending[bit / 64], 1ull << bit % 64, __ATOMIC_RELAXED);
	__atomic_fetch_or(&page->summary, 1ull << bit / 64 / SAMPO_EVENT_WORDS, __ATOMIC_RELEASE);
	vcpu = domain_vcpu(domain, 0);
	if (vcpu)
		vcpu_notify(vcpu);
}

/*
 * The sleeper returns from wait with this event's bit in `direct`, and need not search the page for
 * it.
 */
void event_raise_directly(struct event *event)
{
	struct sampo_event_page *page = event->target->event_page;

	if (event->kind == SAMPO_EVENT_BIT && READ_ONCE(page->direct) == SAMPO_DIRECT_FREE)
		WRITE_ONCE(page->direct, event->a);
	else
		event_raise(event);
}

void event_raise(struct event *event)
{
	if (event->kind == SAMPO_EVENT_BIT)
		event_set_bit(event->target, (unsigned)event->a);
	else if (event->kind == SAMPO_EVENT_MSI)
		domain_msi(event->target, event->a, (uint32_t)event->b);
}
