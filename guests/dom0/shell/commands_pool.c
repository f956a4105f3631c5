/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about pools and volumes that change nothing. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/pools.h"
#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/lvm_tag.h"

typedef unsigned long long llu;

bool shell_pools_are_read(void)
{
	if (!pools_are_read())
		shell_error("the disks are still being read");
	return pools_are_read();
}

struct pool *shell_pool(const char *name)
{
	char why[LVM_NAME + 80];
	struct pool *pool;

	if (!shell_pools_are_read())
		return NULL;
	pool = pool_found(name);
	if (pool)
		return pool;
	snprintf(why, sizeof(why),
		 "Storage pool not found: no storage pool with matching name '%.*s'", (int)LVM_NAME,
		 name);
	shell_failure(why, "failed to get pool '%s'", name);
	return NULL;
}

struct pool *shell_pool_of(const struct args *args)
{
	return shell_pool(args_text(args, "pool"));
}

bool shell_volume_named(const char *name, const char *in, struct shell_volume *found)
{
	char why[2 * LVM_NAME + 80];
	int lv;

	if (in) {
		found->pool = shell_pool(in);
		if (!found->pool)
			return false;
		lv = lvm_group_find(&found->pool->group, name);
		found->lv = (uint32_t)lv;
		if (lv >= 0)
			return true;
	} else if (!shell_pools_are_read()) {
		return false;
	}
	if (volume_found(name, &found->pool, &found->lv) && (!in || found->pool == pool_named(in)))
		return true;
	snprintf(why, sizeof(why),
		 "Storage volume not found: no storage vol with matching %s '%.*s'",
		 in ? "name" : "path", (int)LVM_NAME, name);
	shell_failure(why, "failed to get vol '%s'", name);
	return false;
}

bool shell_volume_of(const struct args *args, struct shell_volume *found)
{
	return shell_volume_named(args_text(args, "vol"), args_text(args, "pool"), found);
}

/* As virsh does: two digits behind the point, and the largest unit below the size. */
static void size_text(char text[32], uint64_t bytes)
{
	static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned u = 0;
	uint64_t whole = bytes, rest = 0, hundredths;

	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		u++;
	}
	hundredths = (rest * 100 + 512) / 1024;
	if (hundredths == 100) {
		whole++;
		hundredths = 0;
	}
	snprintf(text, 32, "%llu.%02llu %s", (llu)whole, (llu)hundredths, unit[u]);
}

static const char *device_name(const struct pool *pool, uint32_t pv)
{
	return pool->device[pv] ? pool->device[pv]->dev->name : "missing";
}

static void list_details(const struct args *args)
{
	static const char *const header[] = {"Name",     "State",      "Autostart", "Persistent",
					     "Capacity", "Allocation", "Available"};
	struct table table;
	char text[3][32];

	table_start(&table, 7, header);
	for (struct pool *pool = pool_first(); pool; pool = pool->next) {
		struct pool_sizes sizes = pool_sizes(pool);
		bool active = !*pool->why;

		if (!(args_flag(args, "all") || active != args_flag(args, "inactive")))
			continue;
		size_text(text[0], sizes.capacity);
		size_text(text[1], sizes.allocation);
		size_text(text[2], sizes.available);
		table_row(&table,
			  (const char *const[]){pool->group.name, pool_state_name(pool), "yes",
						"yes", active ? text[0] : "-",
						active ? text[1] : "-", active ? text[2] : "-"});
	}
	table_end(&table, shell_line);
}

static void run_pool_list(const struct args *args)
{
	static const char *const header[] = {"Name", "State", "Autostart"};
	struct table table;

	if (!shell_pools_are_read())
		return;
	if (args_flag(args, "details")) {
		list_details(args);
		return;
	}
	if (!args_flag(args, "name"))
		table_start(&table, 3, header);
	for (struct pool *pool = pool_first(); pool; pool = pool->next) {
		bool active = !*pool->why;

		if (!(args_flag(args, "all") || active != args_flag(args, "inactive")))
			continue;
		if (args_flag(args, "name"))
			shell_line(pool->group.name);
		else
			table_row(&table,
				  (const char *const[]){pool->group.name,
							active ? "active" : "inactive", "yes"});
	}
	if (args_flag(args, "name"))
		term_printf("\n");
	else
		table_end(&table, shell_line);
}

static void print_size(const char *word, uint64_t bytes, bool exact)
{
	char text[32];

	size_text(text, bytes);
	if (exact)
		term_printf("%-15s %llu bytes\n", word, (llu)bytes);
	else
		term_printf("%-15s %s\n", word, text);
}

