/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools and volumes. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/pool_plan.h"
#include "guests/dom0/manage/pools.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/lists.h"
#include "guests/dom0/rpc/volumes.h"
#include "guests/dom0/storage/change.h"

#define NAME 256

bool pools_known(struct call *call)
{
	if (!pools_are_read())
		call_again(call,
			   "Requested operation is not valid: the disks are still being read");
	return !call->code;
}

static bool is_active(const struct pool *pool)
{
	return !*pool->why;
}

/* --- pools --- */

void put_pool(struct xdr_out *out, const struct pool *pool)
{
	uint8_t uuid[16];

	pool_uuid(uuid, pool);
	xdr_put_text(out, pool->group.name);
	xdr_put_fixed(out, uuid, sizeof(uuid));
}

static struct pool *find_uuid(const uint8_t wanted[16])
{
	struct pool *pool;
	uint8_t uuid[16];

	for (pool = pool_first(); pool; pool = pool->next) {
		pool_uuid(uuid, pool);
		if (!memcmp(uuid, wanted, sizeof(uuid)))
			break;
	}
	return pool;
}

/* A pool as argument. One that has been built of a plan has the plan's UUID as well. */
bool read_pool_or_plan(struct call *call, struct pool_or_plan *found)
{
	char name[NAME];
	uint8_t uuid[16];

	*found = (struct pool_or_plan){NULL, NULL};
	xdr_text(&call->in, name, sizeof(name));
	xdr_fixed(&call->in, uuid, sizeof(uuid));
	if (!call_read(call) || !pools_known(call))
		return false;
	found->pool = find_uuid(uuid);
	if (!found->pool)
		found->plan = pool_plan_of(uuid);
	if (found->plan)
		found->pool = pool_named(found->plan->name);
	if (found->pool)
		found->plan = NULL;
	if (!found->pool && !found->plan)
		call_fail(call, ERROR_NO_POOL,
			  "Storage pool not found: no storage pool with matching uuid (%s)", name);
	return !call->code;
}

struct pool *read_pool(struct call *call)
{
	struct pool_or_plan found;

	if (read_pool_or_plan(call, &found) && found.plan)
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: storage pool '%s' is not active",
			  found.plan->name);
	return found.pool;
}

/* virConnectListAllStoragePoolsFlags; all pools are LVM2's, persistent, and start by themselves. */
static bool pool_is_listed(bool active, uint32_t flags)
{
	const struct {
		uint32_t all, is;
	} row[] = {
		{1 | 2, active ? 2 : 1},
		{4 | 8, 4},
		{16 | 32, 16},
		{~63u, 1u << 9},
	};

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (flags & row[i].all && !(flags & row[i].is))
			return false;
	return true;
}

void pools_list(struct call *call)
{
	bool results = xdr_i32(&call->in);
	uint32_t flags = xdr_u32(&call->in);
	struct list list = list_begin(&call->out, results);

	if (!pools_known(call))
		return;
	for (const struct pool *pool = pool_first(); pool; pool = pool->next)
		if (pool_is_listed(is_active(pool), flags) && list_one(&list))
			put_pool(&call->out, pool);
	for (const struct pool_plan *plan = pool_plan_first(); plan; plan = pool_plan_next(plan))
		if (pool_is_listed(false, flags) && list_one(&list))
			put_plan(&call->out, plan);
	list_end(&list);
}

static void answer_pool(struct call *call, const struct pool *pool, const struct pool_plan *plan,
			const char *by, const char *text)
{
	if (pool)
		put_pool(&call->out, pool);
	else if (plan)
		put_plan(&call->out, plan);
	else
		call_fail(call, ERROR_NO_POOL,
			  "Storage pool not found: no storage pool with matching %s%s%s%s", by,
			  *text ? " '" : "", text, *text ? "'" : "");
}

void pools_by_name(struct call *call)
{
	char name[NAME];

	xdr_text(&call->in, name, sizeof(name));
	if (call_read(call) && pools_known(call))
		answer_pool(call, pool_named(name), pool_plan_named(name), "name", name);
}

/* By "/dev/POOL". */
void pools_by_path(struct call *call)
{
	static const char dev[] = "/dev/";
	char path[2 * NAME];

	xdr_text(&call->in, path, sizeof(path));
	if (call_read(call) && pools_known(call))
		answer_pool(call,
			    strncmp(path, dev, strlen(dev)) != 0 ? NULL
								 : pool_named(path + strlen(dev)),
			    NULL, "target path", path);
}

void pools_by_uuid(struct call *call)
{
	uint8_t uuid[16];

	xdr_fixed(&call->in, uuid, sizeof(uuid));
	if (call_read(call) && pools_known(call))
		answer_pool(call, find_uuid(uuid), pool_plan_of(uuid), "uuid", "");
}

void pools_xml(struct call *call)
{
	struct pool_or_plan found;
	size_t begin;

	if (!read_pool_or_plan(call, &found))
		return;
	begin = document_begin(&call->out);
	if (found.pool)
		pool_document(found.pool, document_put, &call->out);
	else
		pool_plan_document(found.plan, document_put, &call->out);
	document_end(&call->out, begin);
}

