/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/http_parse.c */
/* URLs, heads of answers and chunks, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guests/dom0/net/http_parse.h"

static struct http_url url;
static struct http_head head;

static void urls(void **state)
{
	(void)state;
	assert_null(http_url_read(&url, "http://host"));
	assert_string_equal(url.host, "host");
	assert_string_equal(url.path, "/");
	assert_int_equal(url.port, 80);
	assert_null(http_url_read(&url, "HTTP://10.0.2.2:8080/a/b.xml?x=1#part"));
	assert_string_equal(url.host, "10.0.2.2");
	assert_string_equal(url.path, "/a/b.xml?x=1");
	assert_int_equal(url.port, 8080);
	assert_null(http_url_read(&url, "http://host:?q"));
	assert_string_equal(url.path, "/?q");
	assert_int_equal(url.port, 80);
}

static void schemes(void **state)
{
	(void)state;
	assert_null(http_url_read(&url, "https://host/a"));
	assert_true(url.secure && url.port == 443);
	assert_null(http_url_follow(&url, "b"));
	assert_true(url.secure && url.port == 443);
	assert_null(http_url_follow(&url, "//other/c"));
	assert_true(url.secure && url.port == 443);
	/* Never back into the clear. */
	assert_non_null(http_url_follow(&url, "http://other/c"));
	assert_non_null(http_url_follow(&url, "HTTP://other:443/c"));
	assert_true(url.secure);
	assert_string_equal(url.path, "/c");
	assert_null(http_url_read(&url, "http://host/a"));
	assert_false(url.secure);
	assert_null(http_url_follow(&url, "HTTPS://host:8443/a"));
	assert_true(url.secure && url.port == 8443);
}

static void bad_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"host/path",
		"ftp://host/",
		"http://",
		"http:///path",
		"http://:80/",
		"http://user@host/",
		"http://user:password@host/",
		"http://host:0/",
		"http://host:65536/",
		"http://host:99999999999999999999/",
		"http://host:8a/",
		"http://ho_t!/",
		"http://[::1]/",
		"http://host/a b",
		"http://host/a\r\nX: y",
		"http://host/\x80",
	};
	char longest[HTTP_URL + 16] = "http://host/";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(http_url_read(&url, bad[i]));
	memset(longest + 12, 'a', HTTP_URL - 2);
	assert_null(http_url_read(&url, longest));
	assert_int_equal(strlen(url.path), HTTP_URL - 1);
	longest[12 + HTTP_URL - 2] = 'a';
	assert_non_null(http_url_read(&url, longest));
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "http://", 7);
	assert_non_null(http_url_read(&url, longest));
}

static void follows(void **state)
{
	static const struct {
		const char *location, *host, *path;
		unsigned port;
	} cases[] = {
		{"http://other/x", "other", "/x", 80}, {"//other:81/x", "other", "/x", 81},
		{"/x?y", "host", "/x?y", 8080},        {"x", "host", "/a/x", 8080},
		{"./x", "host", "/a/./x", 8080},       {"?z=1", "host", "/a/b?z=1", 8080},
		{"#part", "host", "/a/b?q/r", 8080},   {"dir/", "host", "/a/dir/", 8080},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(http_url_read(&url, "http://host:8080/a/b?q/r"));
		assert_null(http_url_follow(&url, cases[i].location));
		assert_string_equal(url.host, cases[i].host);
		assert_string_equal(url.path, cases[i].path);
		assert_int_equal(url.port, cases[i].port);
	}
	assert_non_null(http_url_follow(&url, ""));
	assert_non_null(http_url_follow(&url, "file:///etc"));
	assert_non_null(http_url_follow(&url, "/a b"));
	assert_string_equal(url.path, "/a/dir/");
}

/* Feeds the text in pieces of `step` bytes; returns how many are taken. */
static size_t feed(const char *text, size_t step, enum http_fed expected, const char **why)
{
	size_t bytes = strlen(text), at = 0, taken;
	enum http_fed fed = HTTP_MORE;

	*why = NULL;
	http_head_begin(&head);
	while (at < bytes && fed == HTTP_MORE) {
		size_t piece = bytes - at < step ? bytes - at : step;
		uint8_t *copy = malloc(piece); /* reads beyond it are found */

		memcpy(copy, text + at, piece);
		fed = http_head_feed(&head, copy, piece, &taken, why);
		free(copy);
		assert_true(taken <= piece && (fed != HTTP_MORE || taken == piece));
		at += taken;
	}
	assert_int_equal(fed, expected);
	assert_true((fed == HTTP_WRONG) == (*why != NULL));
	return at;
}

