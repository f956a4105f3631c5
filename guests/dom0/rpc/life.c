/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of guests: definition, start, end. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/define.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/rpc/describe.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/late.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/guest.h"

#define START_PAUSED 1u
#define MODE_ACPI    1u /* the same bit for shutdown and reboot */

/* A failure of the start itself has no words of libvirt's in front. */
static void start(struct call *call, struct vm *vm, bool paused)
{
	const char *why = NULL;

	if (host_ends())
		why = "Requested operation is not valid: the machine is being turned off";
	else if (vm->run != VM_OFF)
		why = "Requested operation is not valid: domain is already running";
	if (!why)
		why = paused ? vm_start_paused(vm) : vm_start(vm);
	call_refused(call, why);
}

void life_start(struct call *call)
{
	struct vm *vm = call_domain(call);

	if (vm)
		start(call, vm, false);
}

void life_start_flags(struct call *call)
{
	struct vm *vm = call_domain(call);
	uint32_t flags = xdr_u32(&call->in);

	if (!vm || !call_read(call))
		return;
	start(call, vm, flags & START_PAUSED);
	put_domain(&call->out, vm);
}

/* A description as argument; NULL after call_fail. */
static const char *read_description(struct call *call, size_t *bytes)
{
	const uint8_t *xml = xdr_bytes(&call->in, CONFIG_XML_BYTES, bytes);

	return call_read(call) ? (const char *)xml : NULL;
}

static void defined(void *context, struct vm *vm, const char *wrong, const char *note)
{
	struct call *call = late_taken(context);

	if (*note)
		printf(LOG_WARNING "libvirt: %s: %s\n", vm->name, note);
	if (!call)
		return;
	if (!call_refused(call, wrong))
		put_domain(&call->out, vm);
	late_answer(call);
}

static void use_to_define(struct call *call, const struct description *description)
{
	struct late_call *late = call_waits(call);

	if (late)
		call_waits_no_more(call, late,
				   define_parsed(description->config, description->xml,
						 description->bytes, defined, late));
	else
		config_free(description->config);
}

void life_define(struct call *call)
{
	size_t bytes;
	const char *xml = read_description(call, &bytes);

	if (xml)
		describe(call, xml, bytes, 0, use_to_define);
}

/* The description goes when the guest ends, or at once if it does not start. */
static void use_to_create(struct call *call, const struct description *description)
{
	struct vm *vm = NULL;

	if (call_refused(call, vm_define(description->config, &vm)))
		return;
	vm->transient = true;
	start(call, vm, description->flags & START_PAUSED);
	if (call->code)
		vm_undefine(vm); /* or its end does */
	else
		put_domain(&call->out, vm);
}

void life_create(struct call *call)
{
	size_t bytes;
	const char *xml = read_description(call, &bytes);
	uint32_t flags = xdr_u32(&call->in);

	if (xml && call_read(call))
		describe(call, xml, bytes, flags, use_to_create);
}

void life_undefine(struct call *call)
{
	struct vm *vm = call_domain(call);
	struct late_call *late = vm ? call_waits(call) : NULL;

	if (late)
		call_waits_no_more(call, late, undefine_guest(vm, late_done, late));
}

static void renamed(void *context, struct vm *vm, const char *wrong, const char *note)
{
	struct call *call = late_taken(context);

	(void)vm;
	(void)note;
	if (!call)
		return;
	if (!call_refused(call, wrong))
		xdr_put_i32(&call->out, 0);
	late_answer(call);
}

void life_rename(struct call *call)
{
	struct vm *vm = call_domain(call);
	char name[CONFIG_NAME + 1];
	struct late_call *late;

	if (!vm)
		return;
	xdr_maybe_text(&call->in, name, sizeof(name));
	late = call_read(call) ? call_waits(call) : NULL;
	if (late)
		call_waits_no_more(call, late, rename_guest(vm, name, renamed, late));
}

static void act(struct call *call, const char *(*action)(struct vm *vm))
{
	struct vm *vm = call_domain(call);

	if (vm)
		call_refused(call, action(vm));
}

void life_destroy(struct call *call)
{
	act(call, vm_destroy);
}

void life_shutdown(struct call *call)
{
	act(call, vm_shutdown);
}

/* The power button is the one way to ask a guest. */
static void press(struct call *call, const char *(*action)(struct vm *vm))
{
	struct vm *vm = call_domain(call);
	uint32_t modes = xdr_u32(&call->in);

	if (!vm || !call_read(call))
		return;
	if (modes && !(modes & MODE_ACPI))
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: a mode without the ACPI power button");
	else
		call_refused(call, action(vm));
}

void life_shutdown_flags(struct call *call)
{
	press(call, vm_shutdown);
}

void life_reboot(struct call *call)
{
	press(call, vm_reboot);
}

void life_reset(struct call *call)
{
	act(call, vm_reset);
}

void life_suspend(struct call *call)
{
	act(call, vm_suspend);
}

void life_resume(struct call *call)
{
	act(call, vm_resume);
}

void life_nmi(struct call *call)
{
	act(call, vm_nmi);
}

void life_set_autostart(struct call *call)
{
	struct vm *vm = call_domain(call);
	bool marked = xdr_i32(&call->in);
	struct late_call *late = vm && call_read(call) ? call_waits(call) : NULL;

	if (late)
		call_waits_no_more(call, late, mark_guest(vm, marked, late_done, late));
}
