/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server's end of TLS costs: tests/bench/calls.py runs this program, on dom0's own library
 * (the same machine code), under valgrind's callgrind, which counts the instructions between the
 * marks of the server's work alone. Without valgrind it prints how long the longest piece of a
 * handshake takes and how much memory idle clients have.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <valgrind/callgrind.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/rpc/tls.h"
#include "guests/dom0/tls/compat.h"
#include "guests/dom0/tls/memory.h"
#include "guests/dom0/tls/random.h"
#include "guests/dom0/tls/trust.h"
#include "tests/unit/works_mock.h"

#define NOW     1796083200ull /* 2026-12-01 */
#define STREAM  65536u
#define MIB     (1u << 20)
#define CLIENTS 50u
#define RUNS    20u

static void check(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "tls: %s\n", what);
	exit(1);
}

/* --- the loop --- */

static uint64_t longest_ns;

/* Of the processor: others do not make a piece longer. */
uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_wall_ns(void)
{
	return NOW * 1000000000u;
}

static void settle(void)
{
	for (;;) {
		uint64_t begun = clock_ns(), ns;

		if (!works_run_one())
			return;
		ns = clock_ns() - begun;
		longest_ns = ns > longest_ns ? ns : longest_ns;
	}
}

static uint64_t random_state = 1;

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

struct peer {
	struct wire below;
	struct wire *wire; /* the server's user's */
	size_t got;
	mbedtls_ssl_context ssl;
};

static struct stream to_server, to_client;
static struct peer *talking;

static void put(struct stream *stream, const uint8_t *bytes, size_t n)
{
	if (stream->at == stream->used)
		stream->at = stream->used = 0;
	check(n <= STREAM - stream->used, "a stream has no room");
	memcpy(stream->bytes + stream->used, bytes, n);
	stream->used += n;
}

static size_t write_below(struct wire *wire, const uint8_t *bytes, size_t n)
{
	(void)wire;
	put(&to_client, bytes, n);
	return n;
}

static void consumed_below(struct wire *wire, size_t n)
{
	(void)wire;
	(void)n;
}

static void end_below(struct wire *wire)
{
	(void)wire;
}

static void received(void *context, const uint8_t *bytes, size_t n)
{
	struct peer *peer = context;

	(void)bytes;
	peer->got += n;
	peer->wire->consumed(peer->wire, n);
}

static void nothing(void *context)
{
	(void)context;
}

static bool taker(struct wire *wire)
{
	static const struct wire_user user = {
		.received = received, .room = nothing, .ended = nothing};

	wire->user = &user;
	wire->context = talking;
	talking->wire = wire;
	return true;
}

