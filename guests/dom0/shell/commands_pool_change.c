/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that change pools, volumes and the size of guests' disks. Each waits for the disks
 * without holding up dom0. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/image_make.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/lvm_tag.h"
#include "guests/dom0/storage/path.h"
#include "guests/dom0/vm/vm.h"

#define LOOK_NS 5000000u

static struct {
	bool ended;
	char what[2 * LVM_NAME + 64];  /* virsh's sentence about success */
	char fault[2 * LVM_NAME + 64]; /* and about failure */
	char why[192], note[96];
} job;

static void ended(const char *wrong, const char *note)
{
	job.ended = true;
	snprintf(job.why, sizeof(job.why), "%s", wrong ? wrong : "");
	snprintf(job.note, sizeof(job.note), "%s", note);
}

/* ^C gives the shell back; a change that has begun goes on to its end. */
static bool wait_for_end(bool cancel)
{
	if (cancel) {
		term_printf("The change goes on.\n");
		return false;
	}
	if (!job.ended)
		return true;
	if (*job.why) {
		shell_failure(job.why, "%s", job.fault);
		return false;
	}
	term_printf("%s\n", job.what);
	if (*job.note)
		term_printf("warning: %s\n", job.note);
	term_printf("\n");
	return false;
}

static void begin(void)
{
	memset(&job, 0, sizeof(job));
}

static void wait(const char *wrong)
{
	if (wrong)
		shell_failure(wrong, "%s", job.fault);
	else
		shell_job(wait_for_end, LOOK_NS);
}

bool shell_size(const char *text, uint64_t own, uint64_t *bytes)
{
	uint64_t n, unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? config_unit(end) : own;
	if (*text >= '0' && *text <= '9' && !errno && unit && n <= UINT64_MAX / unit) {
		*bytes = n * unit;
		return true;
	}
	shell_error("Malformed size %s", text);
	return false;
}

static void run_pool_build(const struct args *args)
{
	const char *name = args_text(args, "pool");
	struct blkdev *dev[CHANGE_DEVICES];

	if (args->many_count > CHANGE_DEVICES) {
		shell_error("a new pool has from 1 to %u devices", CHANGE_DEVICES);
		return;
	}
	for (unsigned i = 0; i < args->many_count; i++) {
		dev[i] = blk_find(args->many[i]);
		if (!dev[i]) {
			shell_error("there is no device %s", args->many[i]);
			return;
		}
	}
	begin();
	snprintf(job.what, sizeof(job.what), "Pool %.*s built", (int)LVM_NAME, name);
	snprintf(job.fault, sizeof(job.fault), "Failed to build pool %.*s", (int)LVM_NAME, name);
	wait(change_build(name, dev, args->many_count, args_flag(args, "overwrite"), ended));
}

static void run_pool_adopt(const struct args *args)
{
	struct pool *pool = shell_pool_of(args);

	if (!pool)
		return;
	if (!args_flag(args, "write")) {
		shell_error(
			"Sampo will write the metadata of this group: --write says that this is "
			"meant");
		return;
	}
	begin();
	snprintf(job.what, sizeof(job.what), "Pool %s adopted", pool->group.name);
	snprintf(job.fault, sizeof(job.fault), "Failed to adopt pool %s", pool->group.name);
	wait(change_adopt(pool, ended));
}

static void create_image(const struct args *args, struct pool *pool, const char *name,
			 uint64_t capacity)
{
	const char *backing = args_text(args, "backing-vol");
	const char *allocation = args_text(args, "allocation");
	const char *file = args_text(args, "file");
	struct image_order order = {
		.pool = pool,
		.name = name,
		.capacity = capacity,
		.base_format = args_text(args, "backing-vol-format"),
		.file = file,
	};
	struct shell_volume base;

	if (allocation && !shell_size(allocation, 1, &order.allocation))
		return;
	if (backing) {
		if (!shell_volume_named(backing, pool->group.name, &base))
			return;
		order.base_pool = base.pool;
		order.base = base.lv;
	}
	begin();
	snprintf(job.what, sizeof(job.what), "Vol %.*s created", (int)LVM_NAME, name);
	snprintf(job.fault, sizeof(job.fault), "Failed to create vol %.*s", (int)LVM_NAME, name);
	wait(file && path_wrong(file) ? path_wrong(file) : image_make(&order, ended));
}

