/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that bring something from the network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/shell/download.h"
#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/progress.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/storage/fetch.h"
#include "guests/dom0/vm/vm.h"

typedef unsigned long long llu;

#define LOOK_NS 50000000u

/* --- volumes ------------------------------------------------------------------------------------
 */

static struct {
	char volume[LVM_NAME];
	bool hashed, cancelled;
	struct progress progress;
} job;

static void print_end(const struct fetch_status *now)
{
	progress_end();
	if (now->why) {
		shell_failure(now->why, "Failed to fetch vol %s", job.volume);
		if (now->kept)
			term_printf("The volume has a part of the content and is for no guest: "
				    "vol-fetch fills it, vol-delete removes it.\n");
	} else {
		term_printf("Vol %s fetched: %llu bytes in %llu s%s\n", job.volume, (llu)now->bytes,
			    (llu)((clock_ns() - job.progress.begin) / 1000000000u),
			    job.hashed ? ", the SHA-256 is right" : "");
		if (now->resumed)
			term_printf("%u broken connection%s taken up again\n", now->resumed,
				    now->resumed == 1 ? " was" : "s were");
	}
	term_printf("\n");
}

static bool look_at_fetch(bool cancel)
{
	struct fetch_status now;

	if (cancel)
		fetch_stop();
	fetch_look(&now);
	if (now.ended)
		print_end(&now);
	else
		progress_show(&job.progress, now.bytes, now.length);
	return !now.ended;
}

static void run_vol_fetch(const struct args *args)
{
	const char *format = args_text(args, "format"), *size = args_text(args, "capacity");
	const struct pool *pool = shell_pool_of(args);
	struct fetch_order order = {
		.volume = args_text(args, "name"),
		.url = args_text(args, "url"),
		.sha256 = args_text(args, "sha256"),
		.format = format ? format : "raw",
		.overwrite = args_flag(args, "overwrite"),
	};
	const char *wrong;

	if (!pool || (size && !shell_size(size, 1, &order.capacity)))
		return;
	memset(&job, 0, sizeof(job));
	snprintf(job.volume, sizeof(job.volume), "%s", order.volume);
	job.hashed = order.sha256 != NULL;
	progress_begin(&job.progress);
	order.pool = pool->group.name;
	wrong = fetch_start(&order);
	if (wrong)
		shell_failure(wrong, "Failed to fetch vol %s", job.volume);
	else
		shell_job(look_at_fetch, LOOK_NS);
}

/* --- descriptions -------------------------------------------------------------------------------
 */

static void run_define_from(const struct args *args)
{
	struct download order = {
		.url = args_text(args, "url"),
		.sha256 = args_text(args, "sha256"),
		.most = CONFIG_XML_BYTES,
		.what = "the description",
		.fault = "Failed to define domain from",
		.use = shell_define_text,
	};

	shell_download(&order);
}

static const struct arg fetch_args[] = {
	{"pool", ARG_TEXT, ARG_REQUIRED, "pool name or uuid"},
	{"name", ARG_TEXT, ARG_REQUIRED, "name of the volume"},
	{"url", ARG_TEXT, ARG_REQUIRED, "http://HOST[:PORT]/PATH, or https://"},
	{"sha256", ARG_TEXT, ARG_NAMED, "the SHA-256 that the content must have"},
	{"capacity", ARG_TEXT, ARG_NAMED,
	 "size of the vol, as scaled integer (default bytes); without it, the content's"},
	{"format", ARG_TEXT, ARG_NAMED,
	 "format of the content: raw (the default), qcow2, vmdk, vpc or vdi"},
	{"overwrite", ARG_FLAG, ARG_OPTIONAL, "a volume that is there loses its data"},
	ARG_END,
};

static const struct arg define_from_args[] = {
	{"url", ARG_TEXT, ARG_REQUIRED,
	 "http://HOST[:PORT]/PATH, or https://, of an XML domain description"},
	{"sha256", ARG_TEXT, ARG_NAMED, "the SHA-256 that the description must have"},
	ARG_END,
};

const struct shell_command shell_fetch_commands[] = {
	{"define-from", SHELL_SAMPO, COMPLETE_NONE, "define a domain from a URL", NULL,
	 define_from_args, run_define_from},
	{"vol-fetch", SHELL_SAMPO, COMPLETE_NONE, "fill a volume from a URL", NULL, fetch_args,
	 run_vol_fetch},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
