/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of volumes, which wait for the disks: the answers come later. */
#include "guests/dom0/rpc/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/snippet.h"
#include "guests/dom0/storage/change.h"

#define XML_MOST (64u << 10)

#define RESIZE_DELTA  2u /* virStorageVolResizeFlags */
#define RESIZE_SHRINK 4u

/* The change at work: change.h has one at a time. */
static struct late_call at_work;
static char pool_name[LVM_NAME + 1], volume_name[LVM_NAME + 1]; /* of a new volume */

static void created(const char *wrong, const char *note)
{
	struct call *call = late_resume(&at_work);
	struct found found;

	(void)note;
	if (!call)
		return;
	if (!call_refused(call, wrong) && find_volume(pool_named(pool_name), volume_name, &found))
		put_volume(&call->out, &found);
	else
		call_fail(call, ERROR_INTERNAL, "internal error: the new volume is not there");
	late_answer(call);
}

static void changed(const char *wrong, const char *note)
{
	struct call *call = late_resume(&at_work);

	(void)note;
	if (!call)
		return;
	call_refused(call, wrong);
	late_answer(call);
}

/* Before a change begins, since its end may come at once. Returns false after call_fail. */
static bool begin(struct call *call)
{
	if (change_is_running())
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: another change of a pool is at work");
	else
		at_work = call_later(call);
	return !call->code;
}

/* The change has not begun: the answer is due now. */
static void refused(struct call *call, const char *why)
{
	if (!why)
		return;
	call->later = false;
	call_refused(call, why);
}

/* Returns 0 if the text and the unit behind it are no size. */
static uint64_t size_of(const struct snippet *s)
{
	uint64_t unit = *s->value ? config_unit(s->value) : 1, n;
	char *end;

	errno = 0;
	n = strtoull(s->text, &end, 10);
	if (*s->text < '0' || *s->text > '9' || *end || errno || !unit || n > UINT64_MAX / unit)
		return 0;
	return n * unit;
}

enum { NAME, CAPACITY, FORMAT, ELEMENTS };

/* Returns the size of the volume that the document describes; 0 after call_fail. */
static uint64_t read_document(struct call *call, struct snippet element[ELEMENTS])
{
	const uint8_t *xml;
	uint64_t size;
	size_t bytes;

	xml = xdr_bytes(&call->in, XML_MOST, &bytes);
	if (!call_read(call) || call_refused(call, snippet_read(xml, bytes, element, ELEMENTS)))
		return 0;
	size = size_of(&element[CAPACITY]);
	if (!*element[NAME].text || strlen(element[NAME].text) > LVM_NAME)
		call_fail(call, ERROR_XML, "XML error: a volume has a name of up to %u characters",
			  LVM_NAME);
	else if (!size)
		call_fail(call, ERROR_XML, "XML error: <capacity> is no size");
	else if (*element[FORMAT].value && strcmp(element[FORMAT].value, "raw") != 0)
		call_fail(call, ERROR_CONFIG,
			  "unsupported configuration: unknown volume format type %s",
			  element[FORMAT].value);
	return call->code ? 0 : size;
}

void volumes_create(struct call *call)
{
	struct snippet element[ELEMENTS] = {
		[NAME] = {.path = "volume/name"},
		[CAPACITY] = {.path = "volume/capacity", .attribute = "unit"},
		[FORMAT] = {.path = "volume/target/format", .attribute = "type"},
	};
	struct pool *pool = read_pool(call);
	uint64_t bytes = pool ? read_document(call, element) : 0;

	if (!bytes || !begin(call))
		return;
	snprintf(pool_name, sizeof(pool_name), "%s", pool->group.name);
	snprintf(volume_name, sizeof(volume_name), "%s", element[NAME].text);
	refused(call, change_create(pool, volume_name, bytes, NULL, created));
}

void volumes_delete(struct call *call)
{
	struct found found;

	if (read_volume(call, &found) && begin(call))
		refused(call, change_delete(found.pool, found.lv, changed));
}

void volumes_resize(struct call *call)
{
	struct found found;
	bool is_there = read_volume(call, &found);
	uint64_t bytes = xdr_u64(&call->in);
	uint32_t flags = xdr_u32(&call->in);

	if (!is_there || !call_read(call))
		return;
	if (flags & RESIZE_DELTA)
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: a change of size by a difference");
	else if (begin(call))
		refused(call,
			change_resize(found.pool, found.lv, bytes, flags & RESIZE_SHRINK, changed));
}
