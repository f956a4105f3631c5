/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools that are described and built (manage/pool_plan.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/pool_plan.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/snippet.h"
#include "guests/dom0/rpc/volumes.h"

#define XML_MOST (64u << 10)

/* virStoragePoolBuildFlags, virStoragePoolCreateFlags */
#define BUILD_OVERWRITE  8u
#define CREATE_BUILD     1u
#define CREATE_OVERWRITE 2u

/* The one change at work (change.h). */
static struct late_call at_work;
static char built_name[LVM_NAME + 1];
static bool wants_pool; /* the answer is the pool */

void put_plan(struct xdr_out *out, const struct pool_plan *plan)
{
	xdr_put_text(out, plan->name);
	xdr_put_fixed(out, plan->uuid, sizeof(plan->uuid));
}

/* The plan that the document describes, or the pool of that name that there is already. Returns
 * false after call_fail or call_again. */
static bool read_description(struct call *call, struct pool **pool, struct pool_plan **plan)
{
	enum { TYPE, NAME, UUID, DEVICE, ELEMENTS };
	struct snippet element[ELEMENTS] = {
		[TYPE] = {.path = "pool", .attribute = "type"},
		[NAME] = {.path = "pool/name"},
		[UUID] = {.path = "pool/uuid"},
		[DEVICE] = {.path = "pool/source/device", .attribute = "path"},
	};
	uint8_t uuid[16];
	const uint8_t *xml;
	size_t bytes;

	*plan = NULL;
	xml = xdr_bytes(&call->in, XML_MOST, &bytes);
	if (!call_read(call) || call_refused(call, snippet_read(xml, bytes, element, ELEMENTS)) ||
	    !pools_known(call))
		return false;
	if (strcmp(element[TYPE].value, "logical") != 0)
		call_fail(call, ERROR_CONFIG,
			  "unsupported configuration: a pool of type '%.32s': pools are volume "
			  "groups (logical)",
			  element[TYPE].value);
	else if (*element[UUID].text && !config_uuid(element[UUID].text, uuid))
		call_fail(call, ERROR_XML, "XML error: <uuid> is no UUID");
	if (call->code)
		return false;
	*pool = pool_named(element[NAME].text);
	return *pool || !call_refused(call, pool_plan_make(element[NAME].text,
							   *element[UUID].text ? uuid : NULL,
							   element[DEVICE].value, plan));
}

void plans_define(struct call *call)
{
	struct pool *pool;
	struct pool_plan *plan;

	if (!read_description(call, &pool, &plan))
		return;
	if (pool)
		put_pool(&call->out, pool);
	else
		put_plan(&call->out, plan);
}

static void built(const char *wrong, const char *note)
{
	struct call *call = late_resume(&at_work);
	const struct pool *pool = pool_named(built_name);

	(void)note;
	if (!call)
		return;
	if (!call_refused(call, wrong) && wants_pool && pool)
		put_pool(&call->out, pool);
	late_answer(call);
}

static void build(struct call *call, const struct pool_plan *plan, bool overwrite, bool answer_pool)
{
	const char *wrong;

	if (change_is_running()) {
		call_again(call, volumes_busy);
		return;
	}
	snprintf(built_name, sizeof(built_name), "%s", plan->name);
	wants_pool = answer_pool;
	at_work = call_later(call);
	wrong = pool_plan_build(plan, overwrite, built);
	if (!wrong)
		return;
	call->later = false;
	call_refused(call, wrong);
}

/* A device with data of others on it is built over with the flag alone. */
void plans_build(struct call *call)
{
	struct pool_or_plan found;
	bool is_there = read_pool_or_plan(call, &found);
	uint32_t flags = xdr_u32(&call->in);

	if (!is_there || !call_read(call))
		return;
	if (found.pool)
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: storage pool '%s' is already active",
			  found.pool->group.name);
	else
		build(call, found.plan, flags & BUILD_OVERWRITE, false);
}

/* A pool at once, built if the flags say so. */
void plans_create(struct call *call)
{
	struct pool *pool;
	struct pool_plan *plan;
	uint32_t flags;

	if (!read_description(call, &pool, &plan))
		return;
	flags = xdr_u32(&call->in);
	if (!call_read(call))
		return;
	if (pool)
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: storage pool '%s' is already active",
			  pool->group.name);
	else if (!(flags & (CREATE_BUILD | CREATE_OVERWRITE)))
		call_fail(call, ERROR_FAILED,
			  "operation failed: storage pool '%s' has not been built (flag --build)",
			  plan->name);
	else
		build(call, plan, flags & CREATE_OVERWRITE, true);
}

void plans_undefine(struct call *call)
{
	struct pool_or_plan found;

	if (!read_pool_or_plan(call, &found))
		return;
	if (found.plan)
		pool_plan_forget(found.plan);
	else
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: forgetting a pool: the disks tell which there "
			  "are");
}