static int client_send(void *context, const unsigned char *bytes, size_t n)
{
	(void)context;
	put(&to_server, bytes, n);
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

/* The server's work, and nothing else, is counted. */
static void give(struct peer *peer)
{
	size_t n = to_server.used - to_server.at;

	if (!n)
		return;
	CALLGRIND_TOGGLE_COLLECT;
	peer->below.user->received(peer->below.context, to_server.bytes + to_server.at, n);
	settle();
	CALLGRIND_TOGGLE_COLLECT;
	to_server.at += n;
}

/* --- keys --- */

static struct key_pair ca, server_keys, client_keys;
static mbedtls_ssl_config config;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context key;
static int suites[2];

static void make_keys(struct slow *slow)
{
	(void)slow;
	check(!keys_make_ca(&ca, NOW), "no CA");
	check(!keys_make_server(&ca, "sampo.example", NOW, &server_keys), "no server");
	check(!keys_make_client(&ca, "admin", NOW, &client_keys), "no client");
}

static void start(void)
{
	static struct trust_parts parts = {.list = "write *\n"};
	struct slow slow = {.run = make_keys};
	struct trust *trust;
	const char *why;

	tls_memory_start();
	slow_queue(&slow);
	settle();
	parts.ca = ca;
	parts.server = server_keys;
	trust = trust_make(&parts, &why);
	check(trust, "no trust");
	tls_use(trust, taker);
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

/* --- what is measured --- */

static void shake(struct peer *peer, int suite)
{
	int status = MBEDTLS_ERR_SSL_WANT_READ;

	suites[0] = suite;
	mbedtls_ssl_conf_ciphersuites(&config, suites);
	memset(peer, 0, sizeof(*peer));
	peer->below = (struct wire){.peer = "10.0.0.2:1000",
				    .write = write_below,
				    .consumed = consumed_below,
				    .close = end_below,
				    .abort = end_below};
	talking = peer;
	mbedtls_ssl_init(&peer->ssl);
	check(!mbedtls_ssl_setup(&peer->ssl, &config), "no client's memory");
	mbedtls_ssl_set_bio(&peer->ssl, NULL, client_send, client_receive, NULL);
	check(tls_take(&peer->below), "not taken");
	for (unsigned i = 0; i < 10 && status; i++) {
		status = mbedtls_ssl_handshake(&peer->ssl);
		give(peer);
	}
	check(!status && peer->wire, "no handshake");
}

static void leave(struct peer *peer)
{
	peer->wire->abort(peer->wire);
	settle();
	mbedtls_ssl_free(&peer->ssl);
	to_client.at = to_client.used = 0;
}

static void upload(struct peer *peer)
{
	static uint8_t bytes[4096];

	peer->got = 0;
	while (peer->got < MIB) {
		check(mbedtls_ssl_write(&peer->ssl, bytes, sizeof(bytes)) == sizeof(bytes), "cut");
		give(peer);
	}
}

static void download(struct peer *peer)
{
	static uint8_t bytes[16384], plain[16384];
	size_t got = 0;

	while (mbedtls_ssl_read(&peer->ssl, plain, sizeof(plain)) > 0)
		;
	while (got < MIB) {
		int n;

		CALLGRIND_TOGGLE_COLLECT;
		check(peer->wire->write(peer->wire, bytes, sizeof(bytes)) == sizeof(bytes), "cut");
		CALLGRIND_TOGGLE_COLLECT;
		while ((n = mbedtls_ssl_read(&peer->ssl, plain, sizeof(plain))) > 0)
			got += (size_t)n;
	}
}

static void count(void)
{
	static struct peer peer;

	CALLGRIND_ZERO_STATS;
	shake(&peer, MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
	CALLGRIND_DUMP_STATS_AT("a handshake");
	upload(&peer);
	CALLGRIND_DUMP_STATS_AT("1 MiB from the client, ChaCha20-Poly1305");
	download(&peer);
	CALLGRIND_DUMP_STATS_AT("1 MiB to the client, ChaCha20-Poly1305");
	leave(&peer);
	shake(&peer, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
	CALLGRIND_ZERO_STATS;
	upload(&peer);
	CALLGRIND_DUMP_STATS_AT("1 MiB from the client, AES-128-GCM");
	download(&peer);
	CALLGRIND_DUMP_STATS_AT("1 MiB to the client, AES-128-GCM");
	leave(&peer);
}

/* The server's bytes alone: the client's end is taken off. */
static void measure_memory(void)
{
	static struct peer peers[CLIENTS];
	mbedtls_ssl_context ssl;
	size_t before, client, all;

	before = mallinfo2().uordblks;
	mbedtls_ssl_init(&ssl);
	check(!mbedtls_ssl_setup(&ssl, &config), "no client's memory");
	client = mallinfo2().uordblks - before;
	mbedtls_ssl_free(&ssl);
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < CLIENTS; i++) {
		shake(&peers[i], MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
		to_client.at = to_client.used = 0;
	}
	all = mallinfo2().uordblks - before;
	printf("memory of %u idle clients: %zu KiB\n", CLIENTS, (all - CLIENTS * client) / 1024);
	for (unsigned i = 0; i < CLIENTS; i++)
		leave(&peers[i]);
}

/* Other programs make a piece longer: of some handshakes the one with the shortest counts. */
static void measure_pieces(void)
{
	static struct peer peer;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < RUNS; i++) {
		longest_ns = 0;
		shake(&peer, MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
		least = longest_ns < least ? longest_ns : least;
		leave(&peer);
	}
	printf("longest piece of a handshake: %llu us\n", (unsigned long long)least / 1000);
}

int main(void)
{
	FILE *was = stdout;

	stdout = fopen("/dev/null", "w");
	start();
	if (RUNNING_ON_VALGRIND) {
		count();
		return 0;
	}
	stdout = was;
	freopen("/dev/null", "w", stderr);
	measure_memory();
	measure_pieces();
	return 0;
}
