/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/ssl.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/tls/trust.h"
#include "guests/lib/guest.h"

#define RECORD      16384u /* bytes of plain text in one, at most (RFC 5246, 6.2.1) */
#define IN_LEAST    512u
#define ACCEPTANCE  1 /* libvirt's byte for a client that is let in */
#define OUT_AT_MOST 16384u

enum stage { SHAKING, OPEN, GONE };

struct tls_wire {
	struct wire wire;
	struct wire *below; /* NULL: it has ended */
	struct tls_wire *next;
	enum stage stage;
	struct trust *trust;
	struct visitor visitor;
	mbedtls_ssl_context ssl;
	/* Received from below, and not yet decrypted. */
	uint8_t *in;
	size_t in_at, in_used, in_room, in_taken; /* taken: `below` does not know yet */
	/* To go below. */
	uint8_t *out;
	size_t out_at, out_used, out_room;
	size_t given; /* plain bytes that the user has not consumed */
	bool failed;  /* no memory */
	bool ended;   /* by `below`, and the user does not know */
	int status;   /* of the handshake */
	struct slow shake;
	struct work work;
	struct timer limit;
};

static struct trust *present;
static wire_taker *open_taker;
static struct tls_wire *shaking; /* those whose handshake is on its way, the newest first */
static unsigned count;

static void wake(struct tls_wire *t)
{
	work_queue(&t->work);
}

/* --- bytes in and out: called by mbedTLS, in a handshake on the stack of slow computations --- */

/* Makes room for n more bytes behind the used ones. */
static bool make_room(uint8_t **bytes, size_t *at, size_t *used, size_t *room, size_t n)
{
	size_t more = *room ? *room : IN_LEAST;
	uint8_t *place;

	if (*at) {
		memmove(*bytes, *bytes + *at, *used - *at);
		*used -= *at;
		*at = 0;
	}
	while (more < *used + n)
		more *= 2;
	if (more == *room)
		return true;
	place = realloc(*bytes, more);
	if (!place)
		return false;
	*bytes = place;
	*room = more;
	return true;
}

static int take_in(void *context, unsigned char *to, size_t n)
{
	struct tls_wire *t = context;
	size_t there = t->in_used - t->in_at;

	if (!there)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (n > there)
		n = there;
	memcpy(to, t->in + t->in_at, n);
	t->in_at += n;
	t->in_taken += n;
	return (int)n;
}

/* Takes all: records are as many as the user of this side writes, and they are few in a handshake.
 */
static int put_out(void *context, const unsigned char *bytes, size_t n)
{
	struct tls_wire *t = context;

	if (t->out_used - t->out_at + n > OUT_AT_MOST ||
	    !make_room(&t->out, &t->out_at, &t->out_used, &t->out_room, n)) {
		t->failed = true;
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	}
	memcpy(t->out + t->out_used, bytes, n);
	t->out_used += n;
	return (int)n;
}

/* --- the wire below --- */

static void free_when_empty(uint8_t **bytes, size_t *at, size_t *used, size_t *room)
{
	if (*at != *used)
		return;
	free(*bytes);
	*bytes = NULL;
	*at = *used = *room = 0;
}

static void pump_out(struct tls_wire *t)
{
	size_t n = 1;

	while (t->below && n && t->out_at < t->out_used) {
		n = t->below->write(t->below, t->out + t->out_at, t->out_used - t->out_at);
		t->out_at += n;
	}
	free_when_empty(&t->out, &t->out_at, &t->out_used, &t->out_room);
}

static void tell_consumed(struct tls_wire *t)
{
	size_t n = t->in_taken;

	t->in_taken = 0;
	if (t->below && n)
		t->below->consumed(t->below, n);
	free_when_empty(&t->in, &t->in_at, &t->in_used, &t->in_room);
}

static void leave_handshakes(struct tls_wire *t)
{
	struct tls_wire **at = &shaking;

	timer_cancel(&t->limit);
	while (*at && *at != t)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = t->next;
	count--;
}

/* No byte goes either way any more; it is freed from the event loop. */
static void end_wire(struct tls_wire *t)
{
	leave_handshakes(t);
	slow_drop(&t->shake);
	t->stage = GONE;
	if (t->below)
		t->below->abort(t->below);
	t->below = NULL;
	wake(t);
}

