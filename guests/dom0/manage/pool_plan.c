/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/pool_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/manage/say.h"
#include "guests/dom0/storage/pool.h"

static struct pool_plan *plans;
static unsigned count;

static struct pool_plan *open_from(struct pool_plan *plan)
{
	while (plan && pool_named(plan->name))
		plan = plan->next;
	return plan;
}

struct pool_plan *pool_plan_first(void)
{
	return open_from(plans);
}

struct pool_plan *pool_plan_next(const struct pool_plan *plan)
{
	return open_from(plan->next);
}

static struct pool_plan *find(const char *name)
{
	struct pool_plan *plan = plans;

	while (plan && strcmp(plan->name, name) != 0)
		plan = plan->next;
	return plan;
}

struct pool_plan *pool_plan_named(const char *name)
{
	return pool_named(name) ? NULL : find(name);
}

struct pool_plan *pool_plan_of(const uint8_t uuid[16])
{
	struct pool_plan *plan = plans;

	while (plan && memcmp(plan->uuid, uuid, sizeof(plan->uuid)) != 0)
		plan = plan->next;
	return plan;
}

/* FNV-1a over the name, twice; the bits that say "made from a name" (RFC 4122, 4.3). */
static void make_uuid(uint8_t uuid[16], const char *name)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t half = 0xcbf29ce484222325ull + i;

		for (const char *at = name; *at; at++)
			half = (half ^ (uint8_t)*at) * 0x100000001b3ull;
		memcpy(&uuid[8 * i], &half, sizeof(half));
	}
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x50);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

const char *pool_plan_make(const char *name, const uint8_t *uuid, const char *device,
			   struct pool_plan **made)
{
	struct pool_plan *plan = find(name), *other = uuid ? pool_plan_of(uuid) : NULL;

	if (!lvm_name_is_right(name))
		return "invalid argument: this is no name of a pool";
	if (!*device || strlen(device) >= sizeof(plan->device))
		return "unsupported configuration: a pool needs the path of a device in <source>";
	if (other && other != plan)
		return "operation failed: another pool has this UUID";
	if (!plan && count == POOL_PLANS)
		return "operation failed: 8 pools are defined and not built";
	if (!plan) {
		plan = calloc(1, sizeof(*plan));
		if (!plan)
			return "dom0 is out of memory";
		snprintf(plan->name, sizeof(plan->name), "%s", name);
		make_uuid(plan->uuid, name);
		plan->next = plans;
		plans = plan;
		count++;
	}
	if (uuid)
		memcpy(plan->uuid, uuid, sizeof(plan->uuid));
	snprintf(plan->device, sizeof(plan->device), "%s", device);
	*made = plan;
	return NULL;
}

bool pool_plan_built(const char *name)
{
	struct pool_plan *plan = find(name);
	bool first = plan && pool_named(name) && !plan->started;

	if (first)
		plan->started = true;
	return first;
}

void pool_plan_forget(struct pool_plan *plan)
{
	struct pool_plan **at = &plans;

	while (*at != plan)
		at = &(*at)->next;
	*at = plan->next;
	count--;
	free(plan);
}

const char *pool_plan_build(const struct pool_plan *plan, bool overwrite, change_done *done)
{
	static char why[192];
	struct blkdev *dev = blk_find(plan->device);

	if (dev)
		return change_build(plan->name, &dev, 1, overwrite, done);
	snprintf(why, sizeof(why), "there is no device %s", plan->device);
	return why;
}

void pool_plan_document(const struct pool_plan *plan, document_piece *put, void *context)
{
	const struct saying to = {put, context};
	const uint8_t *u = plan->uuid;

	say(&to,
	    "<pool type='logical'>\n  <name>%s</name>\n  <uuid>%02x%02x%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x-%02x%02x%02x%02x%02x%02x</uuid>\n"
	    "  <capacity unit='bytes'>0</capacity>\n  <allocation unit='bytes'>0</allocation>\n"
	    "  <available unit='bytes'>0</available>\n  <source>\n",
	    plan->name, u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11],
	    u[12], u[13], u[14], u[15]);
	say_text(&to, "    <device path='", plan->device, "'/>\n");
	say(&to,
	    "    <name>%s</name>\n    <format type='lvm2'/>\n  </source>\n  <target>\n"
	    "    <path>/dev/%s</path>\n  </target>\n</pool>\n",
	    plan->name, plan->name);
}
