/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools that an operator has described and not built yet, as libvirt's pool-define, pool-build and
 * pool-start have it: a name and a device. dom0 forgets them when the machine ends; a pool that has
 * been built is on its disks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/storage/change.h"

#define POOL_PLANS 8u

struct pool_plan {
	char name[LVM_NAME + 1];
	uint8_t uuid[16];
	char device[128]; /* its path */
	bool started;
	struct pool_plan *next;
};

/* Plans a pool, or gives the plan of that name another device. `uuid` may be NULL: it is made from
 * the name. Returns the reason against it, or NULL; *made is the plan then. */
const char *pool_plan_make(const char *name, const uint8_t *uuid, const char *device,
			   struct pool_plan **made);
void pool_plan_forget(struct pool_plan *plan);

/* The plans whose pools are not there. */
struct pool_plan *pool_plan_first(void);
struct pool_plan *pool_plan_next(const struct pool_plan *plan);
struct pool_plan *pool_plan_named(const char *name);
/* Also one whose pool is there: clients keep the UUID that they have got. NULL: none. */
struct pool_plan *pool_plan_of(const uint8_t uuid[16]);

/* Has the pool of that name been built of a plan, and not been started since? Told once. */
bool pool_plan_built(const char *name);

/* Makes the pool, as change_build does. */
const char *pool_plan_build(const struct pool_plan *plan, bool overwrite, change_done *done);
void pool_plan_document(const struct pool_plan *plan, document_piece *put, void *context);
