/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/http_parse.c */
/* fuzz: -max_len=6000 */
/*
 * URLs, places to go to, heads and chunks of any bytes. What is read keeps its bounds, does not
 * depend on the pieces that it comes in, and lets no line end into a request.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/net/http_parse.h"

static void check(bool right)
{
	if (!right)
		abort();
}

static char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	return text;
}

/* What stands in a request is printable and without blanks. */
static void check_url(const struct http_url *url)
{
	check(*url->host && url->port && *url->path == '/');
	check(memchr(url->host, 0, sizeof(url->host)) && memchr(url->path, 0, sizeof(url->path)));
	for (const char *at = url->host; *at; at++)
		check(*at > ' ' && *at <= '~');
	for (const char *at = url->path; *at; at++)
		check(*at > ' ' && *at <= '~' && *at != '#');
}

static void fuzz_url(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	struct http_url url, before;

	memset(&url, 0xaa, sizeof(url));
	if (!http_url_read(&url, text))
		check_url(&url);
	check(!http_url_read(&url, "http://host:8080/a/b?c/d"));
	before = url;
	if (http_url_follow(&url, text))
		check(!memcmp(&url, &before, sizeof(url)));
	else
		check_url(&url);
	free(text);
}

/* Feeds copies of exactly the pieces' size. */
static enum http_fed feed(struct http_head *head, const uint8_t *data, size_t size, size_t step,
			  size_t *used)
{
	enum http_fed fed = HTTP_MORE;
	const char *why = NULL;
	size_t taken;

	http_head_begin(head);
	for (*used = 0; *used < size && fed == HTTP_MORE; *used += taken) {
		size_t piece = size - *used < step ? size - *used : step;
		uint8_t *copy = malloc(piece);

		memcpy(copy, data + *used, piece);
		fed = http_head_feed(head, copy, piece, &taken, &why);
		free(copy);
		check(taken <= piece && (fed != HTTP_MORE || taken == piece));
		check((fed == HTTP_WRONG) == (why != NULL));
	}
	return fed;
}

static void fuzz_head(const uint8_t *data, size_t size, size_t step)
{
	static struct http_head head, whole;
	size_t used, used_whole;
	enum http_fed fed = feed(&head, data, size, step, &used);

	check(fed == feed(&whole, data, size, size ? size : 1, &used_whole));
	if (fed == HTTP_WRONG)
		return;
	check(used == used_whole && head.status == whole.status && head.length == whole.length);
	check(head.bytes <= HTTP_HEAD && head.line_bytes < HTTP_LINE);
	check(!strcmp(head.location, whole.location) && !strcmp(head.etag, whole.etag));
	for (const char *at = head.modified; *at; at++)
		check(*at >= ' ' && *at <= '~');
	for (const char *at = head.etag; *at; at++)
		check(*at > ' ' && *at <= '~');
	if (fed == HTTP_END)
		check(head.status >= 200 && head.status <= 599);
	if (head.has_range)
		check(head.first <= head.last && (!head.whole || head.last < head.whole));
}

/* Returns the bytes of the body; *fed is the state at the end. */
static size_t unpack(const uint8_t *data, size_t size, size_t step, size_t most, uint8_t *out,
		     enum http_fed *fed)
{
	static struct http_chunks chunks;
	const char *why = NULL;
	size_t bytes = 0;

	memset(&chunks, 0, sizeof(chunks));
	*fed = HTTP_MORE;
	for (size_t at = 0; at < size && *fed == HTTP_MORE;) {
		size_t piece = size - at < step ? size - at : step, skipped, found;
		uint8_t *copy = malloc(piece);

		memcpy(copy, data + at, piece);
		*fed = http_chunks_feed(&chunks, copy, piece, &skipped, &found, &why);
		check((*fed == HTTP_WRONG) == (why != NULL));
		if (*fed != HTTP_WRONG) {
			check(skipped + found <= piece && skipped + found);
			if (found > most)
				found = most;
			memcpy(out + bytes, copy + skipped, found);
			bytes += found;
			http_chunks_take(&chunks, found);
			at += skipped + found;
		}
		free(copy);
	}
	return bytes;
}

static void fuzz_chunks(const uint8_t *data, size_t size, size_t step)
{
	uint8_t *one = malloc(size + 1), *other = malloc(size + 1);
	enum http_fed fed, fed_other;
	size_t n = unpack(data, size, step, step / 2 + 1, one, &fed);

	check(n == unpack(data, size, size ? size : 1, SIZE_MAX, other, &fed_other));
	check(fed == fed_other && !memcmp(one, other, n));
	free(one);
	free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step;

	if (size < 2)
		return 0;
	step = (size_t)data[1] + 1;
	switch (data[0] % 3) {
	case 0:
		fuzz_url(data + 2, size - 2);
		break;
	case 1:
		fuzz_head(data + 2, size - 2, step);
		break;
	default:
		fuzz_chunks(data + 2, size - 2, step);
	}
	return 0;
}
