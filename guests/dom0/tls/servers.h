/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers that dom0 asks over TLS, and the CAs by which it believes them. A server is the right one
 * if its certificate names the host, is valid now and comes from one of the CAs. The check is left
 * out for content that a digest proves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/tls/names.h"
#include "guests/dom0/tls/session.h"

#define SERVERS_TEXT (256u << 10) /* bytes of the CAs' certificates in PEM */
#define SERVER_HOST  254u

/* A set of CAs. */
struct servers;

/* Makes one user's set of the certificates in a text; "" is the empty set. May pause (base/slow.h).
 * Returns NULL with the reason in *why. */
struct servers *servers_make(const char *text, const char **why);
struct servers *servers_hold(struct servers *servers);
void servers_drop(struct servers *servers);
/* The set that counts from now on, which is held, or NULL; connections that are open keep theirs.
 */
void servers_use(struct servers *servers);

/* The name of the n-th CA that counts, from 0. Returns false if there are no more. */
bool servers_ca(unsigned n, char name[NAME_BYTES]);

/* A server that is called. */
#define SERVER_WHY (SERVER_HOST + 160u)
struct server {
	struct servers *servers;
	char host[SERVER_HOST]; /* a name or an IPv4 address */
	bool by_address;
	uint8_t address[4];
	char why[SERVER_WHY]; /* it is refused; "": no reason yet */
};

/*
 * Opens a session with the host. `unproven`: nobody asks who the server is. Returns the reason why
 * it is not opened, or NULL; then server_close is called in the end. The server stays where it is.
 */
const char *server_open(struct server *server, const char *host, bool unproven,
			struct session *session, struct work *work);
void server_close(struct server *server, struct session *session);
