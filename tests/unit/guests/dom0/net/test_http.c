/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/http.c guests/dom0/net/http_parse.c */
/* The HTTP client on connections, names and a clock of the test's: each test is a server. */
#include <lwip/altcp.h>
#include <lwip/dns.h>
#include <lwip/pbuf.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/http.h"
#include "tests/unit/unit.h"

#define SECOND 1000000000ull

static uint64_t now = SECOND;
static struct timer *timers[4];

/* --- the loop -----------------------------------------------------------------------------------
 */

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	unsigned i = 0;

	*timer = (struct timer){.fire = fire, .context = context};
	while (timers[i] && timers[i] != timer)
		i++;
	timers[i] = timer;
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
}

/* Fires what is due within so long. */
static void pass(uint64_t ns)
{
	uint64_t end = now + ns;

	for (;;) {
		struct timer *next = NULL;

		for (unsigned i = 0; i < 4; i++)
			if (timers[i] && timers[i]->deadline &&
			    (!next || timers[i]->deadline < next->deadline))
				next = timers[i];
		if (!next || next->deadline > end)
			break;
		if (next->deadline > now)
			now = next->deadline;
		next->deadline = 0;
		next->fire(next);
	}
	now = end;
}

/* --- the network --------------------------------------------------------------------------------
 */

static struct altcp_pcb pcb;
static bool open; /* there is a connection */
static unsigned connections, recved, expected_port;
static char request[4096];
static err_t name_answer;
static dns_found_callback name_found;
static void *name_context;

struct altcp_pcb *altcp_new_ip_type(altcp_allocator_t *allocator, u8_t type)
{
	if (allocator)
		return allocator->alloc(allocator->arg, type);
	expected_port = 80;
	assert_false(open);
	memset(&pcb, 0, sizeof(pcb));
	open = true;
	return &pcb;
}

/* The layer of TLS, of which nothing but its reason is here. */
static struct https *https;
static unsigned secure;

struct altcp_pcb *https_new(void *context, u8_t type)
{
	struct altcp_pcb *conn = altcp_new_ip_type(NULL, type);

	https = context;
	secure++;
	expected_port = 443;
	return conn;
}

void altcp_arg(struct altcp_pcb *conn, void *arg)
{
	conn->arg = arg;
}

void altcp_recv(struct altcp_pcb *conn, altcp_recv_fn recv)
{
	conn->recv = recv;
}

void altcp_err(struct altcp_pcb *conn, altcp_err_fn err)
{
	conn->err = err;
}

err_t altcp_connect(struct altcp_pcb *conn, const ip_addr_t *ip, u16_t port, altcp_connected_fn fn)
{
	(void)ip;
	assert_int_equal(port, expected_port);
	conn->connected = fn;
	connections++;
	return ERR_OK;
}

err_t altcp_write(struct altcp_pcb *conn, const void *data, u16_t bytes, u8_t flags)
{
	(void)conn;
	(void)flags;
	memcpy(request, data, bytes);
	request[bytes] = 0;
	return ERR_OK;
}

err_t altcp_output(struct altcp_pcb *conn)
{
	(void)conn;
	return ERR_OK;
}

void altcp_recved(struct altcp_pcb *conn, u16_t bytes)
{
	(void)conn;
	recved += bytes;
}

err_t altcp_close(struct altcp_pcb *conn)
{
	assert_ptr_equal(conn, &pcb);
	assert_true(open);
	open = false;
	return ERR_OK;
}

void altcp_abort(struct altcp_pcb *conn)
{
	(void)conn;
	fail();
}

err_t dns_gethostbyname(const char *host, ip_addr_t *address, dns_found_callback found,
			void *context)
{
	(void)host;
	address->addr = 1;
	name_found = found;
	name_context = context;
	return name_answer;
}

/* Each piece of text is a buffer. The memory is the library's kind, for pbuf_free. */
struct pbuf *pbuf_free_header(struct pbuf *p, u16_t bytes)
{
	while (p && bytes) {
		if (bytes < p->len) {
			p->payload = (uint8_t *)p->payload + bytes;
			p->len = (u16_t)(p->len - bytes);
			return p;
		}
		struct pbuf *next = p->next;

		bytes = (u16_t)(bytes - p->len);
		free(p);
		p = next;
	}
	return p;
}

u8_t pbuf_free(struct pbuf *p)
{
	while (p) {
		struct pbuf *next = p->next;

		free(p);
		p = next;
	}
	return 0;
}

void pbuf_cat(struct pbuf *p, struct pbuf *tail)
{
	while (p->next)
		p = p->next;
	p->next = tail;
}

/* --- the server and the sink --------------------------------------------------------------------
 */

