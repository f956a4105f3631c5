/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/tls/session.h"
#include "guests/dom0/tls/trust.h"
#include "guests/lib/guest.h"

#define ACCEPTANCE 1 /* libvirt's byte for a client that is let in */

enum stage { SHAKING, OPEN, GONE };

struct tls_wire {
	struct wire wire;
	struct wire *below; /* NULL: it has ended */
	struct tls_wire *next;
	enum stage stage;
	struct trust *trust;
	struct visitor visitor;
	struct session session;
	size_t given; /* plain bytes that the user has not consumed */
	bool ended;   /* by `below`, and the user does not know */
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

/* --- the wire below --- */

static void pump_out(struct tls_wire *t)
{
	struct queue *out = &t->session.out;
	size_t n = 1;

	while (t->below && n && queue_length(out)) {
		n = t->below->write(t->below, queue_front(out), queue_length(out));
		queue_drop(out, n);
	}
	queue_trim(out);
}

static void tell_consumed(struct tls_wire *t)
{
	size_t n = t->session.taken;

	t->session.taken = 0;
	if (t->below && n)
		t->below->consumed(t->below, n);
	queue_trim(&t->session.in);
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
	session_close(&t->session);
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
	trust_drop(t->trust);
	free(t);
}

/* --- the user's calls --- */

static size_t write_wire(struct wire *wire, const uint8_t *bytes, size_t n)
{
	struct tls_wire *t = (struct tls_wire *)wire;
	size_t done = 0, now = 1;

	while (now && done < n && t->stage == OPEN) {
		pump_out(t);
		now = session_write(&t->session, bytes + done, n - done);
		done += now;
	}
	pump_out(t);
	if (t->session.failed)
		wake(t);
	return done;
}

static void consumed(struct wire *wire, size_t n)
{
	struct tls_wire *t = (struct tls_wire *)wire;

	t->given -= n < t->given ? n : t->given;
	if (t->given < SESSION_RECORD)
		wake(t);
}

static void abort_wire(struct wire *wire)
{
	end_wire((struct tls_wire *)wire);
}

static void close_wire(struct wire *wire)
{
	struct tls_wire *t = (struct tls_wire *)wire;

	session_end(&t->session);
	pump_out(t);
	if (t->below && !queue_length(&t->session.out)) {
		t->below->close(t->below);
		t->below = NULL;
	}
	end_wire(t);
}

/* --- the handshake --- */

static const char *explain(const struct tls_wire *t)
{
	return *t->visitor.why ? t->visitor.why : session_explain(&t->session);
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
	switch (t->session.status) {
	case 0:
		if (t->visitor.right == RIGHT_NONE)
			refuse(t, "its certificate has not been looked at");
		else
			let_in(t);
		break;
	case MBEDTLS_ERR_SSL_WANT_READ:
		if (t->ended)
			refuse(t, "it has closed the connection");
		else if (queue_length(&t->session.in))
			session_shake(&t->session);
		break;
	default:
		/* The written bytes go out before the connection ends: lwIP sends a reset in
		 * its place while there are bytes that nobody has read. */
		session_forget_input(&t->session);
		tell_consumed(t);
		if (t->below && !queue_length(&t->session.out)) {
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
	static uint8_t plain[SESSION_RECORD];
	int status;

	if (t->given >= SESSION_RECORD)
		return;
	status = session_read(&t->session, plain, sizeof(plain));
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
	if (t->stage == SHAKING && t->session.failed) {
		refuse(t, "no memory");
	} else if (t->stage == SHAKING) {
		tell_consumed(t);
		if (!session_is_shaking(&t->session))
			after_shake(t);
	} else if (t->session.failed) {
		give_end(t);
	} else {
		read_on(t);
	}
}

/* --- told by the wire below --- */

static void received(void *context, const uint8_t *bytes, size_t n)
{
	struct tls_wire *t = context;

	session_receive(&t->session, bytes, n);
	if (t->stage == SHAKING)
		session_shake(&t->session);
}

static void room(void *context)
{
	struct tls_wire *t = context;

	pump_out(t);
	if (t->stage == OPEN && !queue_length(&t->session.out))
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
	t->trust = trust_hold(present);
	t->visitor.trust = present;
	t->work = (struct work){.run = run, .context = t};
	timer_init(&t->limit, too_late, t);
	t->wire.write = write_wire;
	t->wire.consumed = consumed;
	t->wire.close = close_wire;
	t->wire.abort = abort_wire;
	memcpy(t->wire.peer, below->peer, sizeof(t->wire.peer));
	if (!session_open(&t->session, trust_config(present), &t->work)) {
		session_close(&t->session);
		free_wire(t);
		return NULL;
	}
	mbedtls_ssl_set_verify(&t->session.ssl, trust_verify, &t->visitor);
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