static void run_vol_create_as(const struct args *args)
{
	const char *name = args_text(args, "name"), *format = args_text(args, "format");
	const char *file = args_text(args, "file");
	struct pool *pool = shell_pool_of(args);
	const char *tags[2] = {NULL, NULL};
	char tag[LVM_TAG_ROOM];
	uint64_t bytes;

	if (!pool || !shell_size(args_text(args, "capacity"), 1, &bytes))
		return;
	if (format && strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0) {
		shell_error("unknown volume format type %s", format);
		return;
	}
	if (format && !strcmp(format, "qcow2")) {
		create_image(args, pool, name, bytes);
		return;
	}
	if (args_text(args, "backing-vol")) {
		shell_error("a raw volume has no backing volume: --format qcow2");
		return;
	}
	begin();
	snprintf(job.what, sizeof(job.what), "Vol %.*s created", (int)LVM_NAME, name);
	snprintf(job.fault, sizeof(job.fault), "Failed to create vol %.*s", (int)LVM_NAME, name);
	if (file && path_wrong(file)) {
		wait(path_wrong(file));
		return;
	}
	if (file && lvm_tag_make(tag, LVM_KEY_PATH, file))
		tags[0] = tag;
	wait(change_create(pool, name, bytes, tags, ended));
}

static void run_vol_file(const struct args *args)
{
	const char *path = args_text(args, "path"), *wrong;
	bool clear = args_flag(args, "clear");
	struct shell_volume found;
	char now[LVM_TAG_ROOM];
	const struct lvm_lv *lv;

	if (!shell_not_both(args, "path", "clear") || !shell_volume_of(args, &found))
		return;
	lv = &found.pool->group.lv[found.lv];
	if (!path && !clear) {
		if (lvm_tag_value(lv, LVM_KEY_PATH, now))
			term_printf("%s\n\n", now);
		else
			shell_error("the volume '%s' has no path of a file", lv->name);
		return;
	}
	begin();
	snprintf(job.what, sizeof(job.what), "File of volume '%s' successfully changed", lv->name);
	snprintf(job.fault, sizeof(job.fault), "Failed to change file of volume '%s'", lv->name);
	wrong = path ? path_wrong(path) : NULL;
	wait(wrong ? wrong : change_tag(found.pool, found.lv, LVM_KEY_PATH, path, ended));
}

/* The volume that an image of a pool may have as its backing file, as "POOL/VOLUME". Returns false
 * after a message. */
static bool base_name(const struct shell_volume *of, const char *base, char name[2 * LVM_NAME])
{
	const struct volume *volume = of->pool->volume[of->lv];
	const struct blkdev *dev = volume ? image_backing_dev(&volume->dev, base) : NULL;
	struct pool *pool;
	uint32_t lv;

	if (!dev || dev == &volume->dev || !path_volume(dev, &pool, &lv)) {
		shell_error("%s is no volume that can be a backing file", base);
		return false;
	}
	snprintf(name, 2 * LVM_NAME, "%s/%s", pool->group.name, pool->group.lv[lv].name);
	return true;
}

static void run_vol_backing(const struct args *args)
{
	const char *base = args_text(args, "base");
	bool clear = args_flag(args, "clear");
	char name[2 * LVM_NAME], now[LVM_TAG_ROOM];
	struct shell_volume found;
	const struct lvm_lv *lv;

	if (!shell_not_both(args, "base", "clear") || !shell_volume_of(args, &found))
		return;
	lv = &found.pool->group.lv[found.lv];
	if (!base && !clear) {
		if (lvm_tag_value(lv, LVM_KEY_BACKING, now))
			term_printf("%s\n\n", now);
		else
			shell_error("the volume '%s' may have no backing file", lv->name);
		return;
	}
	if (base && !base_name(&found, base, name))
		return;
	begin();
	snprintf(job.what, sizeof(job.what), "Backing file of volume '%s' successfully changed",
		 lv->name);
	snprintf(job.fault, sizeof(job.fault), "Failed to change backing file of volume '%s'",
		 lv->name);
	wait(change_tag(found.pool, found.lv, LVM_KEY_BACKING, base ? name : NULL, ended));
}

