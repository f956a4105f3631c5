/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that wait for the store of descriptions (manage/define.h), each with a context of its own.
 */
#pragma once

#include "guests/dom0/rpc/call.h"

/* The context for a change that is about to begin; NULL after call_fail. */
struct late_call *call_waits(struct call *call);
/* The change has begun, or, with the reason `why`, it has not: then the answer is due now. */
void call_waits_no_more(struct call *call, struct late_call *late, const char *why);
/* At the change's end: takes the context. NULL: the client is gone. */
struct call *late_taken(struct late_call *late);
/* The end of a change without a result, for manage/define.h. */
void late_done(void *context, struct vm *vm, const char *wrong, const char *note);

/* A description is refused, with all reasons. */
struct config_error;
void call_refuse_description(struct call *call, const struct config_error *error);

/* A guest's description has been changed by the call: the answer comes when that is kept. */
void call_keep(struct call *call, struct vm *vm);
