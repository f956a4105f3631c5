/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/authorities.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/tls/servers.h"
#include "guests/lib/guest.h"

#define SETTING "ca"

/* The change that is at work; without `done` it is the recall of what is kept. */
static struct {
	char *text; /* NULL: none is at work */
	authorities_done *done;
	struct servers *servers;
	const char *wrong;
	struct slow slow;
	struct work work;
} job;

static void finish(const char *wrong)
{
	authorities_done *done = job.done;

	if (!wrong)
		servers_use(job.servers);
	servers_drop(job.servers);
	free(job.text);
	job.text = NULL;
	if (done)
		done(wrong);
	else if (wrong)
		printf(LOG_ERR "https: the CAs that the store has: %s (tls-trust)\n", wrong);
}

static void kept(void *context, const char *wrong)
{
	(void)context;
	finish(wrong);
}

/* Back in the event loop. */
static void made(struct work *work)
{
	const char *wrong = job.wrong;

	(void)work;
	if (!wrong && job.done) {
		wrong = store_set(SETTING, *job.text ? job.text : NULL, kept, NULL);
		if (!wrong)
			return;
	}
	finish(wrong);
}

/* Many certificates take some milliseconds. */
static void make(struct slow *slow)
{
	(void)slow;
	job.servers = servers_make(job.text, &job.wrong);
	work_queue(&job.work);
}

static void begin(char *text, authorities_done *done)
{
	job.text = text;
	job.done = done;
	job.servers = NULL;
	job.wrong = NULL;
	job.slow = (struct slow){.run = make};
	job.work = (struct work){.run = made};
}

void recall_authorities(void)
{
	char *text = job.text ? NULL : malloc(SERVERS_TEXT + 1);

	if (!text)
		return;
	store_setting(SETTING, text, SERVERS_TEXT + 1);
	if (!*text) {
		free(text);
		return;
	}
	begin(text, NULL);
	slow_queue(&job.slow);
}

static void store_made(void *context, const char *wrong)
{
	(void)context;
	if (wrong)
		finish(wrong);
	else
		slow_queue(&job.slow);
}

const char *authorities_set(const char *text, authorities_done *done)
{
	const char *wrong = NULL;
	char *copy;

	if (job.text)
		return "another change of the CAs is at work";
	if (strlen(text) > SERVERS_TEXT)
		return "the certificates are larger than 256 KiB";
	copy = strdup(text);
	if (!copy)
		return "dom0 is out of memory";
	begin(copy, done);
	if (store_is_open())
		slow_queue(&job.slow);
	else
		wrong = store_make(NULL, store_made, NULL);
	if (!wrong)
		return NULL;
	free(copy);
	job.text = NULL;
	return wrong;
}
