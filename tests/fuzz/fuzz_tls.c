/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/rpc/tls.c guests/dom0/tls/session.c guests/dom0/tls/trust.c guests/dom0/tls/validity.c guests/dom0/tls/exponent.c */
/* sources: guests/dom0/tls/keys.c guests/dom0/tls/names.c guests/dom0/tls/memory.c guests/dom0/base/queue.c guests/dom0/base/timer.c */
/* sources: guests/dom0/base/slow.c guests/dom0/base/switch.S guests/dom0/machine/calendar.c */
/* libs: mbedtls */
/* fuzz: -max_len=120 */
/*
 * The server's end of TLS against a client of mbedTLS's whose records the input changes on their
 * way: bytes flipped, records cut, doubled, left out, made up, or of another length than they say.
 * What the server hears comes in pieces of any size. Random numbers, keys and time are the same at
 * each run, so that an input does the same each time.
 */
#include "tests/fuzz/input.h"

#include <stdbool.h>
#include <stdio.h>
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

#define NOW           1796083200ull /* 2026-12-01 */
#define STREAM        65536u
#define ROUNDS        12u
#define RECORD_HEADER 5u /* type, version, length (RFC 5246, 6.2.1) */

/* --- the loop --- */

uint64_t clock_ns(void)
{
	return 1;
}

uint64_t clock_wall_ns(void)
{
	return NOW * 1000000000u;
}

static void settle(void)
{
	while (works_run_one())
		;
}

static uint64_t random_state;

int tls_random(void *context, unsigned char *to, size_t bytes)
{
	(void)context;
	for (size_t i = 0; i < bytes; i++) {
		random_state = random_state * 6364136223846793005u + 1442695040888963407u;
		to[i] = (unsigned char)(random_state >> 56);
	}
	return 0;
}

/* --- both ends --- */

struct stream {
	uint8_t bytes[STREAM];
	size_t at, used;
};

static struct stream from_client, to_server, to_client;
static struct wire below, *user_wire;
static bool below_ended, open;
static size_t unconsumed;

static void check(bool right)
{
	if (!right)
		abort();
}

static void put(struct stream *stream, const uint8_t *bytes, size_t n)
{
	n = n < STREAM - stream->used ? n : STREAM - stream->used;
	memcpy(stream->bytes + stream->used, bytes, n);
	stream->used += n;
}

static size_t write_below(struct wire *wire, const uint8_t *bytes, size_t n)
{
	(void)wire;
	check(!below_ended);
	put(&to_client, bytes, n);
	return n;
}

static void consumed_below(struct wire *wire, size_t n)
{
	(void)wire;
	check(n <= unconsumed && !below_ended);
	unconsumed -= n;
}

static void end_below(struct wire *wire)
{
	(void)wire;
	check(!below_ended);
	below_ended = true;
}

static void received(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	(void)bytes;
	check(user_wire && n);
	user_wire->consumed(user_wire, n);
}

static void nothing(void *context)
{
	(void)context;
}

static void user_ended(void *context)
{
	(void)context;
	user_wire = NULL;
}

static bool taker(struct wire *wire)
{
	static const struct wire_user user = {
		.received = received, .room = nothing, .ended = user_ended};

	wire->user = &user;
	user_wire = wire;
	open = true;
	return true;
}

static int client_send(void *context, const unsigned char *bytes, size_t n)
{
	(void)context;
	put(&from_client, bytes, n);
	return (int)n;
}

static int client_receive(void *context, unsigned char *to, size_t n)
{
	size_t there = to_client.used - to_client.at;

	(void)context;
	if (!there)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = n < there ? n : there;
	memcpy(to, to_client.bytes + to_client.at, n);
	to_client.at += n;
	return (int)n;
}

/* --- what happens on the way --- */

enum lie { FLIP, CUT, DOUBLE, LEAVE_OUT, MAKE_UP, LENGTH, TYPE, RAW, TRUTHS = 24 };

static void put_raw(struct input *in)
{
	uint8_t bytes[32];
	size_t n = next(in) % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = next(in);
	put(&to_server, bytes, n);
}

/* A record of any type that says its true length. */
static void make_up(struct input *in)
{
	uint8_t record[RECORD_HEADER + 32] = {(uint8_t)(20 + next(in) % 5), 3, 3};
	size_t n = next(in) % 32;

	record[4] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		record[RECORD_HEADER + i] = next(in);
	put(&to_server, record, RECORD_HEADER + n);
}

