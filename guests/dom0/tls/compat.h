/* SPDX-License-Identifier: BSD-2-Clause */
/* Where mbedTLS 2.28 and 3.6 differ. */
#pragma once

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
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

/* The exchange of keys by no other curve: the others cost more. */
static inline void compat_p256_alone(mbedtls_ssl_config *config)
{
#if MBEDTLS_VERSION_MAJOR >= 3
	static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, 0};

	mbedtls_ssl_conf_groups(config, groups);
#else
	static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_SECP256R1,
						      MBEDTLS_ECP_DP_NONE};

	mbedtls_ssl_conf_curves(config, curves);
#endif
}

static inline void compat_mix(mbedtls_ctr_drbg_context *generator, const unsigned char *bytes,
			      size_t n)
{
#if MBEDTLS_VERSION_MAJOR >= 3
	mbedtls_ctr_drbg_update(generator, bytes, n);
#else
	mbedtls_ctr_drbg_update_ret(generator, bytes, n);
#endif
}