static void run_pool_info(const struct args *args)
{
	struct pool *pool = shell_pool_of(args);
	bool bytes = args_flag(args, "bytes");
	struct pool_sizes sizes;
	char uuid[37];

	if (!pool)
		return;
	sizes = pool_sizes(pool);
	pool_uuid_text(uuid, pool);
	term_printf("%-15s %s\n%-15s %s\n%-15s %s\n%-15s yes\n%-15s yes\n",
		    "Name:", pool->group.name, "UUID:", uuid, "State:", pool_state_name(pool),
		    "Persistent:", "Autostart:");
	print_size("Capacity:", sizes.capacity, bytes);
	print_size("Allocation:", sizes.allocation, bytes);
	print_size("Available:", sizes.available, bytes);
	term_printf("%-15s", "Devices:");
	for (uint32_t i = 0; i < pool->group.pvs; i++)
		term_printf(" %s%s", device_name(pool, i),
			    pool->device[i] && !pool_has(pool, i) ? " (missing)" : "");
	term_printf("\n");
	if (*pool->why)
		term_printf("%-15s %s\n", "Cannot be used:", pool->why);
	else if (pool_fixed(pool))
		term_printf("%-15s %s\n", "Read-only:", pool_fixed(pool));
	term_printf("\n");
}

static void run_pool_dumpxml(const struct args *args)
{
	const struct pool *pool = shell_pool_of(args);

	if (!pool)
		return;
	pool_document(pool, shell_put, NULL);
	term_printf("\n");
}

static void refreshed(void)
{
	shell_notice("The pools have been read again\n");
}

static void run_pool_refresh(const struct args *args)
{
	struct pool *pool = shell_pool_of(args);

	if (!pool)
		return;
	if (change_is_running()) {
		shell_error("another change of a pool is at work");
		return;
	}
	term_printf("Pool %s refreshed\n\n", pool->group.name);
	pools_find(refreshed);
}

static void run_vol_list(const struct args *args)
{
	static const char *const header[] = {"Name", "Path", "Type", "Capacity", "Allocation"};
	struct pool *pool = shell_pool_of(args);
	char path[2 * LVM_NAME + 8], size[32];
	struct table table;

	if (!pool)
		return;
	table_start(&table, args_flag(args, "details") ? 5 : 2, header);
	for (uint32_t i = 0; i < pool->group.lvs; i++) {
		const struct lvm_lv *lv = &pool->group.lv[i];

		if (!lv->visible)
			continue;
		size_text(size, pool_bytes(pool, lv->extents));
		table_row(&table, (const char *const[]){lv->name, volume_path(pool, i, path),
							"block", size, size});
	}
	table_end(&table, shell_line);
}

static bool info_bytes, info_physical;

static void show_info(const struct shell_volume *found, const struct volume_facts *facts)
{
	const struct lvm_lv *lv = &found->pool->group.lv[found->lv];
	const struct volume *volume = found->pool->volume[found->lv];
	uint64_t size = pool_bytes(found->pool, lv->extents);
	char file[LVM_TAG_ROOM];

	term_printf("%-15s %s\n%-15s block\n", "Name:", lv->name, "Type:");
	print_size("Capacity:", facts->capacity, info_bytes);
	print_size(info_physical ? "Physical:" : "Allocation:", size, info_bytes);
	if (lvm_tag_value(lv, LVM_KEY_PATH, file))
		term_printf("%-15s %s\n", "File:", file);
	if (*facts->format)
		term_printf("%-15s %s\n", "Format:", facts->format);
	if (*facts->backing)
		term_printf("%-15s %s (%s)\n", "Backing file:", facts->backing,
			    facts->backing_format);
	if (volume && volume->dev.user)
		term_printf("%-15s %s\n", "Used by:", volume->dev.user);
	if (volume && volume->dev.read_only)
		term_printf("%-15s ro\n", "Access:");
	if (!volume)
		term_printf("%-15s %s\n", "Cannot be used:", *lv->why ? lv->why : found->pool->why);
	else if (volume_lost(volume))
		term_printf("%-15s %s\n", "Cannot be used:", volume_lost(volume));
	else if (volume->partial)
		term_printf("%-15s %s\n", "Cannot be used:", volume_is_partial);
	else if (*facts->wrong)
		term_printf("%-15s %s\n", "Cannot be used:", facts->wrong);
	term_printf("\n");
}

static void run_vol_info(const struct args *args)
{
	struct shell_volume found;

	if (!shell_volume_of(args, &found))
		return;
	info_bytes = args_flag(args, "bytes");
	info_physical = args_flag(args, "physical");
	shell_volume_look(&found, show_info);
}

static void show_xml(const struct shell_volume *found, const struct volume_facts *facts)
{
	volume_document(found->pool, found->lv, facts, shell_put, NULL);
	term_printf("\n");
}

static void run_vol_dumpxml(const struct args *args)
{
	struct shell_volume found;

	if (shell_volume_of(args, &found))
		shell_volume_look(&found, show_xml);
}

