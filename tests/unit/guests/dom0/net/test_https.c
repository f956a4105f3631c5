/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/https.c guests/dom0/tls/servers.c guests/dom0/tls/session.c guests/dom0/tls/validity.c */
/* sources: guests/dom0/tls/keys.c guests/dom0/tls/names.c guests/dom0/tls/random.c guests/dom0/tls/health.c */
/* sources: guests/dom0/tls/memory.c guests/dom0/tls/exponent.c guests/dom0/base/queue.c guests/dom0/base/slow.c */
/* sources: guests/dom0/base/switch.S guests/dom0/machine/calendar.c */
/* libs: mbedtls */
/*
 * The client's layer of TLS against a server of mbedTLS's over a connection that is arrays: which
 * servers it believes, what it carries and how far, how it ends.
 */
#include "tests/unit/unit.h"

#include <lwip/altcp.h>
#include <lwip/altcp_tcp.h>
#include <lwip/pbuf.h>
#include <lwip/priv/altcp_priv.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ssl.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/slow.h"
#include "guests/dom0/net/https.h"
#include "guests/dom0/tls/compat.h"
#include "guests/dom0/tls/keys.h"
#include "guests/dom0/tls/memory.h"
#include "guests/dom0/tls/random.h"
#include "tests/unit/works_mock.h"

#define NOW    1796083200ull /* 2026-12-01 */
#define YEAR   (365ull * 86400)
#define STREAM 400000u

/* --- the loop --- */

static uint64_t wall_s = NOW, now_ns, tick_ns;
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
}

/* --- TCP --- */

struct stream {
	uint8_t bytes[STREAM];
	size_t at, used;
};

static struct stream to_server, to_client;
static struct altcp_pcb below;
static bool open, upper_there;
static size_t window, unconsumed; /* of the client */

struct altcp_pcb *altcp_alloc(void)
{
	upper_there = true;
	return calloc(1, sizeof(struct altcp_pcb));
}

void altcp_free(struct altcp_pcb *conn)
{
	upper_there = false;
	free(conn);
}

struct altcp_pcb *altcp_tcp_new_ip_type(u8_t type)
{
	(void)type;
	memset(&below, 0, sizeof(below));
	open = true;
	return &below;
}

void altcp_arg(struct altcp_pcb *conn, void *arg)
{
	conn->arg = arg;
}

void altcp_recv(struct altcp_pcb *conn, altcp_recv_fn recv)
{
	conn->recv = recv;
}

void altcp_sent(struct altcp_pcb *conn, altcp_sent_fn fn)
{
	conn->sent = fn;
}

void altcp_err(struct altcp_pcb *conn, altcp_err_fn err)
{
	conn->err = err;
}

err_t altcp_connect(struct altcp_pcb *conn, const ip_addr_t *ip, u16_t port, altcp_connected_fn fn)
{
	(void)ip;
	assert_int_equal(port, 443);
	conn->connected = fn;
	return ERR_OK;
}

u16_t altcp_sndbuf(struct altcp_pcb *conn)
{
	assert_ptr_equal(conn, &below);
	return 700;
}

err_t altcp_write(struct altcp_pcb *conn, const void *data, u16_t bytes, u8_t flags)
{
	(void)flags;
	assert_ptr_equal(conn, &below);
	assert_true(open && bytes <= 700);
	memcpy(to_server.bytes + to_server.used, data, bytes);
	to_server.used += bytes;
	return ERR_OK;
}

err_t altcp_output(struct altcp_pcb *conn)
{
	assert_ptr_equal(conn, &below);
	return ERR_OK;
}

void altcp_recved(struct altcp_pcb *conn, u16_t bytes)
{
	assert_ptr_equal(conn, &below);
	assert_true(bytes <= unconsumed);
	unconsumed -= bytes;
	window += bytes;
}

err_t altcp_close(struct altcp_pcb *conn)
{
	assert_ptr_equal(conn, &below);
	assert_true(open);
	open = false;
	return ERR_OK;
}

void altcp_abort(struct altcp_pcb *conn)
{
	altcp_close(conn);
}

struct pbuf *pbuf_alloc(pbuf_layer layer, u16_t bytes, pbuf_type type)
{
	struct pbuf *p = malloc(sizeof(*p) + bytes);

	(void)layer;
	(void)type;
	*p = (struct pbuf){.payload = p + 1, .len = bytes, .tot_len = bytes};
	return p;
}

void pbuf_realloc(struct pbuf *p, u16_t bytes)
{
	assert_true(bytes <= p->len);
	p->len = p->tot_len = bytes;
}

