/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1.1 (RFC 9110, RFC 9112) as a client reads it: URLs, the head of an answer, chunks. No I/O
 * and no memory of its own. Each input has a bound, and is fed in pieces of any size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_URL       1024u /* bytes of a URL and of its path, with the terminating zero */
#define HTTP_HOST      254u  /* of a host name (RFC 1035, 2.3.4) */
#define HTTP_LINE      2048u /* of a line of a head or of the frame around a chunk */
#define HTTP_HEAD      16384u
#define HTTP_VALIDATOR 128u /* of an ETag or a date */

struct http_url {
	char host[HTTP_HOST];
	char path[HTTP_URL]; /* with its query; begins with a slash */
	uint16_t port;
	bool secure; /* https */
};

/* The port of a URL that names none, by its scheme. */
uint16_t http_url_port(const struct http_url *url);

/* Reads an absolute URL with the scheme http or https. Returns the reason against the text, or
 * NULL. */
const char *http_url_read(struct http_url *url, const char *text);
/* Replaces *url by the URL that a Location field names, as seen from *url (RFC 3986, 5.2); dots in
 * a path are the server's to resolve. https never leads to http. Returns the reason against the
 * text, or NULL; *url has not changed if there is one. */
const char *http_url_follow(struct http_url *url, const char *location);
bool http_url_same(const struct http_url *a, const struct http_url *b);

/* The facts of an answer's head that the client needs. */
struct http_head {
	unsigned status;
	bool has_length, chunked;
	uint64_t length; /* of the body, from Content-Length */
	/* Content-Range: the first and the last byte, and the size of the whole (0: not known). */
	bool has_range;
	uint64_t first, last, whole;
	char etag[HTTP_VALIDATOR];     /* a strong one, or "" */
	char modified[HTTP_VALIDATOR]; /* Last-Modified, or "" */
	char location[HTTP_URL];
	/* http_parse.c's own */
	char line[HTTP_LINE];
	size_t line_bytes, bytes;
	bool has_status;
};

enum http_fed { HTTP_MORE, HTTP_END, HTTP_WRONG };

void http_head_begin(struct http_head *head);
/* Takes bytes up to the head's end; *taken says how many. If the result is HTTP_WRONG, *why is the
 * reason. Interim answers (1xx) are passed over. */
enum http_fed http_head_feed(struct http_head *head, const uint8_t *data, size_t bytes,
			     size_t *taken, const char **why);

/* A body in chunks. A struct of zeros is the begin. */
struct http_chunks {
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, CHUNK_DONE } state;
	uint64_t left; /* of the chunk's data */
	char line[HTTP_LINE];
	size_t line_bytes, trailer_bytes;
};

/*
 * Takes the lines around the data from the front of the input, then finds the data behind them:
 * *skipped bytes of the input are used up, *data_bytes behind them are data. The caller reports
 * data that have been taken by http_chunks_take. HTTP_END: the body has ended behind the skipped
 * bytes.
 */
enum http_fed http_chunks_feed(struct http_chunks *chunks, const uint8_t *data, size_t bytes,
			       size_t *skipped, size_t *data_bytes, const char **why);
void http_chunks_take(struct http_chunks *chunks, size_t bytes);
