/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/rpc/call.h"
#include "guests/dom0/rpc/events.h"
#include "guests/dom0/rpc/stream.h"
#include "guests/lib/guest.h"

#define RETRY_NS   5000000u      /* until the next look whether a client's wait is over */
#define GIVE_UP_NS 5000000000ull /* on what it waits for */
#define LOOK_NS    1000000000u

/* A message on its way. */
struct block {
	struct block *next;
	uint8_t *bytes;
	size_t n, at;
	bool event;
};

static struct client *clients;
static unsigned count, not_open;
static size_t queued; /* of all */
static uint64_t last_number;
static struct timer look_timer;

static void look_soon(void)
{
	if (!look_timer.deadline)
		timer_set(&look_timer, clock_ns() + LOOK_NS);
}

struct client *client_first(void)
{
	return clients;
}

void client_opened(struct client *client, bool read_only)
{
	not_open -= !client->open;
	client->open = true;
	client->read_only = read_only || client->wire->read_only;
	client->since_ns = clock_ns();
}

void client_closed(struct client *client)
{
	not_open += client->open;
	client->open = false;
	client->since_ns = clock_ns();
	look_soon();
}

static void drop_first(struct client *client)
{
	struct block *block = client->first;

	client->first = block->next;
	if (!client->first)
		client->last = &client->first;
	client->events -= block->event;
	client->queued -= block->n;
	queued -= block->n;
	free(block->bytes);
	free(block);
}

static void end(struct client *client)
{
	struct client **at = &clients;

	client->work.queued = 1; /* nobody wakes it any more */
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	count--;
	not_open -= !client->open;
	timer_cancel(&client->retry);
	streams_end(client);
	if (client->wire)
		client->wire->abort(client->wire);
	while (client->first)
		drop_first(client);
	packet_free(&client->reader);
	queue_free(&client->in);
	free(client);
}

/* --- to the clients --- */

static void pump(struct client *client)
{
	while (client->first && client->wire) {
		struct block *block = client->first;
		size_t n = client->wire->write(client->wire, block->bytes + block->at,
					       block->n - block->at);

		if (!n)
			return;
		block->at += n;
		if (block->at == block->n)
			drop_first(client);
	}
}

static struct xdr_out begin(size_t most)
{
	static const uint8_t header[PACKET_HEADER];
	struct xdr_out out = {.most = PACKET_HEADER + most};

	xdr_put_fixed(&out, header, sizeof(header));
	return out;
}

struct xdr_out message_begin(void)
{
	return begin(CLIENT_MESSAGE);
}

/* Clients that do not read leave little for the answers of others, but never nothing. */
struct xdr_out answer_begin(void)
{
	size_t most = queued < CLIENTS_QUEUES ? CLIENTS_QUEUES - queued : 0;

	most = most > CLIENT_SMALL ? most : CLIENT_SMALL;
	return begin(most < CLIENT_REPLY ? most : CLIENT_REPLY);
}

/* While it waits, a message takes no more room than it needs. */
static void shrink(struct xdr_out *out)
{
	uint8_t *bytes = realloc(out->bytes, out->used);

	if (bytes)
		out->bytes = bytes;
}

static void send_message(struct client *client, const struct packet *packet, struct xdr_out *out,
			 bool event)
{
	struct block *block = out->failed ? NULL : calloc(1, sizeof(*block));

	if (!block) {
		free(out->bytes);
		client_drop(client, "no memory for a message to it");
		return;
	}
	shrink(out);
	packet_write(out->bytes, packet, out->used - PACKET_HEADER);
	*block = (struct block){.bytes = out->bytes, .n = out->used, .event = event};
	if (!client->first && client->open)
		client->since_ns = clock_ns();
	*client->last = block;
	client->last = &block->next;
	client->events += event;
	client->queued += block->n;
	queued += block->n;
	look_soon();
	client_wake(client);
}

void message_send(struct client *client, const struct packet *packet, struct xdr_out *out)
{
	send_message(client, packet, out, false);
}

void message_send_event(struct client *client, const struct packet *packet, struct xdr_out *out)
{
	send_message(client, packet, out, true);
	if (client->events > CLIENT_EVENTS)
		client_drop(client, "it does not read its events");
}

/* --- from the clients --- */

/* Collecting a call costs memory that all clients share: one that may grow beyond what is left is
 * read over. A short call is always collected, and a client that has not opened sends no other. */
static void bound_call(struct client *client)
{
	struct packet_reader *reader = &client->reader;
	bool header = reader->have == PACKET_HEADER; /* it has been checked against `most` */
	size_t used = queue_length(&client->in);

	for (const struct client *other = clients; other; other = other->next)
		used += other->reader.room;
	if (!header)
		reader->most =
			client->open && used <= CLIENTS_CALLS ? PACKET_CALL_MOST : CLIENT_FIRST;
	else if (used > CLIENTS_CALLS && reader->used + reader->left > CLIENT_FIRST)
		packet_skip(reader);
}

static void wait(struct client *client, bool moved)
{
	if (!client->waits || moved)
		client->waits_ns = clock_ns();
	client->waits = true;
	timer_set(&client->retry, clock_ns() + RETRY_NS);
}

