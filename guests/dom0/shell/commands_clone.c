/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vol-clone: of a raw or qcow2 volume, a new image that has the volume as its backing file, without
 * a copy; of a volume with another program's format, a new volume with the content.
 */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/progress.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/storage/convert.h"
#include "guests/dom0/storage/image_make.h"

#define LOOK_NS 20000000u

static struct {
	bool converts, ended;
	char name[LVM_NAME], from[LVM_NAME];
	struct progress progress;
	char why[256], note[96];
} job;

static void ended(const char *wrong, const char *note)
{
	job.ended = true;
	snprintf(job.note, sizeof(job.note), "%s", note);
	snprintf(job.why, sizeof(job.why), "%s", wrong ? wrong : "");
}

static void print_end(void)
{
	if (job.converts)
		progress_end();
	if (*job.why) {
		shell_failure(job.why, "Failed to clone vol from %s", job.from);
		return;
	}
	term_printf("Vol %s cloned from %s\n", job.name, job.from);
	if (*job.note)
		term_printf("warning: %s\n", job.note);
	term_printf("\n");
}

static bool wait_for_end(bool cancel)
{
	struct convert_status now;

	if (job.converts && cancel)
		convert_stop();
	if (cancel && !job.converts) {
		term_printf("The change goes on.\n");
		return false;
	}
	if (job.ended) {
		print_end();
		return false;
	}
	if (job.converts) {
		convert_look(&now);
		progress_show(&job.progress, now.bytes, now.total);
	}
	return true;
}

static const char *begin(const struct args *args, const struct shell_volume *found)
{
	const char *format = args_text(args, "format");
	struct convert_order order = {
		.from_pool = found->pool,
		.from = found->lv,
		.format = args_text(args, "source-format"),
		.pool = found->pool,
		.name = args_text(args, "newname"),
		.qcow2 = !format || !strcmp(format, "qcow2"),
		.done = ended,
	};
	struct image_order image = {
		.pool = found->pool,
		.name = order.name,
		.base_pool = found->pool,
		.base = found->lv,
	};

	if (format && !order.qcow2 && strcmp(format, "raw") != 0)
		return "a new volume is raw or qcow2";
	job.converts = order.format || convert_is_needed(found->pool, found->lv);
	if (job.converts)
		return convert_start(&order);
	if (!order.qcow2)
		return "a clone of a raw or qcow2 volume is a qcow2 image that has it as its "
		       "backing file";
	return image_make(&image, ended);
}

static void run_vol_clone(const struct args *args)
{
	struct shell_volume found;
	const char *wrong;

	if (!shell_volume_of(args, &found))
		return;
	memset(&job, 0, sizeof(job));
	snprintf(job.name, sizeof(job.name), "%s", args_text(args, "newname"));
	snprintf(job.from, sizeof(job.from), "%s", found.pool->group.lv[found.lv].name);
	progress_begin(&job.progress);
	wrong = begin(args, &found);
	if (wrong)
		shell_failure(wrong, "Failed to clone vol from %s", job.from);
	else
		shell_job(wait_for_end, LOOK_NS);
}

static const struct arg clone_args[] = {
	ARG_VOLUME,
	{"newname", ARG_TEXT, ARG_REQUIRED, "clone name"},
	ARG_IN_POOL,
	{"source-format", ARG_TEXT, ARG_NAMED,
	 "format of the vol, if no tag says it: vmdk, vpc or vdi"},
	{"format", ARG_TEXT, ARG_NAMED, "format of the new vol: qcow2 (the default) or raw"},
	ARG_END,
};

const struct shell_command shell_clone_commands[] = {
	{"vol-clone", SHELL_VOLUME, COMPLETE_NONE, "clone a volume.",
	 "Clone an existing volume within the parent pool.", clone_args, run_vol_clone},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