void pools_info(struct call *call)
{
	struct pool_sizes sizes = {0, 0, 0};
	struct pool_or_plan found;

	if (!read_pool_or_plan(call, &found))
		return;
	if (found.pool)
		sizes = pool_sizes(found.pool);
	xdr_put_u32(&call->out, found.pool ? (uint32_t)pool_state(found.pool) : POOL_INACTIVE);
	xdr_put_u64(&call->out, sizes.capacity);
	xdr_put_u64(&call->out, sizes.allocation);
	xdr_put_u64(&call->out, sizes.available);
}

void pools_is_active(struct call *call)
{
	struct pool_or_plan found;

	if (read_pool_or_plan(call, &found))
		xdr_put_i32(&call->out, found.pool && is_active(found.pool));
}

/* All pools are persistent and start by themselves. */
void pools_yes(struct call *call)
{
	struct pool_or_plan found;

	if (read_pool_or_plan(call, &found))
		xdr_put_i32(&call->out, 1);
}

/* One search is at work at a time: a call that comes meanwhile waits in pools_known. */
static struct late_call refreshing;

static void refreshed(void)
{
	struct call *call = late_resume(&refreshing);

	if (call)
		late_answer(call);
}

void pools_refresh(struct call *call)
{
	if (!read_pool(call))
		return;
	if (change_is_running()) {
		call_again(call, volumes_busy);
		return;
	}
	refreshing = call_later(call);
	pools_find(refreshed);
}

/* A pool that can be used has started by itself: one that has been built since it was described is
 * started once more, as operators do behind pool-build. */
void pools_start(struct call *call)
{
	struct pool_or_plan found;
	bool is_there = read_pool_or_plan(call, &found);
	const struct pool *pool = found.pool;

	xdr_u32(&call->in); /* flags */
	if (!is_there || !call_read(call))
		return;
	if (!pool)
		call_fail(call, ERROR_FAILED,
			  "operation failed: storage pool '%s' has not been built (pool-build)",
			  found.plan->name);
	else if (pool_plan_built(pool->group.name))
		return;
	else if (is_active(pool))
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: storage pool '%s' is already active",
			  pool->group.name);
	else
		call_fail(call, ERROR_FAILED, "operation failed: storage pool '%s': %s",
			  pool->group.name, pool->why);
}

void pools_set_autostart(struct call *call)
{
	struct pool_or_plan found;
	bool is_there = read_pool_or_plan(call, &found);
	bool wanted = xdr_i32(&call->in);

	if (is_there && call_read(call) && !wanted)
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: a pool that does not start by itself");
}

/* --- volumes --- */

void put_volume(struct xdr_out *out, const struct found *found)
{
	const struct lvm_lv *lv = &found->pool->group.lv[found->lv];
	char key[LVM_UUID_TEXT];

	lvm_uuid_text(key, lv->id);
	xdr_put_text(out, found->pool->group.name);
	xdr_put_text(out, lv->name);
	xdr_put_text(out, key);
}

bool find_volume(struct pool *pool, const char *name, struct found *found)
{
	int lv = pool ? lvm_group_find(&pool->group, name) : -1;

	found->pool = pool;
	found->lv = (uint32_t)lv;
	return lv >= 0;
}

static void no_volume(struct call *call, const char *by, const char *text)
{
	call_fail(call, ERROR_NO_VOLUME,
		  "Storage volume not found: no storage vol with matching %s '%s'", by, text);
}

/* A volume as argument; false after call_fail. */
bool read_volume(struct call *call, struct found *found)
{
	char pool[NAME], name[NAME], key[NAME];

	xdr_text(&call->in, pool, sizeof(pool));
	xdr_text(&call->in, name, sizeof(name));
	xdr_text(&call->in, key, sizeof(key));
	if (!call_read(call) || !pools_known(call))
		return false;
	if (!find_volume(pool_named(pool), name, found))
		no_volume(call, "name", name);
	return !call->code;
}

void volumes_list(struct call *call)
{
	struct pool *pool = read_pool(call);
	bool results = xdr_i32(&call->in);
	struct list list = list_begin(&call->out, results);

	for (uint32_t i = 0; pool && i < pool->group.lvs; i++)
		if (pool->group.lv[i].visible && list_one(&list))
			put_volume(&call->out, &(struct found){pool, i});
	list_end(&list);
}

void volumes_by_name(struct call *call)
{
	struct pool *pool = read_pool(call);
	struct found found;
	char name[NAME];

	xdr_text(&call->in, name, sizeof(name));
	if (!pool || !call_read(call))
		return;
	if (find_volume(pool, name, &found))
		put_volume(&call->out, &found);
	else
		no_volume(call, "name", name);
}

/* Clients try a text as a key, then as a path: either finds a volume by both. */
void volumes_by_path(struct call *call)
{
	struct found found;
	char path[2 * NAME];

	xdr_text(&call->in, path, sizeof(path));
	if (!call_read(call) || !pools_known(call))
		return;
	if (volume_found(path, &found.pool, &found.lv))
		put_volume(&call->out, &found);
	else
		no_volume(call, "path", path);
}

void pools_by_volume(struct call *call)
{
	struct found found;

	if (read_volume(call, &found))
		put_pool(&call->out, found.pool);
}

void volumes_path(struct call *call)
{
	char path[2 * LVM_NAME + 8];
	struct found found;

	if (read_volume(call, &found))
		xdr_put_text(&call->out, volume_path(found.pool, found.lv, path));
}
