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

/* Pools are known when the disks have been read, which takes a moment after each refresh. Returns
 * false after call_again. */
bool pools_known(struct call *call);

/* Each returns NULL or false after call_fail. */
struct pool *read_pool(struct call *call);
/* A pool, or one that is described and not built (plans.c): the other is NULL. */
struct pool_plan;
struct pool_or_plan {
	struct pool *pool;
	struct pool_plan *plan;
};
bool read_pool_or_plan(struct call *call, struct pool_or_plan *found);
bool read_volume(struct call *call, struct found *found);

/* For call_again: one change of a pool is at work at a time. */
extern const char volumes_busy[];

/* Returns false if there is no volume of that name in the pool, which may be NULL. */
bool find_volume(struct pool *pool, const char *name, struct found *found);
void put_pool(struct xdr_out *out, const struct pool *pool);
void put_plan(struct xdr_out *out, const struct pool_plan *plan);
void put_volume(struct xdr_out *out, const struct found *found);
