/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of volumes, which wait for the disks: the answers come later. */
#include "guests/dom0/rpc/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/pools.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/snippet.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/convert.h"
#include "guests/dom0/storage/image_make.h"

#define XML_MOST (64u << 10)

#define RESIZE_DELTA  2u /* virStorageVolResizeFlags */
#define RESIZE_SHRINK 4u

/* The change at work: change.h has one at a time. One of an image looks at its backing file first.
 */
static struct late_call at_work;
static bool busy;
static char pool_name[LVM_NAME + 1], volume_name[LVM_NAME + 1]; /* of a new volume */

static void created(const char *wrong, const char *note)
{
	struct call *call = late_resume(&at_work);
	struct found found;

	(void)note;
	busy = false;
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
	busy = false;
	if (!call)
		return;
	call_refused(call, wrong);
	late_answer(call);
}

const char volumes_busy[] = "Requested operation is not valid: another change of a pool is at work";

/* Before a change begins, since its end may come at once. Returns false after call_again. */
static bool begin(struct call *call)
{
	if (busy || change_is_running())
		call_again(call, volumes_busy);
	else
		at_work = call_later(call);
	busy = busy || !call->code;
	return !call->code;
}

/* The change has not begun: the answer is due now. */
static void refused(struct call *call, const char *why)
{
	if (!why)
		return;
	busy = false;
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

enum { NAME, CAPACITY, ALLOCATION, FORMAT, BACKING, BACKING_FORMAT, ELEMENTS };

static bool is_image(const struct snippet element[ELEMENTS])
{
	return !strcmp(element[FORMAT].value, "qcow2");
}

/* Returns false after call_fail. */
static bool read_document(struct call *call, struct snippet element[ELEMENTS])
{
	static const struct snippet asked[ELEMENTS] = {
		[NAME] = {.path = "volume/name"},
		[CAPACITY] = {.path = "volume/capacity", .attribute = "unit"},
		[ALLOCATION] = {.path = "volume/allocation", .attribute = "unit"},
		[FORMAT] = {.path = "volume/target/format", .attribute = "type"},
		[BACKING] = {.path = "volume/backingStore/path"},
		[BACKING_FORMAT] = {.path = "volume/backingStore/format", .attribute = "type"},
	};
	const uint8_t *xml;
	size_t bytes;

	memcpy(element, asked, sizeof(asked));
	xml = xdr_bytes(&call->in, XML_MOST, &bytes);
	if (!call_read(call) || call_refused(call, snippet_read(xml, bytes, element, ELEMENTS)))
		return false;
	if (!*element[NAME].text || strlen(element[NAME].text) > LVM_NAME)
		call_fail(call, ERROR_XML, "XML error: a volume has a name of up to %u characters",
			  LVM_NAME);
	return !call->code;
}

/* Returns false after call_fail. */
static bool read_format(struct call *call, const struct snippet element[ELEMENTS])
{
	const char *format = element[FORMAT].value;

	if (*format && strcmp(format, "raw") != 0 && !is_image(element))
		call_fail(call, ERROR_CONFIG,
			  "unsupported configuration: unknown volume format type %s", format);
	return !call->code;
}

static void remember(const struct pool *pool, const char *name)
{
	snprintf(pool_name, sizeof(pool_name), "%s", pool->group.name);
	snprintf(volume_name, sizeof(volume_name), "%s", name);
}

/* The volume that the document names as its backing file, if it names one. Returns false after
 * call_fail. */
static bool find_base(struct call *call, const struct snippet element[ELEMENTS],
		      struct image_order *order)
{
	if (!*element[BACKING].text)
		return true;
	if (*element[BACKING_FORMAT].value)
		order->base_format = element[BACKING_FORMAT].value;
	if (!volume_found(element[BACKING].text, &order->base_pool, &order->base))
		call_fail(call, ERROR_NO_VOLUME,
			  "Storage volume not found: no storage vol with matching path '%s'",
			  element[BACKING].text);
	return !call->code;
}

void volumes_create(struct call *call)
{
	struct snippet element[ELEMENTS];
	struct pool *pool = read_pool(call);
	struct image_order order = {.pool = pool};

	if (!pool || !read_document(call, element) || !read_format(call, element))
		return;
	order.name = volume_name;
	order.capacity = size_of(&element[CAPACITY]);
	order.allocation = size_of(&element[ALLOCATION]);
	if (!find_base(call, element, &order))
		return;
	if (order.base_pool && !is_image(element))
		call_fail(call, ERROR_CONFIG,
			  "unsupported configuration: a raw volume has no backing volume");
	else if (!order.capacity && !order.base_pool)
		call_fail(call, ERROR_XML, "XML error: <capacity> is no size");
	if (call->code || !begin(call))
		return;
	remember(pool, element[NAME].text);
	refused(call, is_image(element)
			      ? image_make(&order, created)
			      : change_create(pool, volume_name, order.capacity, NULL, created));
}

/* The content of another program's format goes to a new volume, which is raw if the document says
 * so. */
static const char *begin_conversion(const struct snippet element[ELEMENTS], struct pool *pool,
				    const struct found *from)
{
	const struct convert_order order = {
		.from_pool = from->pool,
		.from = from->lv,
		.pool = pool,
		.name = volume_name,
		.qcow2 = strcmp(element[FORMAT].value, "raw") != 0,
		.done = created,
	};

	return convert_start(&order);
}

/* A clone of any other volume is an image that has the volume as its backing file: nothing is
 * copied. The document is the volume's own, with another name, and perhaps a larger capacity. */
void volumes_clone(struct call *call)
{
	struct snippet element[ELEMENTS];
	struct pool *pool = read_pool(call);
	struct image_order order = {.pool = pool, .name = volume_name};
	struct found base;
	uint64_t capacity;

	if (!pool || !read_document(call, element) || !read_volume(call, &base))
		return;
	capacity = size_of(&element[CAPACITY]);
	if (capacity > pool_bytes(base.pool, base.pool->group.lv[base.lv].extents))
		order.capacity = capacity;
	order.base_pool = base.pool;
	order.base = base.lv;
	if (!begin(call))
		return;
	remember(pool, element[NAME].text);
	if (convert_is_needed(base.pool, base.lv))
		refused(call, begin_conversion(element, pool, &base));
	else
		refused(call, image_make(&order, created));
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
	uint64_t bytes = xdr_u64(&call->in), now;
	uint32_t flags = xdr_u32(&call->in);

	if (!is_there || !call_read(call))
		return;
	now = pool_bytes(found.pool, found.pool->group.lv[found.lv].extents);
	if (flags & RESIZE_DELTA)
		bytes = flags & RESIZE_SHRINK ? now - bytes : now + bytes;
	if (flags & RESIZE_DELTA && (flags & RESIZE_SHRINK ? bytes > now : bytes < now))
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: no volume has such a size");
	else if (begin(call))
		refused(call,
			change_resize(found.pool, found.lv, bytes, flags & RESIZE_SHRINK, changed));
}
