/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients ask of a volume: the answers come when the header of the image in it has been read.
 */
#include <stdlib.h>

#include "guests/dom0/manage/pools.h"
#include "guests/dom0/manage/volume_look.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/late.h"
#include "guests/dom0/rpc/volumes.h"

#define VOLUME_BLOCK 1u /* virStorageVolType */

typedef void put_facts(struct call *call, const struct found *found,
		       const struct volume_facts *facts);

struct asked {
	struct volume_look look;
	struct late_call *late;
	put_facts *put;
};

static void looked(struct volume_look *look)
{
	struct asked *asked = look->context;
	struct call *call = late_taken(asked->late);
	struct found found;

	if (call && volume_looked(look, &found.pool, &found.lv))
		asked->put(call, &found, &look->facts);
	else if (call)
		call_fail(call, ERROR_NO_VOLUME, "Storage volume not found: the volume is gone");
	if (call)
		late_answer(call);
	free(asked);
}

static void answer(struct call *call, put_facts *put)
{
	struct asked *asked;
	struct found found;

	if (!read_volume(call, &found))
		return;
	asked = calloc(1, sizeof(*asked));
	if (!asked) {
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
		return;
	}
	asked->look.done = looked;
	asked->look.context = asked;
	asked->put = put;
	asked->late = call_waits(call);
	if (asked->late)
		volume_look(&asked->look, found.pool, found.lv);
	else
		free(asked);
}

static void put_info(struct call *call, const struct found *found, const struct volume_facts *facts)
{
	xdr_put_u32(&call->out, VOLUME_BLOCK);
	xdr_put_u64(&call->out, facts->capacity);
	xdr_put_u64(&call->out, pool_bytes(found->pool, found->pool->group.lv[found->lv].extents));
}

static void put_xml(struct call *call, const struct found *found, const struct volume_facts *facts)
{
	size_t begin = document_begin(&call->out);

	volume_document(found->pool, found->lv, facts, document_put, &call->out);
	document_end(&call->out, begin);
}

void volumes_info(struct call *call)
{
	answer(call, put_info);
}

void volumes_xml(struct call *call)
{
	answer(call, put_xml);
}
