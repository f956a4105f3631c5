/* SPDX-License-Identifier: BSD-2-Clause */
/* Events: something happened, for a domain to know. An event may have a doorbell: a port that
 * a guest raises it by, without an exit to the guest's monitor. */
#pragma once

#include "kernel/object/domain.h"

struct irq_line;

struct event {
	struct object object;
	uint32_t kind;         /* SAMPO_EVENT_* */
	struct irq_line *line; /* the interrupt that raises it, or NULL (irq.c) */
	struct domain *target; /* holds a reference */
	uint64_t a, b;         /* BIT: the bit; MSI: address, data */

	struct domain *ringer; /* the domain that rings it, or NULL; ends with this domain */
	uint16_t port;
	uint8_t size; /* of the writes, bytes */
};

/* Checks kind, a and b; the target is charged for it. Returns SAMPO_OK and *event with one
 * reference. */
int64_t event_new(struct domain *target, uint64_t kind, uint64_t a, uint64_t b,
		  struct event **event);
bool event_take_apart(struct object *object);

/* Writes of `size` bytes to the port of a domain raise it, until it is freed. SAMPO_EINVAL,
 * EDEAD, EEXIST (the port is taken, or it has a doorbell), ENOMEM. */
int64_t event_doorbell(struct event *event, struct domain *domain, uint64_t port, uint64_t size);

/* Deliver it: set the bit and wake the domain, or send the MSI. */
void event_raise(struct event *event);

/* The same for vCPU 0 of the target, which was asleep and runs next, on this CPU. */
void event_raise_directly(struct event *event);

/* Set a bit of a domain's event page and wake its first vCPU from wait(). */
void event_set_bit(struct domain *domain, unsigned bit);

/* The event that the port rings, or NULL. Needs no lock: the event stays while this CPU is in the
 * kernel. */
static inline struct event *event_at(struct domain *domain, uint16_t port)
{
	struct event **page =
		__atomic_load_n(&domain->bells[port / BELLS_PER_PAGE], __ATOMIC_ACQUIRE);

	return page ? __atomic_load_n(&page[port % BELLS_PER_PAGE], __ATOMIC_ACQUIRE) : NULL;
}
