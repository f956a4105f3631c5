/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The head of an HTTP request (RFC 9112), fed in pieces of any size. No I/O and no memory of its
 * own; each part has a bound.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_HEAD 8192u /* bytes of a whole head */
#define REQUEST_LINE 512u  /* kept of a line; a first line that is longer is refused */
#define REQUEST_PATH 64u   /* kept of the path, with the terminating zero */

/* Zeros at first. */
struct request {
	unsigned status; /* 0: the head is right as far as it has come; else of the answer */
	bool head_only;  /* the method is HEAD, not GET */
	bool chunks;     /* the client knows chunks: HTTP/1.1 */
	bool close;      /* no other request comes after this one, or none can be read */
	/* Without the query; a path that is longer than this is cut off. */
	char path[REQUEST_PATH];
	/* request.c's own */
	size_t bytes, used;
	unsigned lines, hosts;
	bool cut;     /* the line has more bytes than are kept */
	bool after_r; /* the last byte was a carriage return */
	char line[REQUEST_LINE];
};

/* Reads bytes of a head; *taken tells how many of them. Returns true at the head's end, and at the
 * first fault, which request->status has then. */
bool request_feed(struct request *request, const uint8_t *bytes, size_t n, size_t *taken);
