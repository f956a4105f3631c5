/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access by TLS: this machine's CA, the server's certificate, the list of clients' names. They are
 * in the store as one setting (tls/trust.h).
 */
#pragma once

#include <stdbool.h>

#include "guests/dom0/tls/names.h"

struct key_pair;
struct trust;

/* `changed` is called with what counts from now on, when the store has been read and after each
 * change. `weak`: numbers that can be guessed will do for keys (tls/random.h). */
void access_start(bool weak, void (*changed)(struct trust *trust));
/* Takes what the store has, once it has been read. */
void recall_access(void);

/* The end of a change: `wrong` is the reason for a failure, or NULL. `ca` is the CA, of which only
 * the certificate may be shown; `client` is a new client's certificate and key, NULL if none was
 * made. Both are gone when the function has returned. */
typedef void access_done(const char *wrong, const struct key_pair *ca,
			 const struct key_pair *client);

#define ACCESS_ADMIN "admin" /* the first client */

/*
 * Each returns the reason why it does not begin, or NULL; `done` is called then. One is at work at
 * a time.
 */

/* A new CA, a server's certificate for these hosts (tls/keys.h), a client that may write: none of
 * the clients before comes in any more. Makes the store's volumes if there are none. */
const char *access_set_up(const char *hosts, access_done *done);
/* A new certificate of the server, of the CA that there is. */
const char *access_serve(const char *hosts, access_done *done);
/* One client more, on the list. */
const char *access_add_client(const char *name, enum right right, access_done *done);
/* A line of the list; RIGHT_NONE takes it away. */
const char *access_list(const char *pattern, enum right right, access_done *done);

/* Returns the list, or NULL with the reason why there is no access by TLS in *why. */
const char *access_names(const char **why);
/* Returns the fault of the server's certificate by the clock, or NULL. */
const char *access_untimely(void);
