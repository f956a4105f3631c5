/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs of snapshots of guests that are off. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/calendar.h"
#include "guests/dom0/manage/snapshot.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm/vm.h"

#define LOOK_NS 5000000u

static struct {
	struct snapshot_job job;
	bool at_work;
	char what[200], fault[200];
} work;

static void done(struct snapshot_job *job)
{
	(void)job;
	work.at_work = false;
}

/* A name as it can be shown. */
static void plain_name(char to[QCOW2_SNAPSHOT_NAME], const struct qcow2_snapshot *snapshot)
{
	size_t n = snapshot->name_bytes < QCOW2_SNAPSHOT_NAME - 1 ? snapshot->name_bytes
								  : QCOW2_SNAPSHOT_NAME - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = snapshot->name[i] >= ' ' && snapshot->name[i] <= '~' ? snapshot->name[i]
									     : '?';
	to[n] = 0;
}

static void show_list(const struct snapshot_job *job)
{
	static const char *const header[] = {"Name", "Creation Time", "State"};
	struct table table;

	table_start(&table, 3, header);
	for (uint32_t i = 0; i < job->snapshots.count; i++) {
		const struct qcow2_snapshot *snapshot = &job->snapshots.one[i];
		char name[QCOW2_SNAPSHOT_NAME], time[CALENDAR_TEXT], text[CALENDAR_TEXT + 8];

		if (job->lacks[i])
			continue;
		plain_name(name, snapshot);
		calendar_text(time, snapshot->seconds);
		snprintf(text, sizeof(text), "%s +0000", time);
		table_row(&table, (const char *const[]){name, text,
							snapshot->state ? "running" : "shutoff"});
	}
	table_end(&table, shell_line);
}

static void tell(void)
{
	if (*work.job.why)
		shell_failure(work.job.why, "%s", work.fault);
	else if (work.job.kind == QCOW2_LIST)
		show_list(&work.job);
	else
		term_printf("%s\n", work.what);
	term_printf("\n");
	snapshot_free(&work.job);
}

static bool look(bool cancel)
{
	if (cancel)
		snapshot_stop(&work.job);
	if (!work.at_work)
		tell();
	return work.at_work;
}

static void begin(const struct vm *vm, enum qcow2_rewrite_kind kind, const char *name)
{
	const char *wrong;

	memset(&work.job, 0, sizeof(work.job));
	work.job.kind = kind;
	work.job.done = done;
	work.job.rewrite.unix_ns = clock_wall_ns();
	snprintf(work.job.rewrite.name, sizeof(work.job.rewrite.name), "%s", name);
	work.at_work = true;
	wrong = snapshot_begin(&work.job, vm);
	if (!wrong) {
		shell_job(look, LOOK_NS);
		return;
	}
	snprintf(work.job.why, sizeof(work.job.why), "%s", wrong);
	tell();
}

/* A verb about a snapshot whose name the line has. */
static void run_named(const struct args *args, const char *option, enum qcow2_rewrite_kind kind,
		      const char *verb, const char *past)
{
	const struct vm *vm = shell_domain_of(args);
	const char *name = args_text(args, option);
	char made[24];

	if (!vm)
		return;
	if (!name) {
		snprintf(made, sizeof(made), "%llu",
			 (unsigned long long)(clock_wall_ns() / 1000000000u));
		name = made;
	}
	if (!*name || strlen(name) >= QCOW2_SNAPSHOT_NAME) {
		shell_error("the name of a snapshot has from 1 to %u bytes",
			    QCOW2_SNAPSHOT_NAME - 1);
		return;
	}
	snprintf(work.what, sizeof(work.what), "Domain snapshot %s %s", name, past);
	snprintf(work.fault, sizeof(work.fault), "Failed to %s snapshot %s", verb, name);
	begin(vm, kind, name);
}

static void run_snapshot_create_as(const struct args *args)
{
	run_named(args, "name", QCOW2_CREATE, "create", "created");
}

static void run_snapshot_revert(const struct args *args)
{
	run_named(args, "snapshotname", QCOW2_REVERT, "revert", "reverted");
}

static void run_snapshot_delete(const struct args *args)
{
	run_named(args, "snapshotname", QCOW2_DELETE, "delete", "deleted");
}

static void run_snapshot_list(const struct args *args)
{
	const struct vm *vm = shell_domain_of(args);

	if (!vm)
		return;
	snprintf(work.fault, sizeof(work.fault), "Failed to list snapshots");
	begin(vm, QCOW2_LIST, "");
}

static const struct arg create_args[] = {
	ARG_ANY_DOMAIN,
	{"name", ARG_TEXT, ARG_OPTIONAL, "name of snapshot"},
	ARG_END,
};

static const struct arg named_args[] = {
	ARG_ANY_DOMAIN,
	{"snapshotname", ARG_TEXT, ARG_REQUIRED, "snapshot name"},
	ARG_END,
};

static const struct arg list_args[] = {
	ARG_ANY_DOMAIN,
	ARG_END,
};

const struct shell_command shell_snapshot_commands[] = {
	{"snapshot-create-as", SHELL_SNAPSHOT, COMPLETE_DOMAIN,
	 "Create a snapshot from a set of args", "Create a snapshot (disk and RAM) from arguments",
	 create_args, run_snapshot_create_as},
	{"snapshot-delete", SHELL_SNAPSHOT, COMPLETE_DOMAIN, "Delete a domain snapshot",
	 "Snapshot Delete", named_args, run_snapshot_delete},
	{"snapshot-list", SHELL_SNAPSHOT, COMPLETE_DOMAIN, "List snapshots for a domain",
	 "Snapshot List", list_args, run_snapshot_list},
	{"snapshot-revert", SHELL_SNAPSHOT, COMPLETE_DOMAIN, "Revert a domain to a snapshot",
	 "Revert domain to snapshot", named_args, run_snapshot_revert},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
