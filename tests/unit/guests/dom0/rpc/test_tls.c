/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/rpc/tls.c guests/dom0/tls/trust.c guests/dom0/tls/validity.c guests/dom0/tls/exponent.c guests/dom0/tls/keys.c guests/dom0/tls/names.c */
/* sources: guests/dom0/tls/random.c guests/dom0/tls/health.c guests/dom0/tls/memory.c */
/* sources: guests/dom0/tls/session.c guests/dom0/base/queue.c guests/dom0/base/slow.c guests/dom0/base/switch.S guests/dom0/base/timer.c guests/dom0/machine/calendar.c */
/* libs: mbedtls */
/*
 * The server's end of TLS against a client of mbedTLS's, over wires that are arrays: cut, garbled,
 * with the wrong certificate, at the wrong time, too many, too slow.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* in_msg of mbedTLS 3 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/rpc/tls.h"
#include "guests/dom0/tls/compat.h"
#include "guests/dom0/tls/memory.h"
#include "guests/dom0/tls/random.h"
#include "guests/dom0/tls/trust.h"
#include "tests/unit/works_mock.h"

#define NOW    1796083200ull /* 2026-12-01 */
#define YEAR   (365ull * 86400)
#define STREAM 400000u

/* --- the loop --- */

static uint64_t now_ns, wall_s = NOW, tick_ns;
static unsigned turns;

uint64_t clock_ns(void)
{
	now_ns += tick_ns;
	return now_ns;
}

uint64_t clock_wall_ns(void)
{
	return wall_s * 1000000000u;
}

/* Returns true if it did something. */
static bool turn(void)
{
	if (!works_run_one())
		return false;
	turns++;
	return true;
}

static void loop(void)
{
	while (turn())
		;
	timers_run(now_ns);
	while (turn())
		;
}

/* --- both ends --- */

struct stream {
	uint8_t bytes[STREAM];
	size_t at, used;
};

struct peer {
	struct wire below;
	size_t room;       /* bytes that the wire takes from the server */
	bool below_ended;  /* closed or aborted by the server */
	size_t unconsumed; /* by the server */
	struct stream to_server, to_client;
	/* The client. */
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_x509_crt ca, certificate;
	mbedtls_pk_context key;
	/* The server's user. */
	struct wire *wire;
	bool user_ended;
	struct stream got;
};

static struct peer peers[TLS_HANDSHAKES + 2];

static size_t write_below(struct wire *wire, const uint8_t *bytes, size_t n)
{
	struct peer *peer = (struct peer *)wire;

	assert_false(peer->below_ended);
	n = n < peer->room ? n : peer->room;
	assert_true(peer->to_client.used + n <= STREAM);
	memcpy(peer->to_client.bytes + peer->to_client.used, bytes, n);
	peer->to_client.used += n;
	peer->room -= n;
	return n;
}

static void consumed_below(struct wire *wire, size_t n)
{
	struct peer *peer = (struct peer *)wire;

	assert_true(n <= peer->unconsumed);
	peer->unconsumed -= n;
}

static void end_below(struct wire *wire)
{
	struct peer *peer = (struct peer *)wire;

	assert_false(peer->below_ended);
	peer->below_ended = true;
}

static void received(void *context, const uint8_t *bytes, size_t n)
{
	struct peer *peer = context;

	memcpy(peer->got.bytes + peer->got.used, bytes, n);
	peer->got.used += n;
}

static void nothing(void *context)
{
	(void)context;
}

static void user_ended(void *context)
{
	struct peer *peer = context;

	peer->user_ended = true;
	peer->wire = NULL;
}

static struct peer *peer_of_wire; /* the one that talks now */
static bool takes = true;

static bool taker(struct wire *wire)
{
	static const struct wire_user user = {
		.received = received, .room = nothing, .ended = user_ended};

	if (!takes)
		return false;
	wire->user = &user;
	wire->context = peer_of_wire;
	peer_of_wire->wire = wire;
	return true;
}

static int client_send(void *context, const unsigned char *bytes, size_t n)
{
	struct peer *peer = context;

	assert_true(peer->to_server.used + n <= STREAM);
	memcpy(peer->to_server.bytes + peer->to_server.used, bytes, n);
	peer->to_server.used += n;
	return (int)n;
}