static struct http_get get;
static char body[256];
static size_t body_bytes, sink_room;
static uint64_t told_length;
static unsigned heads, ends;
static const char *why;

static void take_head(struct http_get *of, bool has_length, uint64_t length)
{
	(void)of;
	heads++;
	told_length = has_length ? length : UINT64_MAX;
}

static size_t take_body(struct http_get *of, const uint8_t *data, size_t bytes)
{
	(void)of;
	if (bytes > sink_room)
		bytes = sink_room;
	memcpy(body + body_bytes, data, bytes);
	body_bytes += bytes;
	body[body_bytes] = 0;
	sink_room -= bytes;
	return bytes;
}

static void take_end(struct http_get *of, const char *wrong)
{
	assert_false(open);
	assert_int_equal(of->state, HTTP_IDLE);
	ends++;
	why = wrong;
}

static void ask(const char *url)
{
	get.head = take_head;
	get.body = take_body;
	get.done = take_end;
	body_bytes = heads = ends = connections = recved = 0;
	body[0] = 0;
	sink_room = sizeof(body) - 1;
	name_answer = ERR_OK;
	why = NULL;
	assert_null(http_get(&get, url));
	pass(0);
}

static void accept_it(void)
{
	assert_true(open);
	request[0] = 0;
	pcb.connected(pcb.arg, &pcb, ERR_OK);
	assert_non_null(strstr(request, "\r\n\r\n"));
}

static void say(const char *text)
{
	size_t n = strlen(text);
	struct pbuf *p = calloc(1, sizeof(*p) + n);

	p->payload = p + 1;
	p->len = p->tot_len = (u16_t)n;
	memcpy(p->payload, text, n);
	assert_true(open);
	pcb.recv(pcb.arg, &pcb, p, ERR_OK);
	pass(0);
}

/* Says no more. */
static void hang_up(void)
{
	pcb.recv(pcb.arg, &pcb, NULL, ERR_OK);
	pass(0);
}

static void reset(void)
{
	open = false;
	pcb.err(pcb.arg, ERR_RST);
	pass(0);
}

static void ended_well(const char *text)
{
	assert_int_equal(ends, 1);
	assert_null(why);
	assert_string_equal(body, text);
	assert_int_equal(heads, 1);
}

static void ended_with(const char *reason)
{
	assert_int_equal(ends, 1);
	assert_non_null(why);
	assert_non_null(strstr(why, reason));
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void plain(void **state)
{
	(void)state;
	ask("http://host/path?x");
	accept_it();
	assert_memory_equal(request, "GET /path?x HTTP/1.1\r\nHost: host\r\n", 34);
	assert_null(strstr(request, "Range"));
	say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
	assert_int_equal(told_length, 5);
	say("lo");
	hang_up();
	ended_well("hello");
	/* Each byte opens the window again. */
	assert_int_equal(recved, strlen("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	assert_int_equal(told_length, UINT64_MAX);
	pass(SECOND); /* the server does not hang up */
	ended_well("abc");
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	hang_up();
	ended_well("");
}

static void sink_waits(void **state)
{
	unsigned before;

	(void)state;
	ask("http://host/");
	accept_it();
	sink_room = 0;
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
	before = recved;
	say("01234");
	say("56789");
	hang_up();
	assert_int_equal(recved, before);
	pass(3600 * SECOND); /* the server does not stall, the sink does */
	sink_room = 7;
	http_go_on(&get);
	pass(0);
	assert_string_equal(body, "0123456");
	assert_int_equal(recved, before + 7);
	sink_room = 7;
	http_go_on(&get);
	pass(0);
	ended_well("0123456789");
}

static void resumes(void **state)
{
	(void)state;
	ask("http://host/file");
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\n0123");
	reset();
	assert_false(open);
	pass(SECOND);
	accept_it();
	assert_non_null(strstr(request, "Range: bytes=4-\r\nIf-Range: \"a\"\r\n"));
	say("HTTP/1.1 206 Part\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\n\r\n45");
	pass(10 * SECOND); /* silence */
	pass(2 * SECOND);
	accept_it();
	assert_non_null(strstr(request, "Range: bytes=6-\r\n"));
	/* A server that knows no ranges sends all again. */
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\n01234");
	say("56789");
	hang_up();
	ended_well("0123456789");
	assert_int_equal(get.resumed, 2);
}

/* The client resumes after "0123" of 10 bytes and the server answers this. */
static void resume_with(const char *answer)
{
	ask("http://host/file");
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\n0123");
	hang_up();
	pass(SECOND);
	accept_it();
	say(answer);
	assert_string_equal(body, "0123");
}

static void resumes_badly(void **state)
{
	(void)state;
	resume_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"b\"\r\n\r\nabcd");
	ended_with("has changed");
	resume_with("HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: \"a\"\r\n\r\nabcd");
	ended_with("has changed");
	resume_with("HTTP/1.1 206 P\r\nContent-Length: 7\r\nContent-Range: bytes 4-10/11\r\n\r\n");
	ended_with("has changed");
	resume_with("HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n\r\n5");
	ended_with("another part");
	resume_with("HTTP/1.1 206 P\r\nContent-Length: 9\r\nContent-Range: bytes 4-9/10\r\n\r\n4");
	ended_with("not that of its part");
	resume_with("HTTP/1.1 416 Range\r\nContent-Range: bytes */4\r\n\r\n");
	ended_with("fewer bytes");
	ask("http://host/file");
	accept_it();
	say("HTTP/1.1 206 P\r\nContent-Length: 9\r\nContent-Range: bytes 0-8/9\r\n\r\n");
	ended_with("another part");
	/* More than was asked for comes in chunks. */
	resume_with(
		"HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 4-9/10\r\n"
		"\r\n7\r\n");
	say("4567890");
	ended_with("longer");
}

/* A buffer without bytes, as the stack leaves some, neither holds the client up nor ends anything.
 */
static void empty_buffers(void **state)
{
	(void)state;
	ask("http://host/");
	accept_it();
	say("");
	say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
	say("");
	sink_room = 0;
	say("l"); /* the next two wait behind this one */
	say("");
	say("o");
	sink_room = 9;
	http_go_on(&get);
	pass(0);
	say(""); /* behind the body */
	hang_up();
	ended_well("hello");
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	say("");
	say("3\r\nab");
	say("");
	say("c\r\n0\r\n\r\n");
	hang_up();
	ended_well("abc");
}

/* All of the file comes again in one piece, and the server has hung up by then. */
static void begins_again(void **state)
{
	(void)state;
	resume_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\n01");
	say("23456789");
	hang_up();
	pass(3600 * SECOND);
	ended_well("0123456789");
	resume_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"a\"\r\n\r\n");
	say("a\r\n0123456789\r\n0\r\n\r\n");
	hang_up();
	pass(3600 * SECOND);
	ended_well("0123456789");
	resume_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"a\"\r\n\r\n");
	say("b\r\n01234567890\r\n0\r\n\r\n");
	ended_with("longer");
}

