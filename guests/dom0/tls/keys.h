/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and certificates as texts (PEM), and the making of them: ECDSA on P-256 with SHA-256. A key
 * takes some milliseconds: these functions run as slow computations (base/slow.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define KEYS_PEM   1536u /* of one certificate or one key */
#define KEYS_HOSTS 512u  /* of a list of names and addresses */
#define KEYS_YEARS 10u

/* A certificate and its key. */
struct key_pair {
	char certificate[KEYS_PEM], key[KEYS_PEM];
};

/* Each returns the reason for a failure, or NULL. `now` is Unix time in seconds: a certificate is
 * valid from a day before to KEYS_YEARS later. */

const char *keys_make_ca(struct key_pair *ca, uint64_t now);
/* `hosts` are the names and IPv4 addresses by which clients call the server, with commas. */
const char *keys_make_server(const struct key_pair *ca, const char *hosts, uint64_t now,
			     struct key_pair *server);
/* `name` is the CN, the name is "O=Sampo,CN=name". */
const char *keys_make_client(const struct key_pair *ca, const char *name, uint64_t now,
			     struct key_pair *client);
