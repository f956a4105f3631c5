/* SPDX-License-Identifier: BSD-2-Clause */
/* Where mbedTLS 2.28 and 3.6 differ. */
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/version.h>

#include "guests/dom0/tls/random.h"

/* `bytes` includes the end of a text in PEM. */
static inline int compat_parse_key(mbedtls_pk_context *key, const unsigned char *text, size_t bytes)
{
#if MBEDTLS_VERSION_MAJOR >= 3
	return mbedtls_pk_parse_key(key, text, bytes, NULL, 0, tls_random, NULL);
#else
	return mbedtls_pk_parse_key(key, text, bytes, NULL, 0);
#endif
}

static inline int compat_check_pair(const mbedtls_pk_context *public, const mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_MAJOR >= 3
	return mbedtls_pk_check_pair(public, key, tls_random, NULL);
#else
	return mbedtls_pk_check_pair(public, key);
#endif
}
