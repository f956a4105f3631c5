/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl_ciphersuites.h>

#include "guests/dom0/tls/compat.h"
#include "guests/dom0/tls/random.h"
#include "guests/dom0/tls/validity.h"

struct trust {
	unsigned users;
	char *list;
	mbedtls_x509_crt ca, certificate;
	mbedtls_pk_context key;
	mbedtls_ssl_config config;
};

/* --- the text --- */

static const char begin_mark[] = "-----BEGIN ", end_mark[] = "\n-----END ";

/* Copies the next block of PEM, and moves *text behind it. */
static bool take_block(const char **text, char block[KEYS_PEM])
{
	const char *begin = strstr(*text, begin_mark);
	const char *end = begin ? strstr(begin, end_mark) : NULL;
	size_t length;

	if (!end)
		return false;
	end += strlen(end_mark);
	end += strcspn(end, "\n");
	length = (size_t)(end - begin);
	if (length + 2 > KEYS_PEM)
		return false;
	memcpy(block, begin, length);
	memcpy(block + length, "\n", 2);
	*text = end;
	return true;
}

bool trust_split(const char *text, struct trust_parts *parts)
{
	const char *begin = strstr(text, begin_mark);
	size_t length = begin ? (size_t)(begin - text) : TRUST_LIST;

	if (length >= TRUST_LIST)
		return false;
	memcpy(parts->list, text, length);
	parts->list[length] = 0;
	return take_block(&begin, parts->ca.certificate) && take_block(&begin, parts->ca.key) &&
	       take_block(&begin, parts->server.certificate) &&
	       take_block(&begin, parts->server.key);
}

void trust_join(const struct trust_parts *parts, char text[TRUST_TEXT])
{
	snprintf(text, TRUST_TEXT, "%s%s%s%s%s", parts->list, parts->ca.certificate, parts->ca.key,
		 parts->server.certificate, parts->server.key);
}

/* --- making --- */

/* ChaCha20 first: AES without the CPU's instructions for it reads tables, whose places in the
 * caches depend on the key. */
static const int suites[] = {
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	0,
};

/* What this machine's CA signs with. The library knows RSA and larger curves, which dom0 as a
 * client meets in others' certificates. */
static const mbedtls_x509_crt_profile profile = {
	.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256),
	.allowed_pks =
		MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY),
	.allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1),
};

static int parse_certificate(mbedtls_x509_crt *crt, const char *text)
{
	return mbedtls_x509_crt_parse(crt, (const unsigned char *)text, strlen(text) + 1);
}

static const char *parse(struct trust *trust, const struct trust_parts *parts)
{
	if (parse_certificate(&trust->ca, parts->ca.certificate))
		return "the CA's certificate is damaged";
	if (parse_certificate(&trust->certificate, parts->server.certificate))
		return "the server's certificate is damaged";
	if (compat_parse_key(&trust->key, (const unsigned char *)parts->server.key,
			     strlen(parts->server.key) + 1))
		return "the server's key is damaged";
	if (compat_check_pair(&trust->certificate.pk, &trust->key))
		return "the server's certificate is not that of its key";
	trust->list = strdup(parts->list);
	return trust->list ? NULL : "out of memory";
}

static const char *configure(struct trust *trust)
{
	mbedtls_ssl_config *config = &trust->config;

	if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT))
		return "out of memory";
	mbedtls_ssl_conf_rng(config, tls_random, NULL);
	mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(config, &trust->ca, NULL);
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_cert_profile(config, &profile);
	compat_p256_alone(config);
	if (mbedtls_ssl_conf_own_cert(config, &trust->certificate, &trust->key))
		return "out of memory";
	return NULL;
}

struct trust *trust_make(const struct trust_parts *parts, const char **why)
{
	struct trust *trust = calloc(1, sizeof(*trust));

	*why = "out of memory";
	if (!trust)
		return NULL;
	trust->users = 1;
	mbedtls_x509_crt_init(&trust->ca);
	mbedtls_x509_crt_init(&trust->certificate);
	mbedtls_pk_init(&trust->key);
	mbedtls_ssl_config_init(&trust->config);
	*why = parse(trust, parts);
	if (!*why)
		*why = configure(trust);
	if (!*why)
		return trust;
	trust_drop(trust);
	return NULL;
}

struct trust *trust_hold(struct trust *trust)
{
	trust->users++;
	return trust;
}

void trust_drop(struct trust *trust)
{
	if (!trust || --trust->users)
		return;
	mbedtls_ssl_config_free(&trust->config);
	mbedtls_pk_free(&trust->key);
	mbedtls_x509_crt_free(&trust->certificate);
	mbedtls_x509_crt_free(&trust->ca);
	free(trust->list);
	free(trust);
}

const mbedtls_ssl_config *trust_config(const struct trust *trust)
{
	return &trust->config;
}

/* --- time --- */

const char *trust_is_timely(const struct trust *trust)
{
	static char why[160];

	return validity_is_now(&trust->certificate, why, sizeof(why)) ? NULL : why;
}

/* --- visitors --- */

/* The first reason stays. */
static void refuse(struct visitor *visitor, const char *whose, const char *why)
{
	if (!*visitor->why)
		snprintf(visitor->why, sizeof(visitor->why), "%s certificate%s%s%s %s", whose,
			 *visitor->name ? " (" : "", visitor->name, *visitor->name ? ")" : "", why);
}

static void look_at_name(struct visitor *visitor, const mbedtls_x509_crt *crt, uint32_t *flags)
{
	if (!name_text(&crt->subject, visitor->name)) {
		*visitor->name = 0;
		*flags |= MBEDTLS_X509_BADCERT_OTHER;
		refuse(visitor, "its", "has a name that is empty, too long or not printable");
	}
}

static void look_at_right(struct visitor *visitor, uint32_t *flags)
{
	visitor->right = names_right(visitor->trust->list, visitor->name);
	if (visitor->right != RIGHT_NONE)
		return;
	*flags |= MBEDTLS_X509_BADCERT_OTHER;
	refuse(visitor, "its", "has a name that is not on the list (tls-allow puts names there)");
}

int trust_verify(void *context, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct visitor *visitor = context;
	const char *whose = depth ? "the CA's" : "its";
	char why[128];

	if (!depth)
		look_at_name(visitor, crt, flags);
	if (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		refuse(visitor, whose, "is of another CA");
	if (!validity_is_now(crt, why, sizeof(why))) {
		*flags |= MBEDTLS_X509_BADCERT_EXPIRED;
		refuse(visitor, whose, why);
	}
	if (!depth && !*flags)
		look_at_right(visitor, flags);
	if (*flags)
		refuse(visitor, whose, "does not keep the rules for certificates");
	return 0;
}