static void run_vol_delete(const struct args *args)
{
	struct shell_volume found;
	const char *name;

	if (!shell_volume_of(args, &found))
		return;
	name = args_text(args, "vol");
	begin();
	snprintf(job.what, sizeof(job.what), "Vol %.*s deleted", (int)LVM_NAME, name);
	snprintf(job.fault, sizeof(job.fault), "Failed to delete vol %.*s", (int)LVM_NAME, name);
	wait(change_delete(found.pool, found.lv, ended));
}

static void run_vol_rename(const struct args *args)
{
	const char *name = args_text(args, "newname");
	struct shell_volume found;

	if (!shell_volume_of(args, &found))
		return;
	begin();
	snprintf(job.what, sizeof(job.what), "Vol %.*s renamed", (int)LVM_NAME,
		 found.pool->group.lv[found.lv].name);
	snprintf(job.fault, sizeof(job.fault), "Failed to rename vol %.*s", (int)LVM_NAME,
		 found.pool->group.lv[found.lv].name);
	wait(change_rename(found.pool, found.lv, name, ended));
}

static void run_vol_resize(const struct args *args)
{
	const char *size = args_text(args, "capacity");
	struct shell_volume found;
	const char *name;
	uint64_t bytes;

	if (!shell_volume_of(args, &found) || !shell_size(size, 1, &bytes))
		return;
	name = found.pool->group.lv[found.lv].name;
	begin();
	snprintf(job.what, sizeof(job.what), "Size of volume '%s' successfully changed to %.40s",
		 name, size);
	snprintf(job.fault, sizeof(job.fault), "Failed to change size of volume '%s' to %.40s",
		 name, size);
	wait(change_resize(found.pool, found.lv, bytes, args_flag(args, "shrink"), ended));
}

/* The volume behind a guest's disk, which the line names by its target or its source. */
static const char *find_disk_volume(const struct vm *vm, const char *name,
				    struct shell_volume *found)
{
	const struct config_disk *disk = NULL;
	struct blkdev *dev;
	const char *wrong;

	for (unsigned i = 0; i < vm->config->disks; i++)
		if (!strcmp(vm->config->disk[i].target, name) ||
		    !strcmp(vm->config->disk[i].source, name))
			disk = &vm->config->disk[i];
	if (!disk)
		return "invalid argument: the domain has no such disk";
	wrong = path_source(disk->source, disk->file, &dev);
	if (wrong)
		return wrong;
	if (path_volume(dev, &found->pool, &found->lv))
		return NULL;
	return "the disk is not a volume of a pool: its size is fixed";
}

static void run_blockresize(const struct args *args)
{
	const char *path = args_text(args, "path"), *wrong;
	bool in_bytes = args_flag(args, "bytes");
	struct vm *vm = shell_domain_of(args);
	struct shell_volume found;
	uint64_t bytes;

	if (!vm || !shell_size(args_text(args, "size"), in_bytes ? 1 : 1024, &bytes))
		return;
	begin();
	snprintf(job.what, sizeof(job.what), "Block device '%.*s' is resized", (int)LVM_NAME, path);
	snprintf(job.fault, sizeof(job.fault), "Failed to resize block device '%.*s'",
		 (int)LVM_NAME, path);
	wrong = vm->id ? find_disk_volume(vm, path, &found) : shell_not_running;
	wait(wrong ? wrong : change_resize(found.pool, found.lv, bytes, false, ended));
}

static const struct arg pool_build_args[] = {
	{"pool", ARG_TEXT, ARG_REQUIRED, "name of the new pool"},
	{"overwrite", ARG_FLAG, ARG_OPTIONAL, "overwrite any existing data"},
	{"device", ARG_MANY, ARG_REQUIRED, "disk or partition"},
	ARG_END,
};

static const struct arg pool_adopt_args[] = {
	ARG_POOL,
	{"write", ARG_FLAG, ARG_OPTIONAL, "write the group's metadata"},
	ARG_END,
};

