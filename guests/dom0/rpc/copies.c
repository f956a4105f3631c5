/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An upload and a download hold their client back by the slots of storage/copy.h and the client's
 * own queue. A stream that the client ends is confirmed when the volume has no user any more, so
 * that the client's next call finds the volume free; what goes on without a client ends by itself.
 */
#include "guests/dom0/rpc/copies.h"

#include <stdlib.h>

#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/stream.h"
#include "guests/dom0/rpc/volumes.h"
#include "guests/dom0/storage/copy.h"

#define COPIES 8u          /* of all clients */
#define PIECE  (16u << 10) /* of a download in one message */
#define QUEUE  (32u << 10) /* to go, beyond which no more is read */

#define SPARSE_STREAM 1u /* virStorageVolUploadFlags, virStorageVolDownloadFlags */

struct copy_stream {
	struct copy_stream *next; /* of the client's */
	struct client *client;    /* NULL: it has gone, or the stream is over for it */
	struct packet opened;
	bool into;
	bool finishes; /* the client has ended it, */
	bool aborted;  /* and what is not on its way yet does not matter */
	struct copy copy;
};

static unsigned count;

static struct copy_stream *find(const struct client *client, const struct packet *packet)
{
	struct copy_stream *stream = client->copies;

	while (stream && (stream->opened.serial != packet->serial ||
			  stream->opened.procedure != packet->procedure))
		stream = stream->next;
	return stream;
}

bool is_copy(const struct client *client, const struct packet *packet)
{
	return find(client, packet);
}

unsigned copies_of(const struct client *client)
{
	unsigned n = 0;

	for (const struct copy_stream *stream = client->copies; stream; stream = stream->next)
		n++;
	return n;
}

static void send(struct copy_stream *stream, enum packet_status status, const void *bytes, size_t n)
{
	struct packet packet = stream->opened;
	struct xdr_out out = message_begin();

	packet.type = PACKET_STREAM;
	packet.status = status;
	xdr_put_fixed(&out, bytes, n);
	message_send(stream->client, &packet, &out);
}

static void send_error(struct copy_stream *stream, const char *why)
{
	struct packet packet = stream->opened;

	packet.type = PACKET_STREAM;
	refuse_message(stream->client, &packet, ERROR_FAILED, why);
}

/* The client knows the stream no more. */
static void leave(struct copy_stream *stream)
{
	struct copy_stream **at = &stream->client->copies;

	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	stream->client = NULL;
}

static void fail(struct copy_stream *stream, const char *why)
{
	send_error(stream, why);
	leave(stream);
	copy_end(&stream->copy, false);
}

/* --- news of the copy --- */

/* A client whose data wait for room need not wait for the next look. */
static void changed(struct copy *copy)
{
	struct copy_stream *stream = copy->context;

	if (!stream->client)
		return;
	timer_cancel(&stream->client->retry);
	client_wake(stream->client);
}

static void ended(struct copy *copy)
{
	struct copy_stream *stream = copy->context;

	if (stream->client && copy->wrong && !stream->aborted)
		send_error(stream, copy->wrong);
	else if (stream->client)
		send(stream, PACKET_OK, NULL, 0);
	if (stream->client)
		leave(stream);
	free(stream);
	count--;
}

/* --- the client's side --- */

size_t copy_input(struct client *client, const struct packet *packet, const uint8_t *bytes,
		  size_t n)
{
	struct copy_stream *stream = find(client, packet);
	size_t taken;

	if (!stream->into || stream->finishes)
		return n;
	taken = copy_put(&stream->copy, bytes, n);
	if (taken < n && !stream->copy.wrong && stream->copy.left)
		return taken;
	if (stream->copy.wrong)
		fail(stream, stream->copy.wrong);
	else if (taken < n)
		fail(stream, "cannot write to stream: the data are longer than the part of the "
			     "volume that they are for");
	return n;
}

void copy_finish(struct client *client, const struct packet *packet)
{
	struct copy_stream *stream = find(client, packet);

	if (stream->finishes || packet->status == PACKET_CONTINUE)
		return;
	stream->finishes = true;
	stream->aborted = packet->status != PACKET_OK;
	copy_end(&stream->copy, !stream->aborted);
}

/* Sends the next bytes, and after the last ones an empty piece, with which the stream is over. Some
 * clients never finish a download. */
static void pump(struct copy_stream *stream)
{
	const uint8_t *bytes;
	size_t n;

	while (stream->client->queued < QUEUE && (bytes = copy_get(&stream->copy, &n))) {
		n = n < PIECE ? n : PIECE;
		send(stream, PACKET_CONTINUE, bytes, n);
		copy_took(&stream->copy, n);
	}
	if (stream->copy.wrong) {
		fail(stream, stream->copy.wrong);
	} else if (!stream->copy.left) {
		send(stream, PACKET_CONTINUE, NULL, 0);
		leave(stream);
		copy_end(&stream->copy, true);
	}
}

void copies_pump(struct client *client)
{
	for (struct copy_stream *stream = client->copies, *next; stream; stream = next) {
		next = stream->next;
		if (stream->finishes)
			continue;
		if (!stream->into)
			pump(stream);
		else if (stream->copy.wrong)
			fail(stream, stream->copy.wrong);
	}
}

void copies_leave(struct client *client)
{
	while (client->copies) {
		struct copy_stream *stream = client->copies;

		leave(stream);
		if (!stream->finishes)
			copy_end(&stream->copy, false);
	}
}

/* --- opening --- */

static void open_copy(struct call *call, const struct copy_order *order)
{
	struct copy_stream *stream = calloc(1, sizeof(*stream));
	const char *wrong;

	if (!stream) {
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
		return;
	}
	stream->client = call->client;
	stream->opened = *call->packet;
	stream->into = order->into;
	stream->copy.context = stream;
	stream->copy.changed = changed;
	stream->copy.ended = ended;
	wrong = copy_open(&stream->copy, order);
	if (wrong) {
		free(stream);
		call_fail(call, ERROR_INVALID, "Requested operation is not valid: %s", wrong);
		return;
	}
	stream->next = call->client->copies;
	call->client->copies = stream;
	count++;
	client_wake(call->client);
}

static void open_stream(struct call *call, bool into)
{
	struct found found;
	bool is_there = read_volume(call, &found);
	struct copy_order order = {.offset = xdr_u64(&call->in), .into = into};
	uint32_t flags;

	order.length = xdr_u64(&call->in);
	flags = xdr_u32(&call->in);
	if (!is_there || !call_read(call))
		return;
	order.pool = found.pool;
	order.lv = found.lv;
	if (flags & ~SPARSE_STREAM || (into && flags))
		call_fail(call, ERROR_UNSUPPORTED, "Operation not supported: a sparse upload");
	else if (streams_of(call->client) >= CLIENT_STREAMS)
		call_fail(call, ERROR_FAILED,
			  "operation failed: a connection has at most %u streams", CLIENT_STREAMS);
	else if (count >= COPIES)
		call_fail(call, ERROR_FAILED,
			  "operation failed: %u volumes are being copied over the network", count);
	else
		open_copy(call, &order);
}

void volumes_upload(struct call *call)
{
	open_stream(call, true);
}

void volumes_download(struct call *call)
{
	open_stream(call, false);
}