u8_t pbuf_free(struct pbuf *p)
{
	free(p);
	return 1;
}

/* --- the server --- */

static struct key_pair ca, other_ca, server_keys;
static mbedtls_ssl_context ssl;
static mbedtls_ssl_config config;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context key;

static int server_send(void *context, const unsigned char *bytes, size_t n)
{
	(void)context;
	assert_true(to_client.used + n <= STREAM);
	memcpy(to_client.bytes + to_client.used, bytes, n);
	to_client.used += n;
	return (int)n;
}

static int server_receive(void *context, unsigned char *to, size_t n)
{
	size_t there = to_server.used - to_server.at;

	(void)context;
	if (!there)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = n < there ? n : there;
	memcpy(to, to_server.bytes + to_server.at, n);
	to_server.at += n;
	return (int)n;
}

static void start_server(const struct key_pair *pair)
{
	memset(&to_server, 0, sizeof(to_server));
	memset(&to_client, 0, sizeof(to_client));
	window = 65535;
	unconsumed = 0;
	mbedtls_ssl_init(&ssl);
	mbedtls_ssl_config_init(&config);
	mbedtls_x509_crt_init(&certificate);
	mbedtls_pk_init(&key);
	mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
				    MBEDTLS_SSL_PRESET_DEFAULT);
	mbedtls_ssl_conf_rng(&config, tls_random, NULL);
	mbedtls_x509_crt_parse(&certificate, (const uint8_t *)pair->certificate,
			       strlen(pair->certificate) + 1);
	compat_parse_key(&key, (const uint8_t *)pair->key, strlen(pair->key) + 1);
	mbedtls_ssl_conf_own_cert(&config, &certificate, &key);
	assert_int_equal(mbedtls_ssl_setup(&ssl, &config), 0);
	mbedtls_ssl_set_bio(&ssl, NULL, server_send, server_receive, NULL);
}

static void stop_server(void)
{
	mbedtls_ssl_free(&ssl);
	mbedtls_ssl_config_free(&config);
	mbedtls_x509_crt_free(&certificate);
	mbedtls_pk_free(&key);
}

/* --- the user --- */

static struct https https;
static struct altcp_pcb *conn;
static unsigned connects, ends, errors;
static struct stream got;
static bool consumes;

static err_t user_connected(void *arg, struct altcp_pcb *pcb, err_t error)
{
	assert_ptr_equal(arg, &https);
	assert_ptr_equal(pcb, conn);
	assert_int_equal(error, ERR_OK);
	connects++;
	return ERR_OK;
}

static err_t user_received(void *arg, struct altcp_pcb *pcb, struct pbuf *data, err_t error)
{
	(void)arg;
	(void)error;
	if (!data) {
		ends++;
		return ERR_OK;
	}
	memcpy(got.bytes + got.used, data->payload, data->len);
	got.used += data->len;
	if (consumes)
		pcb->fns->recved(pcb, data->len);
	pbuf_free(data);
	return ERR_OK;
}

static void user_error(void *arg, err_t error)
{
	(void)arg;
	(void)error;
	errors++;
	conn = NULL;
}

/* Gives the client what the server has sent, as far as the window goes. */
static void give(size_t piece)
{
	while (to_client.at < to_client.used && open && window && below.recv) {
		size_t n = to_client.used - to_client.at;
		struct pbuf *p;

		n = n < piece ? n : piece;
		n = n < window ? n : window;
		p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);
		memcpy(p->payload, to_client.bytes + to_client.at, n);
		to_client.at += n;
		window -= n;
		unconsumed += n;
		below.recv(below.arg, &below, p, ERR_OK);
		loop();
	}
}

/* Connects to a server with these keys, as the host. Returns the server's status. */
static int call(const char *host, bool unproven, const struct key_pair *pair, size_t piece)
{
	int status = MBEDTLS_ERR_SSL_WANT_READ;
	ip_addr_t address = {0};

	start_server(pair);
	memset(&got, 0, sizeof(got));
	connects = ends = errors = 0;
	consumes = true;
	https = (struct https){.host = host, .unproven = unproven};
	conn = https_new(&https, 0);
	if (!conn)
		return status;
	conn->arg = &https;
	conn->recv = user_received;
	conn->err = user_error;
	conn->fns->connect(conn, &address, 443, user_connected);
	below.connected(below.arg, &below, ERR_OK);
	for (unsigned i = 0; i < 20 && !connects && !errors; i++) {
		loop();
		if (below.sent)
			below.sent(below.arg, &below, 1);
		if (status == MBEDTLS_ERR_SSL_WANT_READ)
			status = mbedtls_ssl_handshake(&ssl);
		give(piece);
	}
	loop();
	return status;
}