static const struct arg create_args[] = {
	{"pool", ARG_TEXT, ARG_REQUIRED, "pool name"},
	{"name", ARG_TEXT, ARG_REQUIRED, "name of the volume"},
	{"capacity", ARG_TEXT, ARG_REQUIRED, "size of the vol, as scaled integer (default bytes)"},
	{"allocation", ARG_TEXT, ARG_NAMED,
	 "initial allocation size, as scaled integer (default bytes)"},
	{"format", ARG_TEXT, ARG_NAMED, "file format type raw,qcow2"},
	{"backing-vol", ARG_TEXT, ARG_NAMED, "the backing volume if taking a snapshot"},
	{"backing-vol-format", ARG_TEXT, ARG_NAMED,
	 "format of backing volume if taking a snapshot"},
	{"file", ARG_TEXT, ARG_NAMED, "path of a file by which guests name the volume"},
	ARG_END,
};

static const struct arg backing_args[] = {
	ARG_VOLUME,
	{"base", ARG_TEXT, ARG_OPTIONAL, "volume that the image may have as its backing file"},
	ARG_IN_POOL,
	{"clear", ARG_FLAG, ARG_OPTIONAL, "it may have none"},
	ARG_END,
};

static const struct arg file_args[] = {
	ARG_VOLUME,
	{"path", ARG_TEXT, ARG_OPTIONAL, "path of a file by which guests name the volume"},
	ARG_IN_POOL,
	{"clear", ARG_FLAG, ARG_OPTIONAL, "take the path away"},
	ARG_END,
};

static const struct arg delete_args[] = {
	ARG_VOLUME,
	ARG_IN_POOL,
	ARG_END,
};

static const struct arg rename_args[] = {
	ARG_VOLUME,
	{"newname", ARG_TEXT, ARG_REQUIRED, "new name of the volume"},
	ARG_IN_POOL,
	ARG_END,
};

static const struct arg resize_args[] = {
	ARG_VOLUME,
	{"capacity", ARG_TEXT, ARG_REQUIRED,
	 "new capacity for the vol, as scaled integer (default bytes)"},
	ARG_IN_POOL,
	{"shrink", ARG_FLAG, ARG_OPTIONAL, "allow the resize to shrink the volume"},
	ARG_END,
};

static const struct arg blockresize_args[] = {
	ARG_ANY_DOMAIN,
	{"path", ARG_TEXT, ARG_REQUIRED, "Fully-qualified path of block device"},
	{"size", ARG_TEXT, ARG_REQUIRED,
	 "New size of the block device, as scaled integer (default KiB)"},
	{"bytes", ARG_FLAG, ARG_OPTIONAL, "treat size as bytes"},
	ARG_END,
};

const struct shell_command shell_pool_change_commands[] = {
	{"blockresize", SHELL_DOMAIN, COMPLETE_DOMAIN, "Resize block device of domain.",
	 "Resize block device of domain.", blockresize_args, run_blockresize},
	{"pool-adopt", SHELL_SAMPO, COMPLETE_NONE, "let Sampo change a volume group", NULL,
	 pool_adopt_args, run_pool_adopt},
	{"pool-build", SHELL_POOL, COMPLETE_NONE, "build a pool", "Build a given pool.",
	 pool_build_args, run_pool_build},
	{"vol-backing", SHELL_SAMPO, COMPLETE_NONE, "volume that an image may have behind it", NULL,
	 backing_args, run_vol_backing},
	{"vol-create-as", SHELL_VOLUME, COMPLETE_NONE, "create a volume from a set of args",
	 "Create a vol.", create_args, run_vol_create_as},
	{"vol-delete", SHELL_VOLUME, COMPLETE_NONE, "delete a vol", "Delete a given vol.",
	 delete_args, run_vol_delete},
	{"vol-file", SHELL_SAMPO, COMPLETE_NONE, "path of a file by which guests name a volume",
	 NULL, file_args, run_vol_file},
	{"vol-rename", SHELL_SAMPO, COMPLETE_NONE, "rename a vol", NULL, rename_args,
	 run_vol_rename},
	{"vol-resize", SHELL_VOLUME, COMPLETE_NONE, "resize a vol",
	 "Resizes a storage vol. This is safe only for storage vols not in use by an active "
	 "guest.",
	 resize_args, run_vol_resize},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
