/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection as a stream of bytes, whatever carries it. Its user is told from the event loop; it
 * may use or close the wire in each of these calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_user {
	/* The user keeps the bytes and tells by consumed() when it is done with them: no more than
	 * a window of them come before. */
	void (*received)(void *context, const uint8_t *bytes, size_t n);
	/* The peer has some of the written bytes: there is room again. */
	void (*room)(void *context);
	/* The peer has closed, or is gone. The user forgets the wire. */
	void (*ended)(void *context);
};

#define WIRE_PEER 24 /* "192.168.100.200:65535" */

struct wire {
	const struct wire_user *user;
	void *context;
	char peer[WIRE_PEER];
	bool secure;    /* nobody on the way can read or change the bytes */
	bool read_only; /* the peer may change nothing */
	/* Takes a copy of the bytes, as many as have room, and returns their number. */
	size_t (*write)(struct wire *wire, const uint8_t *bytes, size_t n);
	void (*consumed)(struct wire *wire, size_t n);
	/* Written bytes still go to the peer; after abort nothing more does. */
	void (*close)(struct wire *wire);
	void (*abort)(struct wire *wire);
};

/* Takes over a new wire, whose `user` it sets, or returns false. */
typedef bool wire_taker(struct wire *wire);

/* tcp.c: listens on a port. Returns the error, or NULL. */
const char *tcp_wires(uint16_t port, wire_taker *taker);
