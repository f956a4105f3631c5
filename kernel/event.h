/* SPDX-License-Identifier: BSD-2-Clause */
/* Events: something happened, for a domain to know. */
#pragma once

#include "kernel/object.h"

struct domain;
struct line;

struct event {
	struct object object;
	uint32_t kind;         /* SAMPO_EVENT_* */
	struct line *line;     /* the interrupt that raises it, or NULL (irq.c) */
	struct domain *target; /* holds a reference */
	uint64_t a, b;         /* BIT: the bit; MSI: address, data */
};

/* Checks kind, a and b. Returns SAMPO_OK and *event with one reference. */
int64_t event_new(struct domain *target, uint64_t kind, uint64_t a, uint64_t b,
		  struct event **event);
void event_free(struct object *object);

/* Deliver it: set the bit and wake the domain, or send the MSI. */
void event_raise(struct event *event);

/* Set a bit of a domain's event page and wake its first vCPU from wait(). */
void event_set_bit(struct domain *domain, unsigned bit);
