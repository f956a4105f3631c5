/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's name and dom0's address, as the store has them. */
#pragma once

#include <stdbool.h>

#define IDENTITY_BYTES 96u /* of a value */

/* Gives dom0 the name and the address of the store, once the store has been read. An ip= on dom0's
 * command line overrides the address. */
void recall_identity(void);

typedef void identity_done(void *context, const char *wrong);

/*
 * Keep a value and use it at once: a host name (RFC 1123), and what ip= takes (ipconf.h) but for
 * "off"; "default": none is kept any more. Each returns the reason why it does not begin, or NULL;
 * `done` is called then.
 */
const char *identity_keep_name(const char *name, identity_done *done, void *context);
const char *identity_keep_ip(const char *ip, identity_done *done, void *context);

/* What the store has; "" if it has none. */
void identity_kept(char name[IDENTITY_BYTES], char ip[IDENTITY_BYTES]);
