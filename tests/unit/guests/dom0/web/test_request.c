/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/web/request.c */
/* Heads of requests: right ones, wrong ones, and their bounds. */
#include "guests/dom0/web/request.h"
#include "tests/unit/unit.h"

static struct request request;

/* Returns how many of the bytes are taken; all of them must be if the head does not end. */
static size_t feed(const char *text, size_t n)
{
	size_t taken;
	bool ended;

	memset(&request, 0, sizeof(request));
	ended = request_feed(&request, (const uint8_t *)text, n, &taken);
	assert_true(ended || taken == n);
	return ended ? taken : 0;
}

static void is(const char *head, unsigned status)
{
	if (feed(head, strlen(head)) == 0)
		fail_msg("no end: %s", head);
	if (request.status != status)
		fail_msg("%u, not %u: %s", request.status, status, head);
	if (status)
		assert_true(request.close);
}

static void right_heads(void **state)
{
	static const char get[] = "GET /metrics?x=y HTTP/1.1\r\nHost: a\r\n\r\nmore";

	(void)state;
	assert_int_equal(feed(get, sizeof(get) - 1), sizeof(get) - 1 - 4);
	assert_int_equal(request.status, 0);
	assert_string_equal(request.path, "/metrics");
	assert_true(request.chunks && !request.close && !request.head_only);

	is("\r\n\nHEAD http://sampo:9177/metrics HTTP/1.1\nhost:\t a\nX: \xc3\xa4\n\n", 0);
	assert_string_equal(request.path, "/metrics");
	assert_true(request.head_only);
	is("GET http://sampo?a/b HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	assert_string_equal(request.path, "/");
	is("GET / HTTP/1.0\r\n\r\n", 0);
	assert_true(request.close && !request.chunks);
	is("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade ,CLOSE\r\n\r\n", 0);
	assert_true(request.close);
	is("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed, keep-alive\r\n\r\n", 0);
	assert_false(request.close);
	is("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 0);
	assert_false(request.close);
}

/* A body is not read: no other request can follow it. */
static void bodies(void **state)
{
	(void)state;
	is("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", 0);
	assert_true(request.close);
	is("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 4\r\n\r\n", 0);
	assert_true(request.close);
	is("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 0);
	assert_true(request.close);
}

static void wrong_heads(void **state)
{
	static const char *const bad[] = {
		"GET\r\n",
		"GET /\r\n",
		"GET / HTTP/1.1 \r\n",
		"GET  / HTTP/1.1\r\n",
		"GET / http/1.1\r\n",
		"GET / HTTP/11\r\n",
		"GET * HTTP/1.1\r\n",
		"\x16\x03\x01",
		"GET /\tx HTTP/1.1\rx",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n",
		"GET / HTTP/1.1\r\nHost : a\r\n",
		"GET / HTTP/1.1\r\n: a\r\n",
		"GET / HTTP/1.1\r\nHost\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is(bad[i], 400);
	assert_int_equal(feed("GET / HTTP/1.1\r\nHost: a\0b", 25), 24);
	assert_int_equal(request.status, 400);
	is("POST /metrics HTTP/1.1\r\n", 405);
	is("get / HTTP/1.1\r\n", 405);
	is("GET / HTTP/2.0\r\n", 505);
}

static void bounds(void **state)
{
	static char text[2 * REQUEST_HEAD];
	size_t n = (size_t)sprintf(text, "GET /");

	(void)state;
	memset(text + n, 'a', REQUEST_LINE);
	strcpy(text + n + REQUEST_LINE, " HTTP/1.1\r\n");
	is(text, 414);
	/* A path that is cut off is none of ours, a long field that says nothing is no matter. */
	memset(text + n, 'a', 3 * REQUEST_PATH);
	n += 3 * REQUEST_PATH;
	n += (size_t)sprintf(text + n, " HTTP/1.1\r\nHost: a\r\nCookie: ");
	assert_true(strlen(text) < REQUEST_LINE);
	memset(text + n, 'b', 2 * REQUEST_LINE);
	strcpy(text + n + 2 * REQUEST_LINE, "\r\n\r\n");
	is(text, 0);
	assert_int_equal(strlen(request.path), REQUEST_PATH - 1);
	/* No colon in sight. */
	memset(text + n - 8, 'b', 2 * REQUEST_LINE);
	is(text, 431);
	/* Many fields. */
	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	while (n < REQUEST_HEAD)
		n += (size_t)sprintf(text + n, "a: b\r\n");
	assert_int_equal(feed(text, n), REQUEST_HEAD + 1);
	assert_int_equal(request.status, 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_heads),
		cmocka_unit_test(bodies),
		cmocka_unit_test(wrong_heads),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