static int client_receive(void *context, unsigned char *to, size_t n)
{
	struct stream *stream = &((struct peer *)context)->to_client;
	size_t there = stream->used - stream->at;

	if (!there)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = n < there ? n : there;
	memcpy(to, stream->bytes + stream->at, n);
	stream->at += n;
	return (int)n;
}

static struct key_pair ca, other_ca, server, admin, viewer, stranger, foreign;
static struct trust *trust;

/* A client that begins to talk; `pair` may be NULL. */
static struct peer *connect_peer(struct peer *peer, const char *name, const struct key_pair *pair)
{
	memset(peer, 0, sizeof(*peer));
	peer->room = STREAM;
	peer->below = (struct wire){.write = write_below,
				    .consumed = consumed_below,
				    .close = end_below,
				    .abort = end_below};
	strcpy(peer->below.peer, name);
	mbedtls_ssl_init(&peer->ssl);
	mbedtls_ssl_config_init(&peer->config);
	mbedtls_x509_crt_init(&peer->ca);
	mbedtls_x509_crt_init(&peer->certificate);
	mbedtls_pk_init(&peer->key);
	assert_int_equal(mbedtls_x509_crt_parse(&peer->ca, (uint8_t *)ca.certificate,
						strlen(ca.certificate) + 1),
			 0);
	mbedtls_ssl_config_defaults(&peer->config, MBEDTLS_SSL_IS_CLIENT,
				    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	mbedtls_ssl_conf_rng(&peer->config, tls_random, NULL);
	mbedtls_ssl_conf_ca_chain(&peer->config, &peer->ca, NULL);
	if (pair) {
		mbedtls_x509_crt_parse(&peer->certificate, (uint8_t *)pair->certificate,
				       strlen(pair->certificate) + 1);
		compat_parse_key(&peer->key, (const uint8_t *)pair->key, strlen(pair->key) + 1);
		mbedtls_ssl_conf_own_cert(&peer->config, &peer->certificate, &peer->key);
	}
	assert_int_equal(mbedtls_ssl_setup(&peer->ssl, &peer->config), 0);
	mbedtls_ssl_set_hostname(&peer->ssl, "sampo.example");
	mbedtls_ssl_set_bio(&peer->ssl, peer, client_send, client_receive, NULL);
	assert_true(tls_take(&peer->below));
	return peer;
}

static void forget_peer(struct peer *peer)
{
	if (peer->wire)
		peer->wire->abort(peer->wire);
	else if (!peer->below_ended)
		peer->below.user->ended(peer->below.context);
	loop();
	mbedtls_ssl_free(&peer->ssl);
	mbedtls_ssl_config_free(&peer->config);
	mbedtls_x509_crt_free(&peer->ca);
	mbedtls_x509_crt_free(&peer->certificate);
	mbedtls_pk_free(&peer->key);
}

/* Gives the server at most so many bytes of what the client has sent. */
static void give(struct peer *peer, size_t most)
{
	struct stream *stream = &peer->to_server;
	size_t n = stream->used - stream->at < most ? stream->used - stream->at : most;

	if (!n || peer->below_ended)
		return;
	peer->unconsumed += n;
	peer->below.user->received(peer->below.context, stream->bytes + stream->at, n);
	stream->at += n;
}

struct lie {
	size_t at; /* byte of the client's stream */
	uint8_t flip;
};

/* Both talk, in pieces of so many bytes, until the client has sent `most`. Returns the client's
 * status. */
static int talk(struct peer *peer, size_t piece, size_t most, struct lie lie)
{
	int status = MBEDTLS_ERR_SSL_WANT_READ;

	peer_of_wire = peer;
	for (unsigned i = 0; i < 20 && status == MBEDTLS_ERR_SSL_WANT_READ; i++) {
		size_t before = peer->to_server.used;

		status = mbedtls_ssl_handshake(&peer->ssl);
		if (lie.flip && before <= lie.at && lie.at < peer->to_server.used)
			peer->to_server.bytes[lie.at] ^= lie.flip;
		while (peer->to_server.at < peer->to_server.used && peer->to_server.at < most &&
		       !peer->below_ended) {
			size_t left = most - peer->to_server.at;

			give(peer, piece < left ? piece : left);
			loop();
		}
	}
	return status;
}

#define NO_LIE ((struct lie){0, 0})

static int shake(struct peer *peer)
{
	return talk(peer, STREAM, STREAM, NO_LIE);
}

static bool is_let_in(struct peer *peer)
{
	unsigned char byte = 0;

	return peer->wire && mbedtls_ssl_read(&peer->ssl, &byte, 1) == 1 && byte == 1;
}

static void make_keys(struct slow *slow)
{
	(void)slow;
	assert_null(keys_make_ca(&ca, NOW));
	assert_null(keys_make_ca(&other_ca, NOW));
	assert_null(keys_make_server(&ca, "10.0.0.1,sampo.example", NOW, &server));
	assert_null(keys_make_client(&ca, "admin", NOW, &admin));
	assert_null(keys_make_client(&ca, "viewer", NOW, &viewer));
	assert_null(keys_make_client(&ca, "stranger", NOW, &stranger));
	assert_null(keys_make_client(&other_ca, "admin", NOW, &foreign));
	assert_non_null(keys_make_client(&ca, "a,b", NOW, &foreign));
	assert_non_null(keys_make_server(&ca, "a b", NOW, &foreign));
	assert_null(keys_make_client(&other_ca, "admin", NOW, &foreign));
}

static int set_up(void **state)
{
	static struct trust_parts parts, again;
	static char text[TRUST_TEXT];
	struct slow slow = {.run = make_keys};
	const char *why;

	(void)state;
	tls_memory_start();
	assert_null(tls_random_start());
	slow_queue(&slow);
	loop();
	parts.ca = ca;
	parts.server = server;
	assert_null(names_change(parts.list, sizeof(parts.list), "O=Sampo,CN=adm*", RIGHT_WRITE));
	assert_null(names_change(parts.list, sizeof(parts.list), "O=Sampo,CN=viewer", RIGHT_READ));
	trust_join(&parts, text);
	assert_true(trust_split(text, &again));
	trust = trust_make(&again, &why);
	assert_non_null(trust);
	tls_use(trust, taker);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	trust_drop(trust);
	return 0;
}

/* --- who comes in --- */

static void test_lets_in(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

	(void)state;
	assert_int_equal(shake(peer), 0);
	assert_true(is_let_in(peer));
	assert_true(peer->wire->secure);
	assert_false(peer->wire->read_only);
	assert_string_equal(peer->wire->peer, "10.0.0.2:1000");
	assert_int_equal(tls_handshakes(), 0);
	forget_peer(peer);
	assert_true(peer->below_ended);
}

static void test_lets_in_to_read(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &viewer);

