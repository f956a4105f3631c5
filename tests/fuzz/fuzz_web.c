/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/web/request.c */
/* fuzz: -max_len=1200 */
/*
 * Requests of any bytes. What is read keeps its bounds and does not depend on the pieces that the
 * bytes come in; a request that is not refused has a path. Bytes from a list of words reach the
 * fields behind the first line.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/web/request.h"
#include "tests/fuzz/input.h"

#define LONGEST (2 * REQUEST_HEAD)

static void check(bool right)
{
	if (!right)
		abort();
}

/* A byte of the input below 32 is a word, others are themselves; 0 repeats what follows. */
static size_t write_request(struct input *in, uint8_t text[LONGEST])
{
	static const char *const words[] = {
		"GET ",       "HEAD ",       "/metrics",  " HTTP/1.1", "\r\n",
		"\n",         "Host: x\r\n", "Host:",     "http://h/", "Connection: close",
		"keep-alive", "\r",          "\r\n\r\n",  ": ",        "Content-Length: 0",
		"?a=b",       "\t",          " HTTP/1.0", ",",         "Transfer-Encoding:",
	};
	size_t used = 0;

	while (in->size) {
		uint8_t byte = next(in);
		const char *word = words[byte % (sizeof(words) / sizeof(words[0]))];
		size_t n = byte < 32 && byte ? strlen(word) : 1, times = byte ? 1 : 16u * next(in);
		uint8_t single = byte ? byte : next(in);

		for (; times && used + n <= LONGEST; times--, used += n)
			memcpy(text + used, n > 1 || byte - 1u < 31 ? (const void *)word : &single,
			       n);
	}
	return used;
}

/* Feeds copies of exactly the pieces' size. Returns whether the head ended. */
static bool feed(struct request *request, const uint8_t *text, size_t size, size_t step,
		 size_t *used)
{
	bool ended = false;

	memset(request, 0, sizeof(*request));
	for (*used = 0; *used < size && !ended;) {
		size_t n = size - *used < step ? size - *used : step, taken;
		uint8_t *copy = malloc(n);

		memcpy(copy, text + *used, n);
		ended = request_feed(request, copy, n, &taken);
		check(taken <= n && (ended || taken == n));
		*used += taken;
		free(copy);
	}
	return ended;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t text[LONGEST];
	struct input in = {data, size};
	size_t step = 1u + next(&in), n = write_request(&in, text), used, used_again;
	struct request whole, pieces;
	bool ended = feed(&whole, text, n, LONGEST, &used);

	check(ended == feed(&pieces, text, n, step, &used_again) && used == used_again);
	check(!memcmp(&whole, &pieces, sizeof(whole)));
	check(used <= REQUEST_HEAD + 1 && (ended || n <= REQUEST_HEAD));
	check(memchr(whole.path, 0, sizeof(whole.path)) && !strchr(whole.path, '?'));
	check(!whole.status || (ended && whole.close));
	check(!ended || whole.status || *whole.path == '/');
	return 0;
}
