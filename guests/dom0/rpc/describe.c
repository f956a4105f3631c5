/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/describe.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/late.h"

#define WAITING (4u << 20) /* bytes of the descriptions of all clients that wait to be parsed */

struct job {
	struct late_call late;
	describe_use *use;
	struct description is;
	struct config_error error;
	struct slow slow;
	struct work work;
	char xml[];
};

static size_t waiting;

static void parse(struct slow *slow)
{
	struct job *job = slow->context;

	job->is.config = config_parse("XML", job->xml, job->is.bytes, &job->error);
	work_queue(&job->work);
}

/* The call is a copy, because the end of another one may come within `use`. */
static void go_on(struct job *job, struct call call)
{
	call.client->collects = false;
	client_wake(call.client);
	if (job->is.config)
		job->use(&call, &job->is);
	else
		call_refuse_description(&call, &job->error);
	if (call.later)
		free(call.out.bytes);
	else
		late_answer(&call);
}

/* Back in the event loop. */
static void parsed(struct work *work)
{
	struct job *job = work->context;
	struct call *call = late_resume(&job->late);

	waiting -= job->is.bytes;
	if (call)
		go_on(job, *call);
	else
		config_free(job->is.config);
	free(job);
}

void describe(struct call *call, const char *xml, size_t bytes, uint32_t flags, describe_use *use)
{
	struct job *job = bytes <= WAITING - waiting ? calloc(1, sizeof(*job) + bytes) : NULL;

	if (!job) {
		call_fail(call, ERROR_NO_MEMORY,
			  "dom0 is out of memory for the description, or other clients define "
			  "guests");
		return;
	}
	config_pause = slow_pause;
	waiting += bytes;
	memcpy(job->xml, xml, bytes);
	job->use = use;
	job->is = (struct description){.xml = job->xml, .bytes = bytes, .flags = flags};
	job->slow = (struct slow){.run = parse, .context = job};
	job->work = (struct work){.run = parsed, .context = job};
	job->late = call_later(call);
	call->client->collects = true;
	slow_queue(&job->slow);
}