static void send_record(struct input *in, uint8_t *record, size_t n)
{
	size_t place = ((size_t)next(in) << 8 | next(in)) % n;
	uint8_t value = next(in);

	switch (next(in) % TRUTHS) {
	case FLIP:
		record[place] ^= value;
		break;
	case CUT:
		n = place;
		break;
	case DOUBLE:
		put(&to_server, record, n);
		break;
	case LEAVE_OUT:
		return;
	case MAKE_UP:
		make_up(in);
		break;
	case LENGTH:
		record[3 + value % 2] = (uint8_t)place;
		break;
	case TYPE:
		record[0] = value;
		break;
	case RAW:
		put_raw(in);
		break;
	default:
		break;
	}
	put(&to_server, record, n);
}

/* Passes on the records that the client has sent as a whole. */
static void carry(struct input *in)
{
	for (;;) {
		uint8_t *record = from_client.bytes + from_client.at;
		size_t there = from_client.used - from_client.at, n;

		if (there < RECORD_HEADER)
			return;
		n = RECORD_HEADER + ((size_t)record[3] << 8 | record[4]);
		n = n < there ? n : there;
		from_client.at += n;
		send_record(in, record, n);
	}
}

static void give(struct input *in)
{
	while (to_server.at < to_server.used && !below_ended) {
		size_t n = to_server.used - to_server.at, piece = (size_t)next(in) * 16;

		n = piece && piece < n ? piece : n;
		unconsumed += n;
		below.user->received(below.context, to_server.bytes + to_server.at, n);
		to_server.at += n;
		settle();
	}
}

/* --- a run --- */

static struct key_pair ca, server_keys, client_keys;
static mbedtls_ssl_config config;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context key;

static void make_keys(struct slow *slow)
{
	(void)slow;
	check(!keys_make_ca(&ca, NOW));
	check(!keys_make_server(&ca, "sampo.example", NOW, &server_keys));
	check(!keys_make_client(&ca, "admin", NOW, &client_keys));
}

static void start_server(void)
{
	static struct trust_parts parts = {.list = "write *\n"};
	struct slow slow = {.run = make_keys};
	struct trust *trust;
	const char *why;

	stdout = fopen("/dev/null", "w");
	tls_memory_start();
	slow_queue(&slow);
	settle();
	parts.ca = ca;
	parts.server = server_keys;
	trust = trust_make(&parts, &why);
	check(trust);
	tls_use(trust, taker);
}

static void start_client(void)
{
	mbedtls_ssl_config_init(&config);
	mbedtls_x509_crt_init(&certificate);
	mbedtls_pk_init(&key);
	mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
				    MBEDTLS_SSL_PRESET_DEFAULT);
	mbedtls_ssl_conf_rng(&config, tls_random, NULL);
	mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_x509_crt_parse(&certificate, (const uint8_t *)client_keys.certificate,
			       strlen(client_keys.certificate) + 1);
	compat_parse_key(&key, (const uint8_t *)client_keys.key, strlen(client_keys.key) + 1);
	mbedtls_ssl_conf_own_cert(&config, &certificate, &key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input that changes nothing gets in, or the others would find nothing behind the handshake. */
static void check_truth(void)
{
	uint8_t truth[100];

	memset(truth, TRUTHS - 1, sizeof(truth));
	LLVMFuzzerTestOneInput(truth, sizeof(truth));
	check(open);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	start_server();
	start_client();
	check_truth();
	return 0;
}

/* Shakes hands, then sends a little. */
static void talk(struct input *in, mbedtls_ssl_context *ssl)
{
	int status = MBEDTLS_ERR_SSL_WANT_READ;

	for (unsigned i = 0; i < ROUNDS && !below_ended; i++) {
		if (status)
			status = mbedtls_ssl_handshake(ssl);
		else
			mbedtls_ssl_write(ssl, (const uint8_t *)"some bytes", next(in) % 10 + 1);
		carry(in);
		give(in);
		if (status && status != MBEDTLS_ERR_SSL_WANT_READ)
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .size = size};
	mbedtls_ssl_context ssl;

	random_state = 1;
	from_client.at = from_client.used = to_server.at = to_server.used = 0;
	to_client.at = to_client.used = unconsumed = 0;
	below_ended = open = false;
	user_wire = NULL;
	below = (struct wire){.peer = "10.0.0.2:1000",
			      .write = write_below,
			      .consumed = consumed_below,
			      .close = end_below,
			      .abort = end_below};
	check(tls_take(&below));
	mbedtls_ssl_init(&ssl);
	check(!mbedtls_ssl_setup(&ssl, &config));
	mbedtls_ssl_set_bio(&ssl, NULL, client_send, client_receive, NULL);
	if (next(&in) % 4)
		talk(&in, &ssl);
	while (in.size && !below_ended) {
		put_raw(&in);
		give(&in);
	}
	if (user_wire)
		user_wire->close(user_wire);
	else if (!below_ended)
		below.user->ended(below.context);
	settle();
	check(tls_handshakes() == 0);
	mbedtls_ssl_free(&ssl);
	return 0;
}
