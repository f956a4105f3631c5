/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients: the messages from and to each, in bounds, so that one that stalls, floods or lies
 * costs itself alone.
 */
#pragma once

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/queue.h"
#include "guests/dom0/rpc/packet.h"
#include "guests/dom0/rpc/wire.h"
#include "guests/dom0/rpc/xdr.h"

#define CLIENTS          64u
#define CLIENTS_NOT_OPEN 20u         /* have yet to open: the oldest goes when one more comes */
#define CLIENT_QUEUE     (64u << 10) /* bytes to go, beyond which no more calls are read */
#define CLIENT_EVENTS    64u         /* events to go, beyond which the client is dropped */
#define CLIENT_CALLBACKS 64u
#define CLIENT_STREAMS   8u
#define CLIENT_REPLY     (4u << 20)     /* bytes of an answer */
#define CLIENT_MESSAGE   (256u << 10)   /* bytes of a message that is none */
#define CLIENTS_QUEUES   (8u << 20)     /* to go to all clients: longer answers become errors, */
#define CLIENT_SMALL     (16u << 10)    /* but for small ones */
#define CLIENTS_CALLS    (4u << 20)     /* of calls that are being read, of all clients */
#define CLIENT_FIRST     4096u          /* of a call, before that is used up and while it is */
#define OPEN_NS          10000000000ull /* until a client has opened */
#define STALL_NS         60000000000ull /* that a client takes none of its answers */

struct block;
struct copy_stream;
struct picture_stream;
struct stream;

/* News that a client has asked for (events.c). */
struct callback {
	int32_t kind; /* of the protocol, -1: none */
	uint8_t of;   /* enum callback_of */
	bool one;     /* about one guest alone */
	uint8_t uuid[16];
};

struct client {
	struct client *next;
	uint64_t number;   /* of no other client, ever */
	struct wire *wire; /* NULL: it is gone */
	struct packet_reader reader;
	struct queue in; /* received and not yet read */
	/* To go, in messages. */
	struct block *first, **last;
	size_t queued;
	unsigned events;   /* messages among them */
	uint64_t since_ns; /* it came, or began to stall */
	bool open, read_only, broken;
	bool collects; /* a long answer is being collected: no more calls are read until then */
	bool waits;    /* for a guest that does not take typed bytes, or for the disks (`again`) */
	bool again;    /* the reader's message is to be handled once more */
	uint64_t waits_ns;
	struct callback callback[CLIENT_CALLBACKS];
	struct stream *streams;
	struct copy_stream *copies;
	struct picture_stream *pictures;
	struct work work;
	struct timer retry;
};

struct client *client_first(void);
bool client_take(struct wire *wire);
/* It has opened the hypervisor, which all calls but the first need; or closed it. */
void client_opened(struct client *client, bool read_only);
void client_closed(struct client *client);
/* Reads on, from the event loop. */
void client_wake(struct client *client);
/* Returns false if what the client waits for has not come for 5 s. */
bool client_may_wait(const struct client *client);
/* Drops it, from the event loop, and says why on the log. */
void client_drop(struct client *client, const char *why);

/* A message's payload is written behind message_begin or, for the answer to a call, answer_begin,
 * and message_send sends and frees it. */
struct xdr_out message_begin(void);
struct xdr_out answer_begin(void);
void message_send(struct client *client, const struct packet *packet, struct xdr_out *out);
/* The same for news, for which a client that does not read has no endless room. */
void message_send_event(struct client *client, const struct packet *packet, struct xdr_out *out);