/* The client resumes a file whose length nobody has said, after "0123". */
static void resume_chunks(const char *answer)
{
	ask("http://host/file");
	accept_it();
	say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"a\"\r\n\r\n4\r\n0123\r\n");
	hang_up();
	pass(SECOND);
	accept_it();
	say(answer);
}

/* A part that is not the last one does not end the file, and a file that is shorter by now is
 * another one. */
static void resumes_chunks(void **state)
{
	(void)state;
	resume_chunks(
		"HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 4-5/10\r\n\r\n45");
	assert_int_equal(ends, 0);
	pass(2 * SECOND);
	accept_it();
	assert_non_null(strstr(request, "Range: bytes=6-\r\n"));
	say("HTTP/1.1 206 P\r\nContent-Length: 4\r\nContent-Range: bytes 6-9/10\r\n\r\n6789");
	hang_up();
	ended_well("0123456789");
	resume_chunks(
		"HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 4-5/*\r\n\r\n45");
	ended_with("how long");
	resume_chunks("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"a\"\r\n\r\n012");
	ended_with("has changed");
	resume_chunks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"a\"\r\n\r\n"
		      "3\r\n012\r\n0\r\n\r\n");
	ended_with("has changed");
	/* A server that does not know If-Range. */
	resume_chunks("HTTP/1.1 206 P\r\nContent-Length: 2\r\nETag: \"b\"\r\n"
		      "Content-Range: bytes 4-5/6\r\n\r\n45");
	ended_with("has changed");
}

/* Nobody waits for ever: each way of silence ends after some tries. */
static void patience(void **state)
{
	(void)state;
	ask("http://host/"); /* no connection at all */
	for (unsigned i = 0; i < HTTP_TRIES; i++)
		pass(30 * SECOND);
	ended_with("no connection");
	assert_int_equal(connections, HTTP_TRIES);
	ask("http://host/");
	while (!ends && connections < 10) { /* no answer */
		if (open)
			accept_it();
		pass(11 * SECOND);
	}
	ended_with("silent");
	assert_int_equal(connections, HTTP_TRIES);
	ask("http://host/");
	while (!ends && connections < 10) { /* never a body */
		if (open) {
			accept_it();
			say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
		}
		hang_up();
		pass(11 * SECOND);
	}
	ended_with("broke");
	assert_int_equal(connections, HTTP_TRIES);
	assert_int_equal(heads, 1);
	ask("http://host/"); /* no version to go on with */
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
	hang_up();
	ended_with("names no version");
	ask("http://host/");
	reset();
	ended_with("refuses");
}