	(void)state;
	assert_int_equal(shake(peer), 0);
	assert_true(is_let_in(peer));
	assert_true(peer->wire->read_only);
	forget_peer(peer);
}

static uint8_t alert; /* that the refused client got (RFC 5246, 7.2.2) */

/* Returns the log's reason for refusing this pair, "" if it is let in. */
static const char *refused(const struct key_pair *pair, uint64_t at)
{
	static char log[4096];
	struct peer *peer;
	int status;
	FILE *was = stdout, *file = tmpfile();

	memset(log, 0, sizeof(log));
	wall_s = at;
	peer = connect_peer(&peers[0], "10.0.0.2:1000", pair);
	stdout = file;
	status = shake(peer);
	stdout = was;
	rewind(file);
	assert_true(fread(log, 1, sizeof(log) - 1, file));
	fclose(file);
	wall_s = NOW;
	assert_int_equal(tls_handshakes(), 0);
	if (peer->wire) {
		*log = 0;
	} else {
		/* No byte is left unread, for which lwIP would send a reset. */
		assert_true(peer->below_ended);
		assert_int_equal(status, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
		alert = peer->ssl.in_msg[1];
		assert_int_equal(peer->unconsumed, 0);
	}
	forget_peer(peer);
	return log;
}

#define assert_says(text, part) assert_non_null(strstr(text, part))

static void test_refuses(void **state)
{
	(void)state;
	assert_string_equal(refused(&admin, NOW), "");
	assert_says(refused(&stranger, NOW), "(O=Sampo,CN=stranger) has a name that is not on");
	assert_int_equal(alert, MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED);
	assert_says(refused(&foreign, NOW), "(O=Sampo,CN=admin) is of another CA");
	assert_int_equal(alert, MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA);
	assert_says(refused(NULL, NOW), "it has no certificate");
	assert_int_equal(alert, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
	assert_says(refused(&admin, NOW + 11 * YEAR), "expired");
	assert_int_equal(alert, MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED);
	/* The server's certificate is for servers. */
	assert_true(*refused(&server, NOW));
}

/* What comes between the end of a handshake and its user's turn changes nothing of the reason: a
 * client without a certificate sends all its messages at once. */
static void test_refuses_in_any_turn(void **state)
{
	static char log[4096];

	(void)state;
	for (unsigned before = 0; before < 6; before++) {
		struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", NULL);
		FILE *was = stdout, *file = tmpfile();

		talk(peer, STREAM, 1, NO_LIE);
		give(peer, STREAM);
		loop();
		assert_int_equal(mbedtls_ssl_handshake(&peer->ssl), MBEDTLS_ERR_SSL_WANT_READ);
		stdout = file;
		give(peer, 12); /* the message without a certificate */
		for (unsigned i = 0; i < before; i++)
			turn();
		give(peer, STREAM);
		loop();
		stdout = was;
		rewind(file);
		memset(log, 0, sizeof(log));
		assert_true(fread(log, 1, sizeof(log) - 1, file));
		fclose(file);
		assert_says(log, "it has no certificate");
		forget_peer(peer);
	}
}

static void test_names_both_times(void **state)
{
	const char *log = refused(&admin, NOW - 2 * 86400);

	(void)state;
	assert_says(log, "is not valid before 2026-11-30 00:00:00 UTC");
	assert_says(log, "dom0's clock has 2026-11-29 00:00:00 UTC");
	log = refused(&admin, NOW + 11 * YEAR);
	assert_says(log, "it was valid until 2036-11-28 00:00:00 UTC");
	assert_says(log, "dom0's clock has 2037-11-28 00:00:00 UTC");
}

/* The user has no place for it. */
static void test_no_place(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

	(void)state;
	takes = false;
	shake(peer);
	takes = true;
	assert_true(peer->below_ended);
	forget_peer(peer);
}

/* --- bytes --- */

static void test_carries(void **state)
{
	static uint8_t sent[100000], got[100000];
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);
	size_t done = 0, read = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + (i >> 8));
	shake(peer);
	assert_true(is_let_in(peer));
	/* To the client, over a wire that takes little at a time. */
	for (peer->room = 0; read < sizeof(got); peer->room += 1000) {
		int n = mbedtls_ssl_read(&peer->ssl, got + read, sizeof(got) - read);

		if (n > 0)
			read += (size_t)n;
		peer->below.user->room(peer->below.context);
		done += peer->wire->write(peer->wire, sent + done, sizeof(sent) - done);
	}
	assert_int_equal(done, sizeof(sent));
	assert_memory_equal(sent, got, sizeof(sent));
	/* To the server, which does not get more than it takes. */
	for (done = 0; done < sizeof(sent);)
		done += (size_t)mbedtls_ssl_write(&peer->ssl, sent + done, sizeof(sent) - done);
	give(peer, STREAM);
	loop();
	assert_true(peer->got.used >= 16384 && peer->got.used < 40000);
	assert_true(peer->unconsumed > 50000);
	for (size_t seen = 0; peer->got.used < sizeof(sent); loop()) {
		peer->wire->consumed(peer->wire, peer->got.used - seen);
		seen = peer->got.used;
	}
	assert_memory_equal(sent, peer->got.bytes, sizeof(sent));
	/* It ends, and says so. */
	mbedtls_ssl_close_notify(&peer->ssl);
	peer->wire->consumed(peer->wire, sizeof(sent));
	give(peer, STREAM);
	loop();
	assert_true(peer->user_ended && peer->below_ended);
	assert_int_equal(peer->unconsumed, 0);
	forget_peer(peer);
}