static void run_vol_path(const struct args *args)
{
	char path[2 * LVM_NAME + 8];
	struct shell_volume found;

	if (shell_volume_of(args, &found))
		term_printf("%s\n", volume_path(found.pool, found.lv, path));
}

static void run_vol_name(const struct args *args)
{
	struct shell_volume found;

	if (shell_volume_of(args, &found))
		term_printf("%s\n", found.pool->group.lv[found.lv].name);
}

static void run_vol_key(const struct args *args)
{
	char uuid[LVM_UUID_TEXT];
	struct shell_volume found;

	if (!shell_volume_of(args, &found))
		return;
	lvm_uuid_text(uuid, found.pool->group.lv[found.lv].id);
	term_printf("%s\n", uuid);
}

static void run_vol_pool(const struct args *args)
{
	struct shell_volume found;
	char uuid[37];

	if (!shell_volume_of(args, &found))
		return;
	pool_uuid_text(uuid, found.pool);
	term_printf("%s\n", args_flag(args, "uuid") ? uuid : found.pool->group.name);
}

static const struct arg pool_list_args[] = {
	{"inactive", ARG_FLAG, ARG_OPTIONAL, "list inactive pools"},
	{"all", ARG_FLAG, ARG_OPTIONAL, "list inactive & active pools"},
	{"details", ARG_FLAG, ARG_OPTIONAL, "display extended details for pools"},
	{"name", ARG_FLAG, ARG_OPTIONAL, "list pool names only"},
	ARG_END,
};

static const struct arg pool_args[] = {
	ARG_POOL,
	ARG_END,
};

static const struct arg pool_info_args[] = {
	ARG_POOL,
	{"bytes", ARG_FLAG, ARG_OPTIONAL, "Returns pool info in bytes"},
	ARG_END,
};

static const struct arg vol_list_args[] = {
	ARG_POOL,
	{"details", ARG_FLAG, ARG_OPTIONAL, "display extended details for volumes"},
	ARG_END,
};

static const struct arg vol_info_args[] = {
	ARG_VOLUME,
	ARG_IN_POOL,
	{"bytes", ARG_FLAG, ARG_OPTIONAL,
	 "sizes are represented in bytes rather than pretty units"},
	{"physical", ARG_FLAG, ARG_OPTIONAL,
	 "return the physical size of the volume in allocation field"},
	ARG_END,
};

static const struct arg vol_args[] = {
	ARG_VOLUME,
	ARG_IN_POOL,
	ARG_END,
};

static const struct arg vol_alone_args[] = {
	{"vol", ARG_TEXT, ARG_REQUIRED, "volume key or path"},
	ARG_END,
};

static const struct arg vol_pool_args[] = {
	{"vol", ARG_TEXT, ARG_REQUIRED, "volume key or path"},
	{"uuid", ARG_FLAG, ARG_OPTIONAL, "return the pool uuid rather than pool name"},
	ARG_END,
};

const struct shell_command shell_pool_commands[] = {
	{"pool-dumpxml", SHELL_POOL, COMPLETE_NONE, "pool information in XML",
	 "Output the pool information as an XML dump to stdout.", pool_args, run_pool_dumpxml},
	{"pool-info", SHELL_POOL, COMPLETE_NONE, "storage pool information",
	 "Returns basic information about the storage pool.", pool_info_args, run_pool_info},
	{"pool-list", SHELL_POOL, COMPLETE_NONE, "list pools", "Returns list of pools.",
	 pool_list_args, run_pool_list},
	{"pool-refresh", SHELL_POOL, COMPLETE_NONE, "refresh a pool", "Refresh a given pool.",
	 pool_args, run_pool_refresh},
	{"vol-dumpxml", SHELL_VOLUME, COMPLETE_NONE, "vol information in XML",
	 "Output the vol information as an XML dump to stdout.", vol_args, run_vol_dumpxml},
	{"vol-info", SHELL_VOLUME, COMPLETE_NONE, "storage vol information",
	 "Returns basic information about the storage vol.", vol_info_args, run_vol_info},
	{"vol-key", SHELL_VOLUME, COMPLETE_NONE,
	 "returns the volume key for a given volume name or path", NULL, vol_args, run_vol_key},
	{"vol-list", SHELL_VOLUME, COMPLETE_NONE, "list vols", "Returns list of vols by pool.",
	 vol_list_args, run_vol_list},
	{"vol-name", SHELL_VOLUME, COMPLETE_NONE,
	 "returns the volume name for a given volume key or path", NULL, vol_alone_args,
	 run_vol_name},
	{"vol-path", SHELL_VOLUME, COMPLETE_NONE,
	 "returns the volume path for a given volume name or key", NULL, vol_args, run_vol_path},
	{"vol-pool", SHELL_VOLUME, COMPLETE_NONE,
	 "returns the storage pool for a given volume key or path", NULL, vol_pool_args,
	 run_vol_pool},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
