/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a TLS connection, a server's or a client's, between bytes that came and bytes that go.
 * Its user moves them from and to the network. A handshake computes in pieces (base/slow.h); what
 * comes after it is done at once, a record at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/ssl.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/queue.h"
#include "guests/dom0/base/slow.h"

#define SESSION_RECORD 16384u /* bytes of plain text in one, at most (RFC 5246, 6.2.1) */

struct session {
	mbedtls_ssl_context ssl;
	struct queue in, out; /* received and not yet taken; to go */
	size_t taken;         /* bytes of `in` that have been taken, until the user clears it */
	bool failed; /* no memory, or an error behind the handshake: it is of no more use */
	int status;  /* of the handshake: 0, MBEDTLS_ERR_SSL_WANT_READ, an error */
	/* session.c's own */
	struct slow shake;
	bool alerted;      /* the peer has been told of an error, or that nothing more comes */
	struct work *work; /* the user's, queued after each piece of news */
};

/* The config stays until session_close. Returns false if there is no memory; session_close is
 * called all the same. */
bool session_open(struct session *session, const mbedtls_ssl_config *config, struct work *work);
/* May be called at any time but on the stack of slow computations. */
void session_close(struct session *session);

/* Bytes have come. Without memory for them the session fails. */
void session_receive(struct session *session, const uint8_t *bytes, size_t n);

/* Queues the handshake's next part, for which bytes have come, or its begin. */
void session_shake(struct session *session);
/* Is a part of it still to be computed? Then `status` says nothing yet. */
bool session_is_shaking(const struct session *session);
/* Takes all that has come, and that nobody will read any more. */
void session_forget_input(struct session *session);
/* Why the handshake has failed, in words about "it", the peer. */
const char *session_explain(const struct session *session);

/* After the handshake: encrypts bytes while nothing is to go. Returns how many. */
size_t session_write(struct session *session, const uint8_t *bytes, size_t n);
/* Decrypts a record at most. Returns the number of its bytes, MBEDTLS_ERR_SSL_WANT_READ, 0 at the
 * peer's end of the connection, or another error. */
int session_read(struct session *session, uint8_t *plain, size_t room);
/* Tells the peer that nothing more comes. */
void session_end(struct session *session);