static void refuse(struct tls_wire *t, const char *why)
{
	printf(LOG_WARNING "libvirt: %s: TLS: refused: %s\n", t->wire.peer, why);
	end_wire(t);
}

static void free_wire(struct tls_wire *t)
{
	mbedtls_ssl_free(&t->ssl);
	trust_drop(t->trust);
	free(t->in);
	free(t->out);
	free(t);
}

/* --- the user's calls --- */

static size_t write_wire(struct wire *wire, const uint8_t *bytes, size_t n)
{
	struct tls_wire *t = (struct tls_wire *)wire;
	size_t done = 0;

	while (done < n && t->stage == OPEN && !t->failed) {
		int status;

		pump_out(t);
		if (t->out_used)
			break;
		status = mbedtls_ssl_write(&t->ssl, bytes + done, n - done);
		if (status <= 0)
			t->failed = true;
		else
			done += (size_t)status;
	}
	pump_out(t);
	if (t->failed)
		wake(t);
	return done;
}

static void consumed(struct wire *wire, size_t n)
{
	struct tls_wire *t = (struct tls_wire *)wire;

	t->given -= n < t->given ? n : t->given;
	if (t->given < RECORD)
		wake(t);
}

static void abort_wire(struct wire *wire)
{
	end_wire((struct tls_wire *)wire);
}

static void close_wire(struct wire *wire)
{
	struct tls_wire *t = (struct tls_wire *)wire;

	mbedtls_ssl_close_notify(&t->ssl);
	pump_out(t);
	if (t->below && !t->out_used) {
		t->below->close(t->below);
		t->below = NULL;
	}
	end_wire(t);
}

/* --- the handshake --- */

static void shake(struct slow *slow)
{
	struct tls_wire *t = slow->context;

	t->status = mbedtls_ssl_handshake(&t->ssl);
	wake(t);
}

static const char *explain(const struct tls_wire *t)
{
	static char text[96];

	if (*t->visitor.why)
		return t->visitor.why;
	switch (t->status) {
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
		return "it has no certificate";
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return "it does not accept the server's certificate, or nothing of what is offered";
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return "no memory";
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		return "it sends bytes that are no TLS";
	default:
		snprintf(text, sizeof(text), "the handshake has failed (mbedTLS's error -%#x)",
			 (unsigned)-t->status);
		return text;
	}
}

static void let_in(struct tls_wire *t)
{
	static const unsigned char byte = ACCEPTANCE;
	bool writes = t->visitor.right == RIGHT_WRITE;

	leave_handshakes(t);
	t->wire.secure = true;
	t->wire.read_only = !writes;
	t->stage = OPEN;
	printf(LOG_ACTION "libvirt: %s: TLS: %s, may %s\n", t->wire.peer, t->visitor.name,
	       writes ? "read and write" : "read");
	if (write_wire(&t->wire, &byte, 1) != 1 || !open_taker(&t->wire))
		end_wire(t);
	else
		wake(t);
}

static void after_shake(struct tls_wire *t)
{
	pump_out(t); /* an alert, too */
	switch (t->status) {
	case 0:
		if (t->visitor.right == RIGHT_NONE)
			refuse(t, "its certificate has not been looked at");
		else
			let_in(t);
		break;
	case MBEDTLS_ERR_SSL_WANT_READ:
		if (t->ended)
			refuse(t, "it has closed the connection");
		else if (t->in_at < t->in_used)
			slow_queue(&t->shake);
		break;
	default:
		/* The written bytes go out before the connection ends: lwIP sends a reset in
		 * its place while there are bytes that nobody has read. */
		t->in_taken += t->in_used - t->in_at;
		t->in_at = t->in_used;
		tell_consumed(t);
		if (t->below && !t->out_used) {
			t->below->close(t->below);
			t->below = NULL;
		}
		refuse(t, explain(t));
	}
}

/* --- an open wire --- */

static void give_end(struct tls_wire *t)
{
	t->wire.user->ended(t->wire.context);
	end_wire(t);
}

/* Decrypts one record, and gives what is in it. */
static void read_on(struct tls_wire *t)
{
	static uint8_t plain[RECORD];
	int status;

	if (t->given >= RECORD)
		return;
	status = mbedtls_ssl_read(&t->ssl, plain, sizeof(plain));
	tell_consumed(t);
	if (status == MBEDTLS_ERR_SSL_WANT_READ) {
		pump_out(t);
		if (t->ended)
			give_end(t);
		return;
	}
	if (status <= 0) {
		give_end(t);
		return;
	}
	t->given += (size_t)status;
	wake(t);
	t->wire.user->received(t->wire.context, plain, (size_t)status);
}

