/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The intent is a setting of the store, "KIND UUID NAME". Without a store there is none, and a cut
 * may leave the first images changed and the others not.
 */
#include "guests/dom0/manage/intent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/guest.h"

#define SETTING "snapshot-intent"
#define UUID    36u
#define TEXT    (16u + UUID + QCOW2_SNAPSHOT_NAME)
#define LOOK_NS 20000000u /* between two looks for the end of another change of the store */

static const char *const words[] = {
	[QCOW2_CREATE] = "create",
	[QCOW2_REVERT] = "revert",
	[QCOW2_DELETE] = "delete",
};

/* One job at a time: the shell's, or, before it, the one of the start. */
static struct {
	struct snapshot_job *job;
	char text[TEXT];
	const char *value; /* NULL: forget */
	struct timer again;
	void (*done)(struct snapshot_job *job, const char *wrong);
	/* of the start */
	struct snapshot_job rest;
	void (*finished)(void);
} intent;

static void stored(void *context, const char *wrong)
{
	(void)context;
	intent.done(intent.job, wrong);
}

/* The store does one thing at a time. */
static void store(struct timer *timer)
{
	const char *wrong = store_set(SETTING, intent.value, stored, NULL);

	if (wrong && store_is_open())
		timer_set(timer, clock_ns() + LOOK_NS);
	else if (wrong)
		stored(NULL, wrong);
}

static void write(struct snapshot_job *job, const char *value,
		  void (*done)(struct snapshot_job *job, const char *wrong))
{
	intent.job = job;
	intent.value = value;
	intent.done = done;
	timer_init(&intent.again, store, NULL);
	if (store_is_open())
		store(&intent.again);
	else
		done(job, NULL);
}

void intent_keep(struct snapshot_job *job,
		 void (*kept)(struct snapshot_job *job, const char *wrong))
{
	const uint8_t *u = job->uuid;

	snprintf(intent.text, sizeof(intent.text),
		 "%s %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x %s",
		 words[job->kind], u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
		 u[10], u[11], u[12], u[13], u[14], u[15], job->rewrite.name);
	write(job, intent.text, kept);
}

void intent_forget(struct snapshot_job *job,
		   void (*forgotten)(struct snapshot_job *job, const char *wrong))
{
	write(job, NULL, forgotten);
}

/* --- at the start ------------------------------------------------------------------------------
 */

static void finished(struct snapshot_job *job, const char *wrong)
{
	if (wrong)
		printf(LOG_ERR "the store still says that a snapshot is to be changed: %s\n",
		       wrong);
	snapshot_free(job);
	intent.finished();
}

static void done(struct snapshot_job *job)
{
	if (*job->why)
		printf(LOG_ERR "%s: a change of snapshot %s that was cut off: %s\n", job->user,
		       job->rewrite.name, job->why);
	finished(job, NULL);
}

static const char *begin(struct snapshot_job *job, char *text)
{
	char *uuid = strchr(text, ' '), *name = uuid ? strchr(uuid + 1, ' ') : NULL;
	struct vm *vm;

	if (!name || !name[1] || strlen(name + 1) >= QCOW2_SNAPSHOT_NAME)
		return "its note in the store is damaged";
	*uuid++ = *name++ = 0;
	/* What is not in all images is taken away again. */
	job->kind = strcmp(text, words[QCOW2_REVERT]) ? QCOW2_DELETE : QCOW2_REVERT;
	snprintf(job->rewrite.name, sizeof(job->rewrite.name), "%s", name);
	vm = vm_find(uuid);
	if (!vm)
		return "its guest is gone";
	printf("%s: the power was cut in a change of snapshot %s (%s): it is brought to its end\n",
	       vm->name, name, text);
	return snapshot_begin(job, vm);
}

void intent_finish(void (*when_finished)(void))
{
	static char text[TEXT];
	const char *wrong;

	intent.finished = when_finished;
	store_setting(SETTING, text, sizeof(text));
	if (!*text) {
		when_finished();
		return;
	}
	memset(&intent.rest, 0, sizeof(intent.rest));
	intent.rest.finishes = intent.rest.intended = true;
	intent.rest.done = done;
	wrong = begin(&intent.rest, text);
	if (!wrong)
		return;
	printf(LOG_ERR "a change of snapshots that was cut off: %s\n", wrong);
	intent_forget(&intent.rest, finished);
}