static void heads(void **state)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"
				   "HTTP/1.1 206 Partial Content\r\n"
				   "content-LENGTH: \t100 \r\n"
				   "Content-Range: bytes 100-199/200\r\n"
				   "ETag: \"abc-1\"\r\n"
				   "Last-Modified: Tue, 01 Dec 2026 01:02:03 GMT\r\n"
				   "Empty:\r\n\r\n";
	char whole[sizeof(text) + 4];
	const char *why;

	(void)state;
	snprintf(whole, sizeof(whole), "%sbody", text);
	for (size_t step = 1; step <= sizeof(whole); step++) {
		assert_int_equal(feed(whole, step, HTTP_END, &why), strlen(text));
		assert_int_equal(head.status, 206);
		assert_true(head.has_length && head.length == 100 && !head.chunked);
		assert_true(head.has_range && head.first == 100 && head.last == 199 &&
			    head.whole == 200);
		assert_string_equal(head.etag, "\"abc-1\"");
		assert_string_equal(head.modified, "Tue, 01 Dec 2026 01:02:03 GMT");
		assert_string_equal(head.location, "");
	}
	feed("HTTP/1.0 302\nLocation: /x\nETag: W/\"weak\"\nContent-Range: bytes 0-0/*\n\n", 7,
	     HTTP_END, &why);
	assert_int_equal(head.status, 302);
	assert_string_equal(head.location, "/x");
	assert_string_equal(head.etag, "");
	assert_true(head.has_range && head.whole == 0);
	feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: Chunked\r\n\r\n", 99,
	     HTTP_END, &why);
	assert_true(head.chunked && !head.has_length);
	feed("HTTP/1.1 416 No\r\nContent-Range: bytes */7\r\n\r\n", 99, HTTP_END, &why);
	assert_false(head.has_range);
	feed("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\nContent-Length: "
	     "9223372036854775807\r\n\r\n",
	     99, HTTP_END, &why);
	assert_true(head.length == INT64_MAX);
}

static void bad_heads(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n",
		"\r\n",
		"HTTP/2 200\r\n",
		"HTTP/1.1 20\r\n",
		"HTTP/1.1 2000\r\n",
		"HTTP/1.1 abc\r\n",
		"HTTP/1.1 200 OK\r\nno field\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n",
		"HTTP/1.1 200 OK\r\nX: y\r\n continued\r\n",
		"HTTP/1.1 200 OK\r\nName : x\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
		"HTTP/1.1 206 OK\r\nContent-Range: bytes 5-4/9\r\n",
		"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/9\r\n",
		"HTTP/1.1 206 OK\r\nContent-Range: pages 0-9/10\r\n",
		"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9\r\n",
	};
	static char flood[HTTP_HEAD + HTTP_LINE];
	const char *why;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		feed(bad[i], 1, HTTP_WRONG, &why);
		feed(bad[i], 1000, HTTP_WRONG, &why);
	}
	memset(flood, 'a', sizeof(flood) - 1); /* a line without end */
	assert_true(feed(flood, 100, HTTP_WRONG, &why) < HTTP_LINE + 100);
	n = (size_t)snprintf(flood, sizeof(flood), "HTTP/1.1 100 C\r\n\r\n");
	while (n < sizeof(flood) - 20) /* interim answers without end */
		n += (size_t)snprintf(flood + n, sizeof(flood) - n, "HTTP/1.1 100 C\r\n\r\n");
	assert_true(feed(flood, 100, HTTP_WRONG, &why) <= HTTP_HEAD + 100);
}

/* Unpacks chunks that come in pieces of `step`, to a sink that takes `most` bytes at once. */
static enum http_fed unpack(const char *text, size_t step, size_t most, char *out, size_t *used)
{
	struct http_chunks chunks = {0};
	size_t bytes = strlen(text), out_bytes = 0;
	enum http_fed fed = HTTP_MORE;
	const char *why = NULL;

	*used = 0;
	for (size_t at = 0; at < bytes && fed == HTTP_MORE;) {
		size_t piece = bytes - at < step ? bytes - at : step, skipped, data;

		fed = http_chunks_feed(&chunks, (const uint8_t *)text + at, piece, &skipped, &data,
				       &why);
		if (fed == HTTP_WRONG)
			break;
		assert_true(skipped + data <= piece && skipped + data > 0);
		if (data > most)
			data = most;
		memcpy(out + out_bytes, text + at + skipped, data);
		out_bytes += data;
		http_chunks_take(&chunks, data);
		at += skipped + data;
		*used = at;
	}
	out[out_bytes] = 0;
	assert_true((fed == HTTP_WRONG) == (why != NULL));
	return fed;
}

static void chunks(void **state)
{
	static const char text[] = "5\r\nhello\r\n00e ;x=\"y\"\r\n, chunked\r\nabc\r\n1\n!\n"
				   "0;last\r\nTrailer: x\r\n\r\nmore";
	static const char *const bad[] = {
		"\r\n",          "g\r\n",         "-1\r\n", "5 5\r\n", "1000000000000000\r\n",
		"3\r\nabcd\r\n", "3\r\nabc0\r\n",
	};
	char out[128];
	size_t used;

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++)
		for (size_t most = 1; most <= 16; most++) {
			assert_int_equal(unpack(text, step, most, out, &used), HTTP_END);
			assert_string_equal(out, "hello, chunked\r\nabc!");
			assert_int_equal(used, strlen(text) - 4);
		}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(unpack(bad[i], 2, 99, out, &used), HTTP_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),    cmocka_unit_test(schemes), cmocka_unit_test(bad_urls),
		cmocka_unit_test(follows), cmocka_unit_test(heads),   cmocka_unit_test(bad_heads),
		cmocka_unit_test(chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
