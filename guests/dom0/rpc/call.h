/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A call of a client: its arguments, its result, or an error. A handler reads `in`, writes `out`
 * and returns; after call_fail its result counts for nothing.
 */
#pragma once

#include "guests/dom0/rpc/error.h"
#include "guests/dom0/rpc/packet.h"
#include "guests/dom0/rpc/xdr.h"

#define CALL_TEXT 1024u

struct client;
struct vm;

struct call {
	struct client *client;
	const struct packet *packet;
	struct xdr_in in;
	struct xdr_out out;
	bool later;           /* the answer comes by late_answer */
	bool again;           /* the handler runs once more after a moment */
	enum error_code code; /* 0: none */
	char text[CALL_TEXT];
};

/* The first error stays. */
void call_fail(struct call *call, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* For a text of dom0's other rooms; NULL: no error. Returns true if there is one. */
bool call_refused(struct call *call, const char *why);
/*
 * What the call needs is not there now, but soon: the handler runs once more after a moment, with
 * the same arguments, and so on for 5 s. Other calls of the client wait meanwhile. After that `why`
 * is the call's error. The handler returns as after call_fail, and has done nothing yet.
 */
void call_again(struct call *call, const char *why);
/* Arguments are complete and right? Returns false after call_fail. */
bool call_read(struct call *call);

/* connect.c: a list without elements, and its length once more. */
void answer_empty_list(struct call *call);

/* domain.c: a guest as argument, found by its UUID; NULL after call_fail. */
struct vm *call_domain(struct call *call);
/* Fails the call because no guest has this UUID; `name` is the client's, or "". */
void call_no_domain(struct call *call, const uint8_t uuid[16], const char *name);
void put_domain(struct xdr_out *out, const struct vm *vm);

/* A text in pieces as result: put them between these, with call_put and &call->out as context.
 * document_begin returns what document_end takes. */
size_t document_begin(struct xdr_out *out);
void document_put(void *out, const char *text);
void document_end(struct xdr_out *out, size_t begin);

/*
 * A call whose answer comes later: the handler keeps the result of call_later and returns. Then
 * late_resume gives the call back, with the error or the result to be written, and late_answer
 * sends it; NULL: the client is gone.
 */
struct late_call {
	uint64_t client; /* its number */
	struct packet packet;
};
struct late_call call_later(struct call *call);
struct call *late_resume(const struct late_call *late);
void late_answer(struct call *call);

/* dispatch.c: answers a message with an error, which ends the stream of a stream's. */
void refuse_message(struct client *client, const struct packet *to, enum error_code code,
		    const char *text);
/* dispatch.c: handles the message that the client's reader has, and answers it. Returns false if
 * the message is to be handled once more after a moment. */
bool dispatch(struct client *client);