static void run(struct work *work)
{
	struct tls_wire *t = work->context;

	if (t->stage == GONE) {
		free_wire(t);
		return;
	}
	if (t->stage == SHAKING && t->failed) {
		refuse(t, "no memory");
	} else if (t->stage == SHAKING) {
		tell_consumed(t);
		if (!t->shake.queued)
			after_shake(t);
	} else if (t->failed) {
		give_end(t);
	} else {
		read_on(t);
	}
}

/* --- told by the wire below --- */

static void received(void *context, const uint8_t *bytes, size_t n)
{
	struct tls_wire *t = context;

	if (!make_room(&t->in, &t->in_at, &t->in_used, &t->in_room, n)) {
		t->failed = true;
		wake(t);
		return;
	}
	memcpy(t->in + t->in_used, bytes, n);
	t->in_used += n;
	if (t->stage == SHAKING)
		slow_queue(&t->shake);
	else
		wake(t);
}

static void room(void *context)
{
	struct tls_wire *t = context;

	pump_out(t);
	if (t->stage == OPEN && !t->out_used)
		t->wire.user->room(t->wire.context);
}

static void ended(void *context)
{
	struct tls_wire *t = context;

	t->below = NULL;
	t->ended = true;
	wake(t);
}

static const struct wire_user user = {.received = received, .room = room, .ended = ended};

/* --- new ones --- */

static void too_late(struct timer *timer)
{
	refuse(timer->context, "its handshake has taken more than 10 s");
}

static bool same_address(const struct tls_wire *a, const struct tls_wire *b)
{
	size_t length = strcspn(a->wire.peer, ":");

	return strcspn(b->wire.peer, ":") == length && !memcmp(a->wire.peer, b->wire.peer, length);
}

static unsigned count_of(const struct tls_wire *one)
{
	unsigned found = 0;

	for (const struct tls_wire *t = shaking; t; t = t->next)
		found += same_address(t, one);
	return found;
}

static void drop_one(void)
{
	struct tls_wire *victim = NULL;

	/* The list begins with the newest: among equals the last one is the oldest. */
	for (struct tls_wire *t = shaking; t; t = t->next)
		if (!victim || count_of(t) >= count_of(victim))
			victim = t;
	if (victim)
		refuse(victim, "too many handshakes are on their way");
}

static struct tls_wire *make(struct wire *below)
{
	struct tls_wire *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->below = below;
	t->status = MBEDTLS_ERR_SSL_WANT_READ;
	t->trust = trust_hold(present);
	t->visitor.trust = present;
	t->shake = (struct slow){.run = shake, .context = t};
	t->work = (struct work){.run = run, .context = t};
	timer_init(&t->limit, too_late, t);
	t->wire.write = write_wire;
	t->wire.consumed = consumed;
	t->wire.close = close_wire;
	t->wire.abort = abort_wire;
	memcpy(t->wire.peer, below->peer, sizeof(t->wire.peer));
	mbedtls_ssl_init(&t->ssl);
	if (mbedtls_ssl_setup(&t->ssl, trust_config(present))) {
		free_wire(t);
		return NULL;
	}
	mbedtls_ssl_set_bio(&t->ssl, t, put_out, take_in, NULL);
	mbedtls_ssl_set_verify(&t->ssl, trust_verify, &t->visitor);
	return t;
}

bool tls_take(struct wire *below)
{
	struct tls_wire *t;

	if (count >= TLS_HANDSHAKES)
		drop_one();
	t = make(below);
	if (!t) {
		printf(LOG_WARNING "libvirt: %s: TLS: refused: no memory\n", below->peer);
		return false;
	}
	below->user = &user;
	below->context = t;
	t->next = shaking;
	shaking = t;
	count++;
	timer_set(&t->limit, clock_ns() + TLS_HANDSHAKE_NS);
	return true;
}

void tls_use(struct trust *trust, wire_taker *taker)
{
	trust_drop(present);
	present = trust_hold(trust);
	open_taker = taker;
}

unsigned tls_handshakes(void)
{
	return count;
}