static void test_closes(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);
	unsigned char byte;

	(void)state;
	shake(peer);
	assert_true(is_let_in(peer));
	peer->wire->close(peer->wire);
	peer->wire = NULL;
	loop();
	assert_true(peer->below_ended);
	assert_int_equal(mbedtls_ssl_read(&peer->ssl, &byte, 1), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	forget_peer(peer);
}

/* A byte changed on the way ends an open connection. */
static void test_garbled_record(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

	(void)state;
	shake(peer);
	assert_true(is_let_in(peer));
	mbedtls_ssl_write(&peer->ssl, (const uint8_t *)"hello", 5);
	peer->to_server.bytes[peer->to_server.used - 3] ^= 4;
	give(peer, STREAM);
	loop();
	assert_true(peer->user_ended && peer->below_ended);
	assert_int_equal(peer->got.used, 0);
	forget_peer(peer);
}

/* --- handshakes that go wrong --- */

static size_t hello_bytes, all_bytes; /* of the client */

static void test_byte_by_byte(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

	(void)state;
	mbedtls_ssl_handshake(&peer->ssl);
	hello_bytes = peer->to_server.used;
	assert_int_equal(talk(peer, 1, STREAM, NO_LIE), 0);
	assert_true(is_let_in(peer));
	all_bytes = peer->to_server.used;
	assert_true(hello_bytes > 50 && all_bytes > hello_bytes + 300);
	forget_peer(peer);
}

