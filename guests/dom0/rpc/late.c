/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/define.h"

struct late_call *call_waits(struct call *call)
{
	struct late_call *late = malloc(sizeof(*late));

	if (late)
		*late = call_later(call);
	else
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
	return late;
}

void call_waits_no_more(struct call *call, struct late_call *late, const char *why)
{
	if (!why)
		return;
	free(late);
	call->later = false;
	call_refused(call, why);
}

struct call *late_taken(struct late_call *late)
{
	static struct late_call taken;

	taken = *late;
	free(late);
	return late_resume(&taken);
}

void late_done(void *context, struct vm *vm, const char *wrong, const char *note)
{
	struct call *call = late_taken(context);

	(void)vm;
	(void)note;
	if (!call)
		return;
	call_refused(call, wrong);
	late_answer(call);
}

static struct call *reports_to; /* config_each_line has no context */

static void add_line(const char *line)
{
	size_t n = strlen(reports_to->text);

	snprintf(reports_to->text + n, sizeof(reports_to->text) - n, "%s%s",
		 n ? "\n" : "unsupported configuration: ", line);
}

void call_refuse_description(struct call *call, const struct config_error *error)
{
	call->code = ERROR_CONFIG;
	reports_to = call;
	config_each_line(&error->refusals, add_line);
}

void call_keep(struct call *call, struct vm *vm)
{
	struct late_call *late = call->code ? NULL : call_waits(call);

	if (late)
		call_waits_no_more(call, late, rewrite_guest(vm, late_done, late));
}
