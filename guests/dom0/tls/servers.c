/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl_ciphersuites.h>

#include "guests/dom0/tls/random.h"
#include "guests/dom0/tls/validity.h"

#define SAN_ADDRESS (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7) /* iPAddress (RFC 5280, 4.2.1.6) */

struct servers {
	unsigned users;
	bool any; /* there is a CA */
	mbedtls_x509_crt ca;
	mbedtls_ssl_config proving, unproven;
};

static struct servers *present;

/* As trust.c's, for the same reason; AES-256 for servers that have no other. */
static const int suites[] = {
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	0,
};

/* --- sets --- */

static bool configure(mbedtls_ssl_config *config, int mode, mbedtls_x509_crt *ca)
{
	if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT))
		return false;
	mbedtls_ssl_conf_rng(config, tls_random, NULL);
	mbedtls_ssl_conf_authmode(config, mode);
	mbedtls_ssl_conf_ca_chain(config, ca, NULL);
	mbedtls_ssl_conf_ciphersuites(config, suites);
	return true;
}

/* Certificates of kinds that mbedTLS does not know here are passed over. */
static const char *parse(struct servers *servers, const char *text)
{
	if (!*text)
		return NULL;
	mbedtls_x509_crt_parse(&servers->ca, (const unsigned char *)text, strlen(text) + 1);
	servers->any = servers->ca.raw.p != NULL;
	return servers->any ? NULL : "the file has no certificate in PEM that dom0 can use";
}

struct servers *servers_make(const char *text, const char **why)
{
	struct servers *servers = calloc(1, sizeof(*servers));

	*why = "dom0 is out of memory";
	if (!servers)
		return NULL;
	servers->users = 1;
	mbedtls_x509_crt_init(&servers->ca);
	mbedtls_ssl_config_init(&servers->proving);
	mbedtls_ssl_config_init(&servers->unproven);
	if (configure(&servers->proving, MBEDTLS_SSL_VERIFY_REQUIRED, &servers->ca) &&
	    configure(&servers->unproven, MBEDTLS_SSL_VERIFY_NONE, NULL))
		*why = parse(servers, text);
	if (!*why)
		return servers;
	servers_drop(servers);
	return NULL;
}

struct servers *servers_hold(struct servers *servers)
{
	servers->users++;
	return servers;
}

void servers_drop(struct servers *servers)
{
	if (!servers || --servers->users)
		return;
	mbedtls_ssl_config_free(&servers->proving);
	mbedtls_ssl_config_free(&servers->unproven);
	mbedtls_x509_crt_free(&servers->ca);
	free(servers);
}

void servers_use(struct servers *servers)
{
	servers_drop(present);
	present = servers ? servers_hold(servers) : NULL;
}

bool servers_ca(unsigned n, char name[NAME_BYTES])
{
	const mbedtls_x509_crt *ca = present && present->any ? &present->ca : NULL;

	for (; ca && n; n--)
		ca = ca->next;
	if (!ca)
		return false;
	if (!name_text(&ca->subject, name))
		snprintf(name, NAME_BYTES, "(a name that is not printable)");
	return true;
}

/* --- a server --- */

/* The first reason stays. */
static void refuse(struct server *server, const char *why)
{
	if (!*server->why)
		snprintf(server->why, sizeof(server->why), "the server's certificate %s", why);
}

/* Is the address among those that the certificate names? mbedTLS 2.28 compares names alone. */
static bool names_address(const struct server *server, const mbedtls_x509_crt *crt)
{
	const mbedtls_x509_sequence *name = &crt->subject_alt_names;

	for (; name; name = name->next)
		if (name->buf.tag == SAN_ADDRESS && name->buf.len == sizeof(server->address) &&
		    !memcmp(name->buf.p, server->address, sizeof(server->address)))
			return true;
	return false;
}

static int verify(void *context, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct server *server = context;
	char why[160];

	if (!depth && server->by_address && !names_address(server, crt))
		*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
	if (!validity_is_now(crt, why, sizeof(why))) {
		*flags |= MBEDTLS_X509_BADCERT_EXPIRED;
		refuse(server, why);
	}
	if (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		refuse(server, "is of none of the CAs that dom0 trusts (tls-trust)");
	if (*flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
		snprintf(why, sizeof(why), "does not name %.100s", server->host);
		refuse(server, why);
	}
	if (*flags)
		refuse(server, "does not keep the rules for certificates");
	return 0;
}

/* Reads "10.0.2.2". */
static bool read_address(const char *text, uint8_t address[4])
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0, digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 4; digits++)
			value = value * 10 + (unsigned)(*text++ - '0');
		if (!digits || digits > 3 || value > 255 || *text != (i < 3 ? '.' : 0))
			return false;
		address[i] = (uint8_t)value;
		text += i < 3;
	}
	return true;
}

/* A name is told to the server (RFC 6066, 3) and compared by mbedTLS; an address is neither. */
static const char *set_host(struct server *server, struct session *session)
{
	const char *name = server->by_address ? NULL : server->host;

	return mbedtls_ssl_set_hostname(&session->ssl, name) ? "dom0 is out of memory" : NULL;
}

static const char *begin(struct server *server, bool unproven)
{
	const char *wrong = tls_random_start();
	struct servers *none = NULL;

	if (!wrong && !present) {
		none = servers_make("", &wrong);
		if (none)
			servers_use(none);
		servers_drop(none);
	}
	if (wrong)
		return wrong;
	if (!unproven && !present->any)
		return "dom0 trusts no CA of https: tls-trust brings one, or --sha256 says what "
		       "the content is";
	server->servers = servers_hold(present);
	return NULL;
}

const char *server_open(struct server *server, const char *host, bool unproven,
			struct session *session, struct work *work)
{
	const char *wrong;

	memset(server, 0, sizeof(*server));
	snprintf(server->host, sizeof(server->host), "%s", host);
	server->by_address = read_address(host, server->address);
	wrong = begin(server, unproven);
	if (wrong)
		return wrong;
	if (!session_open(session,
			  unproven ? &server->servers->unproven : &server->servers->proving, work))
		wrong = "dom0 is out of memory";
	if (!wrong)
		wrong = set_host(server, session);
	if (wrong) {
		server_close(server, session);
		return wrong;
	}
	if (!unproven)
		mbedtls_ssl_set_verify(&session->ssl, verify, server);
	return NULL;
}

void server_close(struct server *server, struct session *session)
{
	session_close(session);
	servers_drop(server->servers);
	server->servers = NULL;
}
