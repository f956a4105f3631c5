/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server is to its clients, and which of them it lets in: its certificate and key, the
 * CA whose clients it knows, the list of names. All of it is one text: the list's lines
 * (names.h), the CA's certificate and key, the server's certificate and key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/ssl.h>

#include "guests/dom0/tls/keys.h"
#include "guests/dom0/tls/names.h"

#define TRUST_LIST 8192u /* bytes of the list */
#define TRUST_TEXT (TRUST_LIST + 4 * KEYS_PEM)

struct trust_parts {
	char list[TRUST_LIST];
	struct key_pair ca, server;
};

/* From the text and to it. trust_split returns false if it is none. */
bool trust_split(const char *text, struct trust_parts *parts);
void trust_join(const struct trust_parts *parts, char text[TRUST_TEXT]);

struct trust;

/* Makes one user's trust of the parts; NULL with the reason in *why. */
struct trust *trust_make(const struct trust_parts *parts, const char **why);
struct trust *trust_hold(struct trust *trust);
/* With the last user it goes. */
void trust_drop(struct trust *trust);

const mbedtls_ssl_config *trust_config(const struct trust *trust);
/* The reason why clients will refuse the server's certificate by dom0's clock, or NULL. */
const char *trust_is_timely(const struct trust *trust);

/* A client in the door. */
#define VISITOR_WHY (NAME_BYTES + 192u)
struct visitor {
	const struct trust *trust;
	char name[NAME_BYTES];
	enum right right;
	char why[VISITOR_WHY]; /* it is refused; "": no reason yet */
};

/* For mbedtls_ssl_set_verify, with a visitor as context. */
int trust_verify(void *visitor, mbedtls_x509_crt *crt, int depth, uint32_t *flags);
