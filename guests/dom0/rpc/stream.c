/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/manage/guest_console.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/copies.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/screen.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"

#define PIECE     4096u
#define QUEUE     (16u << 10) /* to go, beyond which no more output is taken off the ring */
#define LOOK_BACK 4096u       /* of the guest's last output, where a console begins */

#define CONSOLE_FORCE 1u

/* A guest's console for a client. The call that opened it is the stream's name. */
struct stream {
	struct stream *next;
	struct client *client;
	struct packet opened;
	struct guest_console_listener listener; /* .vm is NULL when the guest is gone */
	uint64_t position;
	bool ended; /* the guest: its last output still goes out */
};

static void send(struct stream *stream, enum packet_status status, const void *bytes, size_t n)
{
	struct packet packet = stream->opened;
	struct xdr_out out = message_begin();

	packet.type = PACKET_STREAM;
	packet.status = status;
	xdr_put_fixed(&out, bytes, n);
	message_send(stream->client, &packet, &out);
}

/* Takes the stream at *at away; no more comes over it. */
static void forget(struct stream **at)
{
	struct stream *stream = *at;

	*at = stream->next;
	if (stream->listener.vm)
		guest_console_leave(&stream->listener);
	free(stream);
}

static struct stream **find(struct client *client, const struct packet *packet)
{
	struct stream **at = &client->streams;

	while (*at && ((*at)->opened.serial != packet->serial ||
		       (*at)->opened.procedure != packet->procedure))
		at = &(*at)->next;
	return at;
}

/* --- the guest's news --- */

static struct stream *of_listener(struct guest_console_listener *listener)
{
	return (struct stream *)((char *)listener - offsetof(struct stream, listener));
}

static void output(struct guest_console_listener *listener)
{
	client_wake(of_listener(listener)->client);
}

static void forgotten(struct guest_console_listener *listener)
{
	struct stream *stream = of_listener(listener);

	listener->vm = NULL;
	stream->ended = true;
	client_wake(stream->client);
}

static void happened(struct vm *vm, enum vm_event event, const char *device)
{
	(void)device;
	if (event != VM_EVENT_STOPPED)
		return;
	pictures_end(vm);
	for (struct client *client = client_first(); client; client = client->next)
		for (struct stream *stream = client->streams; stream; stream = stream->next)
			if (stream->listener.vm == vm) {
				stream->ended = true;
				client_wake(client);
			}
}

void streams_start(void)
{
	static struct vm_watcher watcher = {.happened = happened};

	vm_watch(&watcher);
}

/* --- to the client --- */

/* Sends some of the output. Returns false if there is none. */
static bool send_output(struct stream *stream)
{
	const struct guest_console *console = NULL;
	const uint8_t *bytes;
	char note[64];
	uint64_t lost;
	size_t n;

	if (stream->listener.vm)
		console = guest_console(stream->listener.vm, stream->listener.device);
	if (!console || stream->position >= console->written)
		return false;
	bytes = guest_console_next(console, &stream->position, &n, &lost);
	if (lost) {
		snprintf(note, sizeof(note), "\r\n[%llu bytes not shown]\r\n",
			 (unsigned long long)lost);
		send(stream, PACKET_CONTINUE, note, strlen(note));
	}
	n = n < PIECE ? n : PIECE;
	send(stream, PACKET_CONTINUE, bytes, n);
	stream->position += n;
	return true;
}

void streams_pump(struct client *client)
{
	for (struct stream **at = &client->streams; *at;) {
		while (client->queued < QUEUE && send_output(*at))
			;
		if ((*at)->ended && client->queued < QUEUE) {
			send(*at, PACKET_CONTINUE, NULL, 0);
			forget(at);
		} else {
			at = &(*at)->next;
		}
	}
	copies_pump(client);
	pictures_pump(client);
}

void streams_end(struct client *client)
{
	while (client->streams)
		forget(&client->streams);
	copies_leave(client);
	pictures_leave(client);
}

/* --- from the client --- */

size_t stream_input(struct client *client, const struct packet *packet, const uint8_t *bytes,
		    size_t n)
{
	const struct stream *stream = *find(client, packet);
	size_t i = 0;

	if (is_copy(client, packet))
		return copy_input(client, packet, bytes, n);
	if (!stream || stream->ended)
		return n;
	while (i < n && guest_console_type(stream->listener.vm, stream->listener.device, bytes[i]))
		i++;
	return i;
}

bool stream_may_lose(const struct client *client, const struct packet *packet)
{
	return !is_copy(client, packet);
}

/* The end of a stream is confirmed even if the stream is forgotten by now: clients wait for it. An
 * empty piece is the end of the client's data, which a console does not mind. */
void stream_finish(struct client *client, const struct packet *packet)
{
	struct stream **at = find(client, packet);
	struct packet confirmed = *packet;
	struct xdr_out out;

	if (is_copy(client, packet)) {
		copy_finish(client, packet);
		return;
	}
	if (packet->status == PACKET_CONTINUE)
		return;
	if (*at)
		forget(at);
	picture_forget(client, packet);
	out = message_begin();
	confirmed.status = PACKET_OK;
	message_send(client, &confirmed, &out);
}

/* --- opening --- */

unsigned streams_of(const struct client *client)
{
	unsigned n = copies_of(client) + pictures_of(client);

	for (const struct stream *stream = client->streams; stream; stream = stream->next)
		n++;
	return n;
}

/* One client at a time has a console. Returns false if another one has it, unless that is to give
 * way. */
static bool make_way(const struct vm *vm, enum console_device device, bool force)
{
	for (struct client *client = client_first(); client; client = client->next)
		for (struct stream *s = client->streams; s; s = s->next) {
			if (s->listener.vm != vm || s->listener.device != device || s->ended)
				continue;
			if (!force)
				return false;
			s->ended = true;
			client_wake(client);
		}
	return true;
}

static void open_console(struct call *call, struct vm *vm, enum console_device device)
{
	const struct guest_console *console = guest_console(vm, device);
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
		return;
	}
	*stream = (struct stream){
		.next = call->client->streams,
		.client = call->client,
		.opened = *call->packet,
		.listener = {.vm = vm, .device = device, .output = output, .forgotten = forgotten},
	};
	if (console && console->written > LOOK_BACK)
		stream->position = console->written - LOOK_BACK;
	guest_console_listen(&stream->listener);
	call->client->streams = stream;
}

void stream_console(struct call *call)
{
	struct vm *vm = call_domain(call);
	enum console_device device;
	char name[64];
	bool named = xdr_maybe_text(&call->in, name, sizeof(name));
	uint32_t flags = xdr_u32(&call->in);

	if (!vm || !call_read(call))
		return;
	if (!vm->id)
		call_fail(call, ERROR_INVALID, "%s", tune_not_running);
	else if (!guest_console_named(vm, named ? name : NULL, &device))
		call_fail(call, ERROR_FAILED, "internal error: cannot find console device '%s'",
			  name);
	else if (streams_of(call->client) >= CLIENT_STREAMS)
		call_fail(call, ERROR_FAILED,
			  "operation failed: a connection has at most %u streams", CLIENT_STREAMS);
	else if (!make_way(vm, device, flags & CONSOLE_FORCE))
		call_fail(call, ERROR_FAILED,
			  "operation failed: Active console session exists for this domain");
	else
		open_console(call, vm, device);
}