bool client_may_wait(const struct client *client)
{
	return !client->waits || clock_ns() - client->waits_ns <= GIVE_UP_NS;
}

static void read_piece(struct client *client, size_t piece)
{
	const struct packet *packet = &client->reader.packet;
	size_t n = stream_input(client, packet, queue_front(&client->in), piece);

	if (n < piece && !client_may_wait(client) && stream_may_lose(client, packet))
		n = piece;
	if (n < piece)
		wait(client, n);
	else
		client->waits = false;
	packet_took(&client->reader, n);
	queue_drop(&client->in, n);
	client->wire->consumed(client->wire, n);
}

/* A call that cannot be answered yet stays in the reader, and is handled anew after a moment. */
static void handle(struct client *client)
{
	client->again = !dispatch(client);
	if (client->again) {
		wait(client, false);
		return;
	}
	client->waits = false;
	packet_next(&client->reader);
}

/* Reads up to one message. Returns false if there is nothing to do now. */
static bool read_some(struct client *client)
{
	size_t taken, piece = 0;
	enum packet_found found;

	if (client->again) {
		handle(client);
		return !client->waits;
	}
	if (!queue_length(&client->in) || client->collects || client->queued > CLIENT_QUEUE)
		return false;
	bound_call(client);
	found = packet_read(&client->reader, queue_front(&client->in), queue_length(&client->in),
			    &taken, &piece);
	queue_drop(&client->in, taken);
	client->wire->consumed(client->wire, taken);
	switch (found) {
	case PACKET_NOTHING:
		break;
	case PACKET_WHOLE:
		handle(client);
		break;
	case PACKET_PIECE:
		read_piece(client, piece);
		break;
	case PACKET_WRONG:
		client_drop(client, "it sends bytes that are no message of libvirt's protocol");
		break;
	}
	return !client->waits;
}

static void run(struct work *work)
{
	struct client *client = work->context;
	bool again;

	if (!client->wire || client->broken) {
		end(client);
		return;
	}
	again = (!client->waits || !client->retry.deadline) && read_some(client);
	queue_trim(&client->in);
	pump(client);
	streams_pump(client);
	if (again || client->broken)
		client_wake(client);
}

void client_wake(struct client *client)
{
	work_queue(&client->work);
}

void client_drop(struct client *client, const char *why)
{
	if (!client->broken && client->wire)
		printf(LOG_WARNING "libvirt: %s: dropped: %s\n", client->wire->peer, why);
	client->broken = true;
	client_wake(client);
}

static void retry(struct timer *timer)
{
	client_wake(timer->context);
}

/* --- the wire's calls --- */

static void received(void *context, const uint8_t *bytes, size_t n)
{
	struct client *client = context;

	if (!queue_put(&client->in, bytes, n)) {
		client_drop(client, "no memory for its messages");
		return;
	}
	client_wake(client);
}

static void room(void *context)
{
	struct client *client = context;

	client->since_ns = client->open ? clock_ns() : client->since_ns;
	client_wake(client);
}

static void ended(void *context)
{
	struct client *client = context;

	client->wire = NULL;
	client_wake(client);
}

/* --- limits --- */

/* A client that has opened has all time, unless it takes none of its answers. */
static void look(struct timer *timer)
{
	bool again = false;

	(void)timer;
	for (struct client *client = clients; client; client = client->next) {
		uint64_t for_ns = clock_ns() - client->since_ns;

		if (!client->open && for_ns > OPEN_NS)
			client_drop(client, "it has not opened a connection within 10 s");
		else if (client->open && client->first && for_ns > STALL_NS)
			client_drop(client, "it has taken none of its answers for 60 s");
		else if (client->first)
			client_wake(client); /* the network stack had no memory for it */
		again = again || !client->open || client->first;
	}
	if (again)
		timer_set(&look_timer, clock_ns() + LOOK_NS);
}

static void drop_oldest(void)
{
	struct client *oldest = NULL;

	for (struct client *client = clients; client; client = client->next)
		if (!client->open && !client->broken)
			oldest = client;
	if (oldest)
		client_drop(oldest, "others come that have yet to open, too");
}

bool client_take(struct wire *wire)
{
	static const struct wire_user user = {.received = received, .room = room, .ended = ended};
	struct client *client;

	if (!look_timer.fire)
		timer_init(&look_timer, look, NULL);
	if (not_open >= CLIENTS_NOT_OPEN)
		drop_oldest();
	if (count >= CLIENTS) {
		printf(LOG_WARNING "libvirt: %s: refused: %u clients are connected\n", wire->peer,
		       count);
		return false;
	}
	client = calloc(1, sizeof(*client));
	if (!client)
		return false;
	client->number = ++last_number;
	client->wire = wire;
	wire->user = &user;
	wire->context = client;
	client->last = &client->first;
	client->since_ns = clock_ns();
	client->work = (struct work){.run = run, .context = client};
	timer_init(&client->retry, retry, client);
	callbacks_init(client);
	client->next = clients;
	clients = client;
	count++;
	not_open++;
	look_soon();
	return true;
}