static void hang_up(void)
{
	if (conn)
		conn->fns->close(conn);
	conn = NULL;
	loop();
	stop_server();
	assert_false(open);
	assert_false(upper_there);
}

static void make_keys(struct slow *slow)
{
	(void)slow;
	assert_null(keys_make_ca(&ca, NOW));
	assert_null(keys_make_ca(&other_ca, NOW));
	assert_null(keys_make_server(&ca, "files.example,10.0.2.2", NOW, &server_keys));
}

static void trust(const char *text)
{
	const char *why;
	struct servers *servers = servers_make(text, &why);

	assert_non_null(servers);
	servers_use(servers);
	servers_drop(servers);
}

static int set_up(void **state)
{
	struct slow slow = {.run = make_keys};

	(void)state;
	tls_memory_start();
	assert_null(tls_random_start());
	slow_queue(&slow);
	loop();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	servers_use(NULL);
	return 0;
}

#define assert_says(part) assert_non_null(strstr(https.why, part))

/* --- tests --- */

static void test_no_ca(void **state)
{
	(void)state;
	call("files.example", false, &server_keys, 1000);
	assert_null(conn);
	assert_says("tls-trust");
	stop_server();
	/* The content proves itself. */
	assert_int_equal(call("files.example", true, &server_keys, 1000), 0);
	assert_int_equal(connects, 1);
	hang_up();
}

static void test_believes(void **state)
{
	char both[2 * KEYS_PEM + 16], name[NAME_BYTES];

	(void)state;
	snprintf(both, sizeof(both), "# a bundle\n%s\n%s", other_ca.certificate, ca.certificate);
	trust(both);
	assert_true(servers_ca(0, name));
	assert_true(servers_ca(1, name));
	assert_false(servers_ca(2, name));
	assert_int_equal(call("files.example", false, &server_keys, 1), 0);
	assert_int_equal(connects, 1);
	hang_up();
	assert_int_equal(call("FILES.example", false, &server_keys, 1000), 0);
	assert_int_equal(connects, 1);
	hang_up();
	assert_int_equal(call("10.0.2.2", false, &server_keys, 1000), 0);
	assert_int_equal(connects, 1);
	hang_up();
	trust(ca.certificate);
}

/* The client refuses it for that reason, and says so by an alert. */
static void refuses(const char *host, uint64_t at, const char *why)
{
	int status;

	wall_s = at;
	status = call(host, false, &server_keys, 1000);
	wall_s = NOW;
	assert_int_equal(connects, 0);
	assert_int_equal(errors, 1);
	assert_says(why);
	if (status == MBEDTLS_ERR_SSL_WANT_READ)
		status = mbedtls_ssl_handshake(&ssl);
	assert_int_equal(status, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
	hang_up();
}

static void test_refuses(void **state)
{
	(void)state;
	refuses("other.example", NOW, "does not name other.example");
	refuses("10.0.2.3", NOW, "does not name 10.0.2.3");
	refuses("10.0.2.22", NOW, "does not name 10.0.2.22");
	refuses("files.example", NOW + 11 * YEAR, "has expired: it was valid until 2036-");
	refuses("files.example", NOW - YEAR, "is not valid before 2026-11-30");
	trust(other_ca.certificate);
	refuses("files.example", NOW, "of none of the CAs");
	trust(ca.certificate);
}

static void test_no_tls(void **state)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

	(void)state;
	start_server(&server_keys);
	connects = errors = 0;
	https = (struct https){.host = "files.example"};
	conn = https_new(&https, 0);
	conn->err = user_error;
	below.connected = NULL;
	memcpy(to_client.bytes, text, sizeof(text));
	to_client.used = sizeof(text) - 1;
	give(1000);
	assert_int_equal(errors, 1);
	assert_says("it sends bytes that are no TLS");
	hang_up();
}

/* Certificates that no CA's set can be made of. */
static void test_bad_cas(void **state)
{
	const char *why;

	(void)state;
	assert_null(servers_make("<html>", &why));
	assert_non_null(strstr(why, "no certificate in PEM"));
	assert_null(servers_make(server_keys.key, &why));
}

