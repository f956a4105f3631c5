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
#define KIND_LIFECYCLE      0
#define KIND_REBOOT         1
#define KIND_DEVICE_REMOVED 15
#define KIND_DEVICE_ADDED   19
#define KIND_METADATA       23
#define KINDS               64

#define MESSAGE_LIFECYCLE      318u
#define MESSAGE_REBOOT         319u
#define MESSAGE_DEVICE_REMOVED 333u
#define MESSAGE_DEVICE_ADDED   354u
#define MESSAGE_METADATA       379u

/* virDomainMetadataType */
#define METADATA_DESCRIPTION 0
#define METADATA_TITLE       1

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

/* How an event is told: the message, the kind of callback that it is for, and what stands behind
 * the guest: virDomainEventType and its detail, the device's alias, or what has changed. */
struct news {
	uint32_t message;
	int32_t kind, event, detail;
	const char *device;
};

/* The details of an end are one less than the reasons of a state. */
static struct news news_of(const struct vm *vm, enum vm_event event, const char *device)
{
	static const struct news known[] = {
		[VM_EVENT_DEFINED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 0, 0, NULL},
		[VM_EVENT_UNDEFINED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 1, 0, NULL},
		[VM_EVENT_STARTED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 2, 0, NULL},
		[VM_EVENT_SUSPENDED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 3, 0, NULL},
		[VM_EVENT_RESUMED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 4, 0, NULL},
		[VM_EVENT_STOPPED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 5, 0, NULL},
		[VM_EVENT_CRASHED] = {MESSAGE_LIFECYCLE, KIND_LIFECYCLE, 8, 0, NULL},
		[VM_EVENT_RESET] = {MESSAGE_REBOOT, KIND_REBOOT, 0, 0, NULL},
		[VM_EVENT_DEVICE_ADDED] = {MESSAGE_DEVICE_ADDED, KIND_DEVICE_ADDED, 0, 0, NULL},
		[VM_EVENT_DEVICE_REMOVED] = {MESSAGE_DEVICE_REMOVED, KIND_DEVICE_REMOVED, 0, 0,
					     NULL},
		[VM_EVENT_TITLE] = {MESSAGE_METADATA, KIND_METADATA, METADATA_TITLE, 0, NULL},
		[VM_EVENT_DESCRIPTION] = {MESSAGE_METADATA, KIND_METADATA, METADATA_DESCRIPTION, 0,
					  NULL},
	};
	struct news news = known[event];

	news.device = device;
	if (event == VM_EVENT_STOPPED && stats_reason(vm))
		news.detail = (int32_t)stats_reason(vm) - 1;
	return news;
}

static bool wants(const struct callback *callback, const struct vm *vm, int32_t kind)
{
	return callback->kind == kind && callback->of == CALLBACK_DOMAIN &&
	       (!callback->one || !memcmp(callback->uuid, vm->config->uuid, 16));
}

static void tell(struct client *client, int32_t number, const struct vm *vm,
		 const struct news *news)
{
	struct packet packet = {
		.program = PACKET_REMOTE,
		.version = 1,
		.procedure = news->message,
		.type = PACKET_EVENT,
	};
	struct xdr_out out = message_begin();

	xdr_put_i32(&out, number);
	put_domain(&out, vm);
	if (news->device)
		xdr_put_text(&out, news->device);
	if (news->message == MESSAGE_LIFECYCLE || news->message == MESSAGE_METADATA)
		xdr_put_i32(&out, news->event);
	if (news->message == MESSAGE_LIFECYCLE)
		xdr_put_i32(&out, news->detail);
	if (news->message == MESSAGE_METADATA)
		xdr_put_u32(&out, 0); /* no element's URI */
	message_send_event(client, &packet, &out);
}

static void happened(struct vm *vm, enum vm_event event, const char *device)
{
	struct news news = news_of(vm, event, device);

	for (struct client *client = client_first(); client; client = client->next)
		for (unsigned i = 0; client->open && i < CLIENT_CALLBACKS; i++)
			if (wants(&client->callback[i], vm, news.kind))
				tell(client, (int32_t)i, vm, &news);
}

void events_start(void)
{
	static struct vm_watcher watcher = {.happened = happened};

	vm_watch(&watcher);
}
