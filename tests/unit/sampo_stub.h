/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of guests/lib/sampo.h, for tests: a kernel that has everything. */
#ifndef GUESTS_LIB_SAMPO_H
#define GUESTS_LIB_SAMPO_H

#include <stdint.h>
#include <stdlib.h>

#include "kernel/abi.h"

extern uint8_t stub_doorbells[65536];
extern unsigned stub_events;

static inline int64_t sampo_doorbell(uint32_t domain, uint32_t port, uint32_t bytes, uint32_t event,
				     uint64_t op)
{
	(void)domain;
	if (port + bytes > sizeof(stub_doorbells) || (op == SAMPO_DOORBELL_ADD && !event))
		abort();
	if ((op == SAMPO_DOORBELL_ADD) == stub_doorbells[port])
		return op == SAMPO_DOORBELL_ADD ? SAMPO_EEXIST : SAMPO_EINVAL;
	stub_doorbells[port] = op == SAMPO_DOORBELL_ADD;
	return SAMPO_OK;
}

static inline int64_t sampo_event_create(uint32_t domain, uint64_t kind, uint64_t a, uint64_t b,
					 uint32_t *event)
{
	(void)domain;
	(void)kind;
	(void)b;
	*event = (uint32_t)a + 1;
	stub_events++;
	return SAMPO_OK;
}

static inline int64_t sampo_handle_close(uint32_t handle)
{
	(void)handle;
	stub_events--;
	return SAMPO_OK;
}

#endif
