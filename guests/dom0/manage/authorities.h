/* SPDX-License-Identifier: BSD-2-Clause */
/* The CAs by which dom0 believes the servers that it asks by https (tls/servers.h). They are in the
 * store as one setting, a text in PEM. */
#pragma once

/* Takes what the store has, once it has been read; from the event loop, a little later. */
void recall_authorities(void);

/* `wrong` is the reason for a failure, or NULL. */
typedef void authorities_done(const char *wrong);

/*
 * Keeps the certificates of a text, which is copied, in place of those that there are; "": none.
 * Makes the store's volumes if there are none. Returns the reason why this does not begin, or NULL;
 * `done` is called then. One change is at work at a time.
 */
const char *authorities_set(const char *text, authorities_done *done);