/* Each byte of the hello, which costs nothing, and some of the rest. */
static size_t next_place(size_t at)
{
	return at + (at < hello_bytes ? 1 : 19);
}

static void test_cut(void **state)
{
	(void)state;
	for (size_t at = 0; at < all_bytes; at = next_place(at)) {
		struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

		talk(peer, STREAM, at, NO_LIE);
		assert_null(peer->wire);
		assert_false(peer->below_ended);
		peer->below.user->ended(peer->below.context);
		peer->below_ended = true;
		loop();
		assert_int_equal(tls_handshakes(), 0);
		forget_peer(peer);
	}
}

static void test_garbled(void **state)
{
	(void)state;
	for (size_t at = 0; at < all_bytes - 100; at = at + (at < hello_bytes ? 5 : 19)) {
		struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

		talk(peer, STREAM, STREAM, (struct lie){at, 0x21});
		assert_null(peer->wire);
		forget_peer(peer);
		assert_int_equal(tls_handshakes(), 0);
	}
}

/* Bytes that are no TLS. */
static void test_other_bytes(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

	(void)state;
	memset(peer->to_server.bytes, 'x', 4000);
	peer->to_server.used = 4000;
	give(peer, STREAM);
	loop();
	assert_true(peer->below_ended);
	forget_peer(peer);
}

/* --- limits --- */

static void test_too_slow(void **state)
{
	struct peer *peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);

	(void)state;
	loop();
	assert_int_equal(tls_handshakes(), 1);
	now_ns += TLS_HANDSHAKE_NS + 1;
	loop();
	assert_int_equal(tls_handshakes(), 0);
	assert_true(peer->below_ended);
	forget_peer(peer);
}

/* One address cannot keep the others out. */
static void test_too_many(void **state)
{
	(void)state;
	connect_peer(&peers[0], "10.0.0.3:1000", &admin);
	for (unsigned i = 1; i < TLS_HANDSHAKES + 2; i++)
		connect_peer(&peers[i], "10.0.0.2:1000", &admin);
	assert_int_equal(tls_handshakes(), TLS_HANDSHAKES);
	assert_false(peers[0].below_ended);
	assert_true(peers[1].below_ended && peers[2].below_ended);
	assert_false(peers[3].below_ended);
	assert_int_equal(shake(&peers[0]), 0);
	assert_true(is_let_in(&peers[0]));
	for (unsigned i = 0; i < TLS_HANDSHAKES + 2; i++)
		forget_peer(&peers[i]);
	assert_int_equal(tls_handshakes(), 0);
}

/* A handshake is done in pieces, and what is dropped in the midst leaves nothing behind. */
static void test_pieces(void **state)
{
	struct peer *peer;
	unsigned whole;

	(void)state;
	tick_ns = SLOW_NS / 20;
	peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);
	turns = 0;
	assert_int_equal(shake(peer), 0);
	whole = turns;
	assert_true(is_let_in(peer));
	assert_true(whole > 50);
	forget_peer(peer);
	for (unsigned stop = 1; stop < 40; stop += 3) {
		peer = connect_peer(&peers[0], "10.0.0.2:1000", &admin);
		mbedtls_ssl_handshake(&peer->ssl);
		give(peer, STREAM);
		for (unsigned i = 0; i < stop; i++)
			turn();
		forget_peer(peer);
		assert_int_equal(tls_handshakes(), 0);
	}
	tick_ns = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lets_in),      cmocka_unit_test(test_lets_in_to_read),
		cmocka_unit_test(test_refuses),      cmocka_unit_test(test_names_both_times),
		cmocka_unit_test(test_no_place),     cmocka_unit_test(test_carries),
		cmocka_unit_test(test_closes),       cmocka_unit_test(test_garbled_record),
		cmocka_unit_test(test_byte_by_byte), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_garbled),      cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_too_slow),     cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_pieces),       cmocka_unit_test(test_refuses_in_any_turn),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
