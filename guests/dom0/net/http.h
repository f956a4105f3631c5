/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HTTP/1.1 client brings one body to its last byte, through names, redirects, stalls and broken
 * connections, in the clear or over TLS. The body goes to a sink at the sink's pace.
 */
#pragma once

#include <lwip/err.h>
#include <lwip/ip_addr.h>

#include "drivers/timer.h"
#include "guests/dom0/net/http_parse.h"
#include "guests/dom0/net/https.h"

#define HTTP_REDIRECTS 8u
/* Connections in a row that bring less than HTTP_PROGRESS bytes before the client gives up. */
#define HTTP_TRIES    4u
#define HTTP_PROGRESS 65536u

struct altcp_pcb;
struct pbuf;

/* Zeros at first. It stays where it is from http_get until `done` or http_stop. */
struct http_get {
	/*
	 * The caller's. All are called from the event loop. `head` comes once, before the first
	 * byte, when the body's length is known as far as the server says it. `body` returns how
	 * many bytes the sink takes; if these are not all, no more come until http_go_on. `done`
	 * comes last, with the reason why the body is not complete, or NULL. http_stop may be
	 * called from each of them.
	 */
	void (*head)(struct http_get *get, bool has_length, uint64_t length);
	size_t (*body)(struct http_get *get, const uint8_t *data, size_t bytes);
	void (*done)(struct http_get *get, const char *why);
	void *context;
	/* The caller's: it knows a digest of the body, so that https need not prove the server. */
	bool unproven;
	/* To be looked at. */
	uint64_t received; /* bytes of the body that the sink has taken */
	unsigned resumed;  /* connections that went on where one before broke */
	/* http.c's own */
	enum { HTTP_IDLE, HTTP_NAME, HTTP_CONNECT, HTTP_IN_HEAD, HTTP_IN_BODY, HTTP_BEHIND } state;
	struct http_url url;
	struct http_head answer;
	struct http_chunks chunks;
	struct http_name *name; /* the question to a name server */
	ip_addr_t address;
	struct altcp_pcb *connection;
	struct https https;
	struct pbuf *queue; /* received and not taken */
	bool ended;         /* the server has closed its side */
	err_t error;        /* the connection's end that the stack reports */
	bool started;       /* `head` has been called */
	bool has_length;
	uint64_t length, skip; /* skip: bytes that the sink has, and that come once more */
	uint64_t left;         /* of this connection's part of the body */
	uint64_t progress;     /* `received` when `tries` began */
	unsigned tries, redirects;
	uint64_t visited[HTTP_REDIRECTS + 1];
	char etag[HTTP_VALIDATOR], modified[HTTP_VALIDATOR];
	struct timer step, patience;
	char why[SERVER_WHY];
};

/* Begins. Returns the reason against the URL, or NULL; `done` is not called if there is one. */
const char *http_get(struct http_get *get, const char *url);
/* The sink has room again. Not from within `body`. */
void http_go_on(struct http_get *get);
/* Ends the transfer without a call of `done`. */
void http_stop(struct http_get *get);