static void lengths(void **state)
{
	(void)state;
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!");
	ended_with("longer");
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	say("!");
	ended_with("longer");
	ask("http://host/"); /* the answer is another one at the second try */
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	hang_up();
	pass(SECOND);
	accept_it();
	say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
	ended_with("has changed");
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\n\r\nhello");
	ended_with("neither a length nor chunks");
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx");
	say("\r\n");
	ended_with("no number");
}

static void redirects(void **state)
{
	char answer[80];

	(void)state;
	ask("http://host/a");
	accept_it();
	say("HTTP/1.1 307 T\r\nContent-Length: 3\r\nLocation: //other/b\r\n\r\nxyz");
	accept_it();
	assert_memory_equal(request, "GET /b HTTP/1.1\r\nHost: other\r\n", 30);
	say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	hang_up();
	ended_well("ok");
	ask("http://host/a");
	accept_it();
	say("HTTP/1.1 301 M\r\nLocation: /b\r\n\r\n");
	accept_it();
	say("HTTP/1.1 301 M\r\nLocation: http://host/a\r\n\r\n");
	ended_with("circle");
	ask("http://host/a");
	for (unsigned i = 0; i <= HTTP_REDIRECTS; i++) {
		accept_it();
		snprintf(answer, sizeof(answer), "HTTP/1.1 302 F\r\nLocation: /%u\r\n\r\n", i);
		say(answer);
	}
	ended_with("more than 8");
	ask("http://host/a");
	accept_it();
	say("HTTP/1.1 302 F\r\n\r\n");
	ended_with("no place");
	ask("http://host/a");
	accept_it();
	say("HTTP/1.1 503 Busy\r\n\r\n");
	ended_with("503");
}

static void names(void **state)
{
	ip_addr_t address = {.addr = 7};

	(void)state;
	get.state = HTTP_IDLE;
	ask("http://host/");
	http_stop(&get);
	assert_int_equal(ends, 0);
	name_answer = ERR_INPROGRESS;
	get.head = take_head;
	assert_null(http_get(&get, "http://host/"));
	pass(0);
	http_stop(&get);
	name_found("host", &address, name_context); /* late: nobody is there */
	assert_int_equal(connections, 1);
	ask("http://host/");
	http_stop(&get);
	assert_null(http_get(&get, "http://host/"));
	name_answer = ERR_INPROGRESS;
	pass(0);
	name_found("host", NULL, name_context);
	ended_with("no name server knows host");
	ask("http://host/");
	http_stop(&get);
	assert_null(http_get(&get, "http://host/"));
	name_answer = ERR_VAL;
	pass(0);
	ended_with("knows no name server");
	assert_non_null(http_get(&get, "ftp://host/"));
}

/* A sink that has enough ends it in the midst of a piece. */
static size_t stop_it(struct http_get *of, const uint8_t *data, size_t bytes)
{
	(void)data;
	http_stop(of);
	return bytes;
}

static void stops(void **state)
{
	(void)state;
	ask("http://host/");
	accept_it();
	get.body = stop_it;
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
	assert_false(open);
	pass(3600 * SECOND);
	assert_int_equal(ends, 0);
	assert_int_equal(get.state, HTTP_IDLE);
}

/* A redirect leads into TLS, and never out of it; TLS's reason ends all. */
static void secures(void **state)
{
	(void)state;
	secure = 0;
	ask("http://host/");
	accept_it();
	say("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: https://host/\r\n\r\n");
	assert_int_equal(secure, 1);
	assert_string_equal(https->host, "host");
	assert_false(https->unproven);
	accept_it();
	assert_non_null(strstr(request, "\r\nHost: host\r\n"));
	say("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: http://host/x\r\n\r\n");
	ended_with("from https to http");
	get.unproven = true;
	ask("https://host/");
	assert_true(https->unproven);
	snprintf(https->why, sizeof(https->why), "the server's certificate is bad");
	reset();
	ended_with("certificate is bad");
	assert_int_equal(connections, 1);
	get.unproven = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),          cmocka_unit_test(sink_waits),
		cmocka_unit_test(resumes),        cmocka_unit_test(resumes_badly),
		cmocka_unit_test(patience),       cmocka_unit_test(lengths),
		cmocka_unit_test(redirects),      cmocka_unit_test(names),
		cmocka_unit_test(secures),        cmocka_unit_test(stops),
		cmocka_unit_test(empty_buffers),  cmocka_unit_test(begins_again),
		cmocka_unit_test(resumes_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
