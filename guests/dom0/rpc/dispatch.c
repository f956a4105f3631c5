/* SPDX-License-Identifier: BSD-2-Clause */
/* From a message to its handler, and back with the answer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/rpc/call.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/stream.h"
#include "guests/lib/guest.h"

#define PING 1u
#define PONG 2u

#define FROM_RPC 7 /* of an unknown procedure: clients look at this */

/* virErrorLevel: an error, not a warning. */
#define LEVEL_ERROR 2

enum access { FIRST, READ, WRITE };

static const struct procedure {
	uint32_t number;
	enum access access;
	const char *name;
	handler *function;    /* NULL: it cannot be done */
	const char *not_done; /* what that is */
} procedures[] = {
#define LINE(number, name, access, function) {number, access, #name, function, NULL},
	PROCEDURES(LINE)
#undef LINE
#define LINE(number, name, what) {number, READ, #name, NULL, what},
		UNSUPPORTED(LINE)
#undef LINE
};

void call_fail(struct call *call, enum error_code code, const char *format, ...)
{
	va_list args;

	if (call->code)
		return;
	call->code = code;
	va_start(args, format);
	vsnprintf(call->text, sizeof(call->text), format, args);
	va_end(args);
}

bool call_refused(struct call *call, const char *why)
{
	if (why)
		call_fail(call, error_of(why), "%s", why);
	return why;
}

void call_again(struct call *call, const char *why)
{
	call->again = !call->code && client_may_wait(call->client);
	call_refused(call, why);
}

bool call_read(struct call *call)
{
	if (call->in.bad)
		call_fail(call, ERROR_RPC,
			  "the arguments of the call are cut off or out of bounds");
	return !call->code;
}

size_t document_begin(struct xdr_out *out)
{
	xdr_put_u32(out, 0);
	return out->used;
}

void document_put(void *out, const char *text)
{
	xdr_put_fixed(out, text, strlen(text));
}

void document_end(struct xdr_out *out, size_t begin)
{
	static const uint8_t zeros[4];
	size_t n = out->used - begin;

	xdr_set_u32(out, begin - 4, (uint32_t)n);
	xdr_put_fixed(out, zeros, -n & 3);
}

static void put_error(struct xdr_out *out, enum error_code code, int domain, const char *text)
{
	xdr_put_i32(out, (int32_t)code);
	xdr_put_i32(out, domain);
	xdr_put_some_text(out, text);
	xdr_put_i32(out, LEVEL_ERROR);
	for (unsigned i = 0; i < 4; i++) /* a domain, three texts */
		xdr_put_u32(out, 0);
	xdr_put_i32(out, -1);
	xdr_put_i32(out, -1);
	xdr_put_u32(out, 0); /* a network */
}

/* The answer to a message has all words of its header but for two. */
static void answer_error(struct client *client, const struct packet *to, enum error_code code,
			 int domain, const char *text)
{
	struct packet packet = *to;
	struct xdr_out out = message_begin();

	packet.type = to->type == PACKET_STREAM ? PACKET_STREAM : PACKET_REPLY;
	packet.status = PACKET_ERROR;
	put_error(&out, code, domain, text);
	message_send(client, &packet, &out);
}

void refuse_message(struct client *client, const struct packet *to, enum error_code code,
		    const char *text)
{
	answer_error(client, to, code, error_domain(code), text);
}

static void answer(struct client *client, struct call *call)
{
	struct packet packet = *call->packet;

	if (!call->code && call->out.failed)
		call_fail(call, ERROR_NO_MEMORY,
			  "dom0 is out of memory for the answer, or other clients do not read "
			  "theirs");
	if (call->code) {
		free(call->out.bytes);
		answer_error(client, call->packet, call->code, error_domain(call->code),
			     call->text);
		return;
	}
	packet.type = PACKET_REPLY;
	packet.status = PACKET_OK;
	message_send(client, &packet, &call->out);
}

static const struct procedure *find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(procedures) / sizeof(procedures[0]); i++)
		if (procedures[i].number == number)
			return &procedures[i];
	return NULL;
}

/* Fails the call if it may not be made now. */
static void check(struct call *call, const struct procedure *procedure)
{
	const struct client *client = call->client;

	if (client->reader.skipped)
		call_fail(call, ERROR_RPC,
			  "the call is longer than %u bytes, or dom0 is out of memory",
			  PACKET_CALL_MOST);
	else if (!client->open && procedure->access != FIRST)
		call_fail(call, ERROR_INTERNAL, "internal error: connection not open");
	else if (procedure->access == WRITE && client->read_only)
		call_fail(call, ERROR_DENIED, "operation forbidden: read only access prevents %s",
			  procedure->name);
	else if (!procedure->function)
		call_fail(call, ERROR_UNSUPPORTED, "Operation not supported: %s",
			  procedure->not_done);
}

static bool run(struct client *client, const struct procedure *procedure)
{
	static struct call call;

	call = (struct call){
		.client = client,
		.packet = &client->reader.packet,
		.in = {.at = client->reader.payload, .left = client->reader.used},
		.out = answer_begin(),
	};
	check(&call, procedure);
	if (!call.code) {
		if (procedure->access == WRITE && !client->again)
			printf(LOG_ACTION "libvirt: %s: %s\n", client->wire->peer, procedure->name);
		procedure->function(&call);
	}
	if (call.later || call.again) {
		free(call.out.bytes);
		return !call.again;
	}
	call_read(&call);
	answer(client, &call);
	return true;
}

/* --- answers that come later --- */

struct late_call call_later(struct call *call)
{
	call->later = true;
	return (struct late_call){call->client->number, *call->packet};
}

struct call *late_resume(const struct late_call *late)
{
	static struct call call;
	struct client *client = client_first();

	while (client && client->number != late->client)
		client = client->next;
	if (!client || client->broken)
		return NULL;
	call = (struct call){
		.client = client,
		.packet = &late->packet,
		.out = answer_begin(),
	};
	return &call;
}

void late_answer(struct call *call)
{
	answer(call->client, call);
}

static void unknown(struct client *client)
{
	const struct packet *packet = &client->reader.packet;
	char text[64];

	snprintf(text, sizeof(text), "unknown procedure: %u", packet->procedure);
	answer_error(client, packet, ERROR_RPC, FROM_RPC, text);
}

static bool call(struct client *client)
{
	const struct packet *packet = &client->reader.packet;
	const struct procedure *procedure = NULL;

	if (packet->program == PACKET_REMOTE && packet->version == 1 && packet->type == PACKET_CALL)
		procedure = find(packet->procedure);
	if (procedure)
		return run(client, procedure);
	unknown(client);
	return true;
}

static void keepalive(struct client *client)
{
	struct packet packet = client->reader.packet;
	struct xdr_out out;

	if (packet.procedure != PING)
		return;
	out = message_begin();
	packet.procedure = PONG;
	message_send(client, &packet, &out);
}

bool dispatch(struct client *client)
{
	const struct packet *packet = &client->reader.packet;

	if (packet->type == PACKET_CALL || packet->type == PACKET_CALL_FDS)
		return call(client);
	if (packet->program == PACKET_KEEPALIVE && packet->type == PACKET_EVENT)
		keepalive(client);
	else if (packet->type == PACKET_STREAM)
		stream_finish(client, packet);
	/* Nothing else is for a server: a client that sends it means nothing by it. */
	return true;
}