static void test_carries(void **state)
{
	static uint8_t sent[100000];
	uint8_t request[3000], asked[3000];
	size_t done = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(request, 'r', sizeof(request));
	assert_int_equal(call("files.example", false, &server_keys, 1000), 0);
	assert_int_equal(conn->fns->write(conn, request, sizeof(request), 0), ERR_OK);
	while (below.sent && done < sizeof(asked)) {
		int n = mbedtls_ssl_read(&ssl, asked + done, sizeof(asked) - done);

		if (n > 0)
			done += (size_t)n;
		else
			below.sent(below.arg, &below, 1);
	}
	assert_memory_equal(request, asked, sizeof(asked));
	/* A user that consumes nothing gets a record or two, and the window closes. */
	consumes = false;
	for (done = 0; done < sizeof(sent);)
		done += (size_t)mbedtls_ssl_write(&ssl, sent + done, sizeof(sent) - done);
	give(5000);
	assert_true(got.used >= SESSION_RECORD && got.used < 2 * SESSION_RECORD + 1);
	assert_int_equal(window, 0);
	consumes = true;
	conn->fns->recved(conn, (u16_t)got.used);
	loop();
	give(5000);
	loop();
	assert_int_equal(got.used, sizeof(sent));
	assert_memory_equal(sent, got.bytes, sizeof(sent));
	assert_int_equal(unconsumed, 0);
	/* The end is told once, whether TLS or TCP brings it. */
	mbedtls_ssl_close_notify(&ssl);
	give(5000);
	below.recv(below.arg, &below, NULL, ERR_OK);
	loop();
	assert_int_equal(ends, 1);
	hang_up();
}

/* A byte that is changed on the way ends it. */
static void test_garbled(void **state)
{
	(void)state;
	call("files.example", false, &server_keys, 1000);
	mbedtls_ssl_write(&ssl, (const uint8_t *)"hello", 5);
	to_client.bytes[to_client.used - 3] ^= 4;
	give(1000);
	assert_int_equal(got.used, 0);
	assert_int_equal(ends + errors, 1);
	hang_up();
}

/* After so many turns of the handshake's begin TCP breaks, or the user closes. */
static void test_breaks(void **state)
{
	ip_addr_t address = {0};

	(void)state;
	for (unsigned at = 0; at < 20; at++) {
		start_server(&server_keys);
		errors = connects = 0;
		https = (struct https){.host = "files.example"};
		conn = https_new(&https, 0);
		conn->arg = &https;
		conn->err = user_error;
		conn->fns->connect(conn, &address, 443, user_connected);
		tick_ns = SLOW_NS / 20;
		below.connected(below.arg, &below, ERR_OK);
		for (unsigned i = 0; i < at; i++)
			turn();
		if (at % 2) {
			conn->fns->close(conn);
			conn = NULL;
		} else {
			open = false;
			below.err(below.arg, ERR_RST);
			loop();
			assert_int_equal(errors, 1);
		}
		tick_ns = 0;
		hang_up();
	}
}

/* The handshake is computed in pieces. */
static void test_pieces(void **state)
{
	unsigned before = turns;

	(void)state;
	tick_ns = SLOW_NS / 20;
	assert_int_equal(call("files.example", false, &server_keys, 1000), 0);
	tick_ns = 0;
	assert_int_equal(connects, 1);
	assert_true(turns - before > 50);
	hang_up();
}

/* A hostile key's exponent takes no time. */
static void test_exponent(void **state)
{
	int tls_exp_mod(mbedtls_mpi *, const mbedtls_mpi *, const mbedtls_mpi *,
			const mbedtls_mpi *, mbedtls_mpi *);
	mbedtls_mpi e, n, x;

	(void)state;
	mbedtls_mpi_init(&e);
	mbedtls_mpi_init(&n);
	mbedtls_mpi_init(&x);
	mbedtls_mpi_lset(&n, 1000003);
	mbedtls_mpi_lset(&e, 65537);
	mbedtls_mpi_lset(&x, 5);
	assert_int_equal(tls_exp_mod(&x, &x, &e, &n, NULL), 0);
	mbedtls_mpi_shift_l(&e, 4000);
	assert_int_not_equal(tls_exp_mod(&x, &x, &e, &n, NULL), 0);
	mbedtls_mpi_free(&e);
	mbedtls_mpi_free(&n);
	mbedtls_mpi_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_ca),   cmocka_unit_test(test_believes),
		cmocka_unit_test(test_refuses), cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_bad_cas), cmocka_unit_test(test_carries),
		cmocka_unit_test(test_garbled), cmocka_unit_test(test_breaks),
		cmocka_unit_test(test_pieces),  cmocka_unit_test(test_exponent),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
