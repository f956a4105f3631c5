/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that come to a guest, change and leave it. */
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/attach.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/late.h"

#define FORCE 4u /* virDomainDeviceModifyFlags: more than these has no effect */

/* The older calls have no flags: they are about the guest that runs. */
static void change(struct call *call, enum attach_action action, bool has_flags)
{
	static struct config_error error;
	struct vm *vm = call_domain(call);
	struct late_call *late;
	const uint8_t *xml;
	const char *why;
	uint32_t flags;
	size_t bytes;

	if (!vm)
		return;
	xml = xdr_bytes(&call->in, ATTACH_XML, &bytes);
	flags = has_flags ? xdr_u32(&call->in) : TUNE_LIVE;
	if (!call_read(call))
		return;
	if (flags & ~(TUNE_LIVE | TUNE_CONFIG | FORCE)) {
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: unsupported flags (0x%x)",
			  (unsigned)flags);
		return;
	}
	late = call_waits(call);
	if (!late)
		return;
	why = attach_change(vm, action, (const char *)xml, bytes, flags & ~FORCE, &error, late_done,
			    late);
	if (why && !*why)
		call_refuse_description(call, &error);
	call_waits_no_more(call, late, why);
}

void plug_attach(struct call *call)
{
	change(call, ATTACH_DEVICE, false);
}

void plug_attach_flags(struct call *call)
{
	change(call, ATTACH_DEVICE, true);
}

void plug_update(struct call *call)
{
	change(call, ATTACH_UPDATE, true);
}

void plug_detach(struct call *call)
{
	change(call, ATTACH_DETACH, false);
}

void plug_detach_flags(struct call *call)
{
	change(call, ATTACH_DETACH, true);
}
