/* SPDX-License-Identifier: BSD-2-Clause */
/* What a verb shows of the image in a volume: its header is read first, without holding up dom0. */
#include "guests/dom0/manage/volume_look.h"
#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"

#define LOOK_NS 2000000u

static struct {
	bool at_work, at_once;
	struct volume_look look;
	void (*show)(const struct shell_volume *found, const struct volume_facts *facts);
} job;

/* The pool may have changed meanwhile. */
static void show(void)
{
	struct shell_volume found;

	if (volume_looked(&job.look, &found.pool, &found.lv))
		job.show(&found, &job.look.facts);
	else
		shell_error("the volume is gone");
}

static void looked(struct volume_look *look)
{
	(void)look;
	job.at_work = false;
	if (job.at_once)
		show();
}

static bool wait_for_header(bool cancel)
{
	if (cancel)
		return false;
	if (job.at_work)
		return true;
	show();
	return false;
}

void shell_volume_look(const struct shell_volume *found,
		       void (*show_it)(const struct shell_volume *found,
				       const struct volume_facts *facts))
{
	if (job.at_work) {
		shell_error("the disk does not answer");
		return;
	}
	job.show = show_it;
	job.at_work = job.at_once = true;
	job.look.done = looked;
	volume_look(&job.look, found->pool, found->lv);
	job.at_once = false;
	if (job.at_work)
		shell_job(wait_for_header, LOOK_NS);
}
