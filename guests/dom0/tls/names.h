/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names in certificates, and the list of those that may come in: lines "write PATTERN" or
 * "read PATTERN", of which the first that fits counts. A pattern is a name with * for any
 * characters and ? for one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/x509.h>

#define NAME_BYTES 256u

enum right { RIGHT_NONE, RIGHT_READ, RIGHT_WRITE };

/*
 * A certificate's name as libvirt writes it: "O=Sampo,CN=admin", in the certificate's order. A
 * character that would end a value (RFC 4514, 2.4) has \ in front of it. Returns false if the name
 * has other bytes than printable ASCII and UTF-8, an attribute that mbedTLS does not know, or no
 * room.
 */
bool name_text(const mbedtls_x509_name *name, char text[NAME_BYTES]);

/* The right that the list gives to a name. */
enum right names_right(const char *list, const char *name);

/*
 * Makes *list, of `room` bytes, give the pattern a right, as the last line; RIGHT_NONE takes the
 * pattern's line away. Returns the reason why this is not done, or NULL.
 */
const char *names_change(char *list, size_t room, const char *pattern, enum right right);
