/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/pools.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/say.h"
#include "guests/dom0/storage/lvm_tag.h"

typedef unsigned long long llu;

/* FNV-1a over the identity, twice. */
void pool_uuid(uint8_t uuid[16], const struct pool *pool)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t half = 0xcbf29ce484222325ull + i;

		for (const char *at = pool->group.id; *at; at++)
			half = (half ^ (uint8_t)*at) * 0x100000001b3ull;
		for (unsigned byte = 0; byte < 8; byte++)
			uuid[8 * i + byte] = (uint8_t)(half >> (56 - 8 * byte));
	}
}

void pool_uuid_text(char text[37], const struct pool *pool)
{
	uint8_t u[16];

	pool_uuid(u, pool);
	snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

struct pool *pool_found(const char *text)
{
	struct pool *pool = pool_named(text);
	char uuid[37];

	if (pool)
		return pool;
	for (pool = pool_first(); pool; pool = pool->next) {
		pool_uuid_text(uuid, pool);
		if (!strcmp(uuid, text))
			break;
	}
	return pool;
}

uint64_t pool_bytes(const struct pool *pool, uint64_t extents)
{
	return extents * pool->group.extent_sectors * BLK_SECTOR;
}

struct pool_sizes pool_sizes(const struct pool *pool)
{
	struct pool_sizes sizes;
	uint64_t extents = 0;

	for (uint32_t i = 0; i < pool->group.pvs; i++)
		extents += pool->group.pv[i].extents;
	sizes.capacity = pool_bytes(pool, extents);
	sizes.available = pool_bytes(pool, lvm_group_free_extents(&pool->group));
	sizes.allocation = sizes.capacity - sizes.available;
	return sizes;
}

enum pool_state pool_state(const struct pool *pool)
{
	uint32_t there = 0;

	if (*pool->why)
		return POOL_INACTIVE;
	for (uint32_t i = 0; i < pool->group.pvs; i++)
		there += pool_has(pool, i);
	if (there == pool->group.pvs)
		return POOL_RUNNING;
	return there ? POOL_DEGRADED : POOL_INACCESSIBLE;
}

const char *pool_state_name(const struct pool *pool)
{
	static const char *const name[] = {"inactive", "building", "running", "degraded",
					   "inaccessible"};

	return name[pool_state(pool)];
}

bool volume_found(const char *text, struct pool **pool, uint32_t *lv)
{
	char path[2 * LVM_NAME + 8], uuid[LVM_UUID_TEXT];

	for (*pool = pool_first(); *pool; *pool = (*pool)->next)
		for (*lv = 0; *lv < (*pool)->group.lvs; ++*lv) {
			lvm_uuid_text(uuid, (*pool)->group.lv[*lv].id);
			if (!strcmp(volume_path(*pool, *lv, path), text) || !strcmp(uuid, text))
				return true;
		}
	return false;
}

void pool_document(const struct pool *pool, document_piece *put, void *context)
{
	const struct saying to = {put, context};
	struct pool_sizes sizes = pool_sizes(pool);
	char uuid[37];

	pool_uuid_text(uuid, pool);
	say(&to,
	    "<pool type='logical'>\n  <name>%s</name>\n  <uuid>%s</uuid>\n"
	    "  <capacity unit='bytes'>%llu</capacity>\n"
	    "  <allocation unit='bytes'>%llu</allocation>\n"
	    "  <available unit='bytes'>%llu</available>\n  <source>\n",
	    pool->group.name, uuid, (llu)sizes.capacity, (llu)sizes.allocation,
	    (llu)sizes.available);
	for (uint32_t i = 0; i < pool->group.pvs; i++)
		if (pool->device[i])
			say(&to, "    <device path='/dev/%s'/>\n", pool->device[i]->dev->name);
	say(&to,
	    "    <name>%s</name>\n    <format type='lvm2'/>\n  </source>\n  <target>\n"
	    "    <path>/dev/%s</path>\n  </target>\n</pool>\n",
	    pool->group.name, pool->group.name);
}

static void put_extents(const struct saying *to, const struct pool *pool, const struct lvm_lv *lv)
{
	const struct lvm_group *group = &pool->group;

	for (uint32_t i = 0; i < lv->segments; i++) {
		const struct lvm_segment *segment = &group->segment[lv->first + i];
		const struct pool_device *device = pool->device[segment->pv];
		uint64_t start = (group->pv[segment->pv].first_sector +
				  segment->pe * group->extent_sectors) *
				 BLK_SECTOR;

		say(to,
		    "    <device path='/dev/%s'>\n      <extent start='%llu' end='%llu'/>\n"
		    "    </device>\n",
		    device ? device->dev->name : "missing", (llu)start,
		    (llu)(start + pool_bytes(pool, segment->extents)));
	}
}

/* What a volume's tag says. */
static void plain_facts(struct volume_facts *facts, const struct lvm_lv *lv, uint64_t bytes)
{
	char format[LVM_TAG_ROOM];

	memset(facts, 0, sizeof(*facts));
	facts->capacity = bytes;
	if (lvm_tag_value(lv, LVM_KEY_FORMAT, format))
		snprintf(facts->format, sizeof(facts->format), "%.7s", format);
}

/* The names come from an image, whose writer may have been anybody. */
static void put_backing(const struct saying *to, const struct volume_facts *facts)
{
	say_text(to, "  <backingStore>\n    <path>", facts->backing, "</path>\n");
	if (*facts->backing_format)
		say_text(to, "    <format type='", facts->backing_format, "'/>\n");
	say(to, "  </backingStore>\n");
}

void volume_document(const struct pool *pool, uint32_t number, const struct volume_facts *facts,
		     document_piece *put, void *context)
{
	const struct saying to = {put, context};
	const struct lvm_lv *lv = &pool->group.lv[number];
	char path[2 * LVM_NAME + 8], uuid[LVM_UUID_TEXT];
	llu size = pool_bytes(pool, lv->extents);
	struct volume_facts plain;

	if (!facts) {
		plain_facts(&plain, lv, size);
		facts = &plain;
	}
	lvm_uuid_text(uuid, lv->id);
	say(&to,
	    "<volume type='block'>\n  <name>%s</name>\n  <key>%s</key>\n"
	    "  <capacity unit='bytes'>%llu</capacity>\n"
	    "  <allocation unit='bytes'>%llu</allocation>\n"
	    "  <physical unit='bytes'>%llu</physical>\n  <source>\n",
	    lv->name, uuid, (llu)facts->capacity, size, size);
	put_extents(&to, pool, lv);
	say(&to, "  </source>\n  <target>\n    <path>%s</path>\n", volume_path(pool, number, path));
	if (*facts->format)
		say_text(&to, "    <format type='", facts->format, "'/>\n");
	say(&to, "  </target>\n");
	if (*facts->backing)
		put_backing(&to, facts);
	say(&to, "</volume>\n");
}
