/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/manage/entropy.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/tls/memory.h"
#include "guests/dom0/tls/random.h"
#include "guests/dom0/tls/trust.h"
#include "guests/lib/guest.h"

#define SETTING "tls"

enum change { SET_UP, SERVE, ADD_CLIENT, LIST };

/* The change that is at work. */
struct job {
	enum change change;
	access_done *done;
	char text[KEYS_HOSTS]; /* hosts, a client's name, or a pattern */
	enum right right;
	uint64_t now;
	struct trust_parts parts;
	struct key_pair client;
	bool has_client;
	const char *wrong;
	struct trust *trust;
	struct slow slow;
	struct work work;
};

static struct job *job;
static struct trust_parts *parts; /* what is in the store */
static struct trust *present;
static void (*tell)(struct trust *trust);
static char why[160] = "there are no keys (tls-setup makes them)";

void access_start(bool weak, void (*changed)(struct trust *trust))
{
	tell = changed;
	tls_memory_start();
	if (!weak)
		return;
	tls_random_allow_weak();
	printf(LOG_WARNING "entropy: entropy=weak: without good entropy dom0 makes keys "
			   "that can be guessed; this is for tests alone\n");
}

static const char *start_random(void)
{
	const char *wrong = tls_random_start();

	if (!wrong)
		printf("entropy: %s\n", tls_random_sources());
	return wrong;
}

/* --- what counts --- */

static void use(const struct trust_parts *new_parts, struct trust *trust)
{
	if (!parts)
		parts = malloc(sizeof(*parts));
	if (parts)
		*parts = *new_parts;
	trust_drop(present);
	present = trust;
	tell(trust);
}

static void refuse(const char *wrong)
{
	snprintf(why, sizeof(why), "%s", wrong);
	printf(LOG_ERR "libvirt: TLS does not start: %s\n", wrong);
}

static void recall(struct trust_parts *kept, const char *text)
{
	const char *wrong = start_random();
	struct trust *trust;

	if (wrong) {
		refuse(wrong);
		return;
	}
	if (!trust_split(text, kept)) {
		refuse("the store's keys are damaged (tls-setup makes new ones)");
		return;
	}
	trust = trust_make(kept, &wrong);
	if (trust)
		use(kept, trust);
	else
		refuse(wrong);
}

void recall_access(void)
{
	char *text = malloc(TRUST_TEXT);
	struct trust_parts *kept = malloc(sizeof(*kept));

	if (text && kept) {
		store_setting(SETTING, text, TRUST_TEXT);
		if (*text)
			recall(kept, text);
	}
	tls_memory_free(text, TRUST_TEXT);
	tls_memory_free(kept, sizeof(*kept));
}

/* --- changes --- */

static void finish(const char *wrong)
{
	struct job *ended = job;

	job = NULL;
	ended->done(wrong, &ended->parts.ca, ended->has_client ? &ended->client : NULL);
	tls_memory_free(ended, sizeof(*ended));
}

static void kept(void *context, const char *wrong)
{
	(void)context;
	if (wrong) {
		trust_drop(job->trust);
	} else {
		use(&job->parts, job->trust);
		entropy_renew();
	}
	finish(wrong);
}

static void keep(void)
{
	char *text = malloc(TRUST_TEXT);
	const char *wrong = "dom0 is out of memory";

	if (text) {
		trust_join(&job->parts, text);
		wrong = store_set(SETTING, text, kept, NULL);
	}
	tls_memory_free(text, TRUST_TEXT);
	if (!wrong)
		return;
	trust_drop(job->trust);
	finish(wrong);
}

/* Back in the event loop. */
static void made(struct work *work)
{
	(void)work;
	if (job->wrong)
		finish(job->wrong);
	else
		keep();
}

static const char *make_client(const char *name, enum right right)
{
	char line[NAME_BYTES];
	const char *wrong = keys_make_client(&job->parts.ca, name, job->now, &job->client);

	if (wrong)
		return wrong;
	job->has_client = true;
	snprintf(line, sizeof(line), "O=Sampo,CN=%s", name);
	return names_change(job->parts.list, sizeof(job->parts.list), line, right);
}

static const char *make_all(void)
{
	const char *wrong = keys_make_ca(&job->parts.ca, job->now);

	*job->parts.list = 0;
	if (!wrong)
		wrong = keys_make_server(&job->parts.ca, job->text, job->now, &job->parts.server);
	return wrong ? wrong : make_client(ACCESS_ADMIN, RIGHT_WRITE);
}

static const char *make_change(void)
{
	switch (job->change) {
	case SET_UP:
		return make_all();
	case SERVE:
		return keys_make_server(&job->parts.ca, job->text, job->now, &job->parts.server);
	case ADD_CLIENT:
		return make_client(job->text, job->right);
	case LIST:
		break;
	}
	return names_change(job->parts.list, sizeof(job->parts.list), job->text, job->right);
}

static void make(struct slow *slow)
{
	(void)slow;
	job->wrong = make_change();
	if (!job->wrong)
		job->trust = trust_make(&job->parts, &job->wrong);
	work_queue(&job->work);
}

static const char *begin(enum change change, const char *text, enum right right, access_done *done)
{
	const char *wrong = start_random();

	if (wrong)
		return wrong;
	if (job)
		return "another change of keys or names is at work";
	if (strlen(text) >= KEYS_HOSTS)
		return "the name is too long";
	if (change != SET_UP && !parts)
		return why;
	job = calloc(1, sizeof(*job));
	if (!job)
		return "dom0 is out of memory";
	job->change = change;
	job->right = right;
	job->done = done;
	snprintf(job->text, sizeof(job->text), "%s", text);
	job->now = clock_wall_ns() / 1000000000u;
	if (change != SET_UP)
		job->parts = *parts;
	job->slow = (struct slow){.run = make};
	job->work = (struct work){.run = made};
	return NULL;
}

static const char *run(const char *wrong)
{
	if (!wrong)
		slow_queue(&job->slow);
	return wrong;
}

static void store_made(void *context, const char *wrong)
{
	(void)context;
	if (wrong)
		finish(wrong);
	else
		slow_queue(&job->slow);
}

const char *access_set_up(const char *hosts, access_done *done)
{
	const char *wrong = begin(SET_UP, hosts, RIGHT_WRITE, done);

	if (wrong || store_is_open())
		return run(wrong);
	wrong = store_make(NULL, store_made, NULL);
	if (wrong) {
		free(job);
		job = NULL;
	}
	return wrong;
}

const char *access_serve(const char *hosts, access_done *done)
{
	return run(begin(SERVE, hosts, RIGHT_NONE, done));
}

const char *access_add_client(const char *name, enum right right, access_done *done)
{
	return run(begin(ADD_CLIENT, name, right, done));
}

const char *access_list(const char *pattern, enum right right, access_done *done)
{
	return run(begin(LIST, pattern, right, done));
}

/* --- facts --- */

const char *access_names(const char **reason)
{
	*reason = parts ? NULL : why;
	return parts ? parts->list : NULL;
}

const char *access_untimely(void)
{
	return present ? trust_is_timely(present) : NULL;
}
