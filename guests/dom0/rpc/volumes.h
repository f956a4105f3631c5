/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools and volumes as arguments and results. */
#pragma once

#include <stdint.h>

#include "guests/dom0/rpc/call.h"
#include "guests/dom0/storage/pool.h"

/* A volume: by its pool and its number there, until the next change of the pool. */
struct found {
	struct pool *pool;
	uint32_t lv;
};

/* Each returns NULL or false after call_fail. */
struct pool *read_pool(struct call *call);
bool read_volume(struct call *call, struct found *found);

/* For call_again: one change of a pool is at work at a time. */
extern const char volumes_busy[];

/* Returns false if there is no volume of that name in the pool, which may be NULL. */
bool find_volume(struct pool *pool, const char *name, struct found *found);
void put_volume(struct xdr_out *out, const struct found *found);
