/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of guests/lib/sampo.h, for tests: a kernel that has everything. */
#pragma once

/* guests/lib/sampo.h has no calls beside these. */
#define SAMPO_CALLS_REPLACED

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/abi.h"

extern uint8_t stub_doorbells[65536]; /* by port: the event, 0: none */
extern unsigned stub_events;

static inline uint8_t *stub_doorbell_of(uint32_t event)
{
	return memchr(stub_doorbells, (int)event, sizeof(stub_doorbells));
}

static inline int64_t sampo_doorbell(uint32_t event, uint32_t domain, uint32_t port, uint32_t bytes)
{
	(void)domain;
	if (port + bytes > sizeof(stub_doorbells) || !event || stub_doorbell_of(event))
		abort();
	if (stub_doorbells[port])
		return SAMPO_EEXIST;
	stub_doorbells[port] = (uint8_t)event;
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
	uint8_t *doorbell = stub_doorbell_of(handle);

	if (!handle)
		abort();
	if (doorbell)
		*doorbell = 0;
	stub_events--;
	return SAMPO_OK;
}
