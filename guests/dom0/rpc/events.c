/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/events.h"

#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"

/* virDomainEventID */
#define KIND_LIFECYCLE 0
#define KIND_REBOOT    1
#define KINDS          64

#define MESSAGE_LIFECYCLE 318u
#define MESSAGE_REBOOT    319u

void callbacks_init(struct client *client)
{
	for (unsigned i = 0; i < CLIENT_CALLBACKS; i++)
		client->callback[i].kind = -1;
}

/* --- asking for news --- */

/* The callback's number is its place. Kinds of which no news ever come are welcome as well. */
static void hear(struct call *call, enum callback_of of)
{
	int32_t kind = xdr_i32(&call->in);
	bool one = xdr_is_there(&call->in);
	const struct vm *vm = one && of == CALLBACK_DOMAIN ? call_domain(call) : NULL;
	struct callback *callback = call->client->callback;
	unsigned i = 0;

	if (call->code)
		return;
	while (i < CLIENT_CALLBACKS && callback[i].kind >= 0)
		i++;
	if (i == CLIENT_CALLBACKS || kind < 0 || kind >= KINDS) {
		call_fail(call, ERROR_INVALID_ARG,
			  "invalid argument: no event of kind %d, or more than %u callbacks", kind,
			  CLIENT_CALLBACKS);
		return;
	}
	callback[i] = (struct callback){.kind = kind, .of = (uint8_t)of, .one = vm};
	if (vm)
		memcpy(callback[i].uuid, vm->config->uuid, sizeof(callback[i].uuid));
	xdr_put_i32(&call->out, (int32_t)i);
}

void hear_domains(struct call *call)
{
	hear(call, CALLBACK_DOMAIN);
}

void hear_networks(struct call *call)
{
	hear(call, CALLBACK_NETWORK);
}

void hear_pools(struct call *call)
{
	hear(call, CALLBACK_POOL);
}

void hear_devices(struct call *call)
{
	hear(call, CALLBACK_DEVICE);
}

void hear_no_more(struct call *call)
{
	int32_t number = xdr_i32(&call->in);

	if (number < 0 || number >= (int32_t)CLIENT_CALLBACKS ||
	    call->client->callback[number].kind < 0)
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: no callback %d", number);
	else
		call->client->callback[number].kind = -1;
}

/* --- telling them --- */

/* virDomainEventType and its detail. */
struct lifecycle {
	int32_t event, detail;
};

/* The details of an end are one less than the reasons of a state. */
static struct lifecycle lifecycle_of(const struct vm *vm, enum vm_event event)
{
	static const struct lifecycle known[] = {
		[VM_EVENT_DEFINED] = {0, 0}, [VM_EVENT_UNDEFINED] = {1, 0},
		[VM_EVENT_STARTED] = {2, 0}, [VM_EVENT_SUSPENDED] = {3, 0},
		[VM_EVENT_RESUMED] = {4, 0}, [VM_EVENT_STOPPED] = {5, 0},
		[VM_EVENT_CRASHED] = {8, 0}, [VM_EVENT_RESET] = {-1, 0},
	};
	struct lifecycle l = known[event];

	if (event == VM_EVENT_STOPPED && stats_reason(vm))
		l.detail = (int32_t)stats_reason(vm) - 1;
	return l;
}

static bool wants(const struct callback *callback, const struct vm *vm, int32_t kind)
{
	return callback->kind == kind && callback->of == CALLBACK_DOMAIN &&
	       (!callback->one || !memcmp(callback->uuid, vm->config->uuid, 16));
}

static void tell(struct client *client, int32_t number, const struct vm *vm,
		 const struct lifecycle *l)
{
	struct packet packet = {
		.program = PACKET_REMOTE,
		.version = 1,
		.procedure = l->event < 0 ? MESSAGE_REBOOT : MESSAGE_LIFECYCLE,
		.type = PACKET_EVENT,
	};
	struct xdr_out out = message_begin();

	xdr_put_i32(&out, number);
	put_domain(&out, vm);
	if (l->event >= 0) {
		xdr_put_i32(&out, l->event);
		xdr_put_i32(&out, l->detail);
	}
	message_send_event(client, &packet, &out);
}

static void happened(struct vm *vm, enum vm_event event)
{
	struct lifecycle l = lifecycle_of(vm, event);
	int32_t kind = l.event < 0 ? KIND_REBOOT : KIND_LIFECYCLE;

	for (struct client *client = client_first(); client; client = client->next)
		for (unsigned i = 0; client->open && i < CLIENT_CALLBACKS; i++)
			if (wants(&client->callback[i], vm, kind))
				tell(client, (int32_t)i, vm, &l);
}

void events_start(void)
{
	static struct vm_watcher watcher = {.happened = happened};

	vm_watch(&watcher);
}
