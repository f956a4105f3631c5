/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests' screens and keyboards for libvirt's clients. */
#include "guests/dom0/rpc/screen.h"

#include <stdlib.h>

#include "guests/dom0/display/keys.h"
#include "guests/dom0/display/picture.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/stream.h"
#include "guests/dom0/vm/vm.h"

#define PIECE (16u << 10)
#define QUEUE (32u << 10) /* to go, beyond which no row is drawn */
#define KEYS  16u         /* of one call */

struct picture_stream {
	struct picture_stream *next; /* of the client's */
	struct packet opened;
	struct picture picture; /* .vm is NULL when the guest has ended */
};

static void send(struct client *client, const struct packet *opened, const void *bytes, size_t n)
{
	struct packet packet = *opened;
	struct xdr_out out = message_begin();

	packet.type = PACKET_STREAM;
	packet.status = PACKET_CONTINUE;
	xdr_put_fixed(&out, bytes, n);
	message_send(client, &packet, &out);
}

/* Sends some rows. Returns false after the last one. */
static bool send_rows(struct client *client, struct picture_stream *stream)
{
	static uint8_t piece[PIECE];
	size_t used = 0, n = 1;

	while (stream->picture.vm && n && used + PICTURE_ROW <= PIECE) {
		n = picture_next(&stream->picture, piece + used);
		used += n;
	}
	if (used)
		send(client, &stream->opened, piece, used);
	return used;
}

/* The empty piece behind the last one is the end, after which the stream is forgotten: the client
 * confirms it or not. */
void pictures_pump(struct client *client)
{
	for (struct picture_stream **at = &client->pictures; *at;) {
		struct picture_stream *stream = *at;
		bool more = true;

		while (more && client->queued < QUEUE)
			more = send_rows(client, stream);
		if (more) {
			at = &stream->next;
			continue;
		}
		send(client, &stream->opened, NULL, 0);
		*at = stream->next;
		free(stream);
	}
}

void pictures_leave(struct client *client)
{
	while (client->pictures) {
		struct picture_stream *stream = client->pictures;

		client->pictures = stream->next;
		free(stream);
	}
}

void pictures_end(const struct vm *vm)
{
	for (struct client *client = client_first(); client; client = client->next)
		for (struct picture_stream *s = client->pictures; s; s = s->next)
			if (s->picture.vm == vm) {
				s->picture.vm = NULL;
				client_wake(client);
			}
}

void picture_forget(struct client *client, const struct packet *packet)
{
	for (struct picture_stream **at = &client->pictures; *at; at = &(*at)->next) {
		struct picture_stream *stream = *at;

		if (stream->opened.serial != packet->serial ||
		    stream->opened.procedure != packet->procedure)
			continue;
		*at = stream->next;
		free(stream);
		return;
	}
}

unsigned pictures_of(const struct client *client)
{
	unsigned n = 0;

	for (const struct picture_stream *s = client->pictures; s; s = s->next)
		n++;
	return n;
}

void screen_shot(struct call *call)
{
	struct vm *vm = call_domain(call);
	uint32_t screen = xdr_u32(&call->in);
	struct picture_stream *stream;

	xdr_u32(&call->in); /* flags: there are none */
	if (!vm || !call_read(call))
		return;
	if (!vga_size(vm).width || screen) {
		call_fail(call, ERROR_INVALID, "Requested operation is not valid: %s",
			  !vm->id  ? "domain is not running"
			  : screen ? "the domain has one screen, number 0"
				   : "the domain has no screen");
		return;
	}
	if (streams_of(call->client) >= CLIENT_STREAMS) {
		call_fail(call, ERROR_FAILED,
			  "operation failed: a connection has at most %u streams", CLIENT_STREAMS);
		return;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
		return;
	}
	*stream = (struct picture_stream){call->client->pictures, *call->packet, picture_begin(vm)};
	call->client->pictures = stream;
	xdr_put_some_text(&call->out, PICTURE_TYPE);
	client_wake(call->client);
}

void screen_send_key(struct call *call)
{
	struct vm *vm = call_domain(call);
	uint32_t set = xdr_u32(&call->in), count, code[KEYS] = {0};
	const char *wrong;

	xdr_u32(&call->in); /* how long they are held: keys_send says */
	count = xdr_u32(&call->in);
	if (count > KEYS)
		call->in.bad = true;
	for (unsigned i = 0; i < count && !call->in.bad; i++)
		code[i] = xdr_u32(&call->in);
	xdr_u32(&call->in);
	if (!vm || !call_read(call))
		return;
	wrong = keys_send(vm, set, code, count);
	if (wrong)
		call_fail(call, ERROR_INVALID, "Requested operation is not valid: %s", wrong);
}
