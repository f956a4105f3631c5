/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "guests/dom0/machine/calendar.h"
#include "guests/dom0/tls/compat.h"
#include "guests/dom0/tls/random.h"

#define SERIAL_BYTES 16u
#define DAY          86400u
#define SAN_BYTES    640u
#define ORGANIZATION "O=Sampo"

/* libvirt's clients want the second as well, though no key is enciphered with these keys. */
#define BOTH_ENDS (MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT)

/* Tags of subjectAltName (RFC 5280, 4.2.1.6), and of a sequence. */
#define SAN_DNS  0x82
#define SAN_IP   0x87
#define SEQUENCE 0x30

static const char no_memory[] = "no memory, or no random numbers";

/* What a certificate is for. */
struct purpose {
	const char *subject;
	unsigned usage;            /* MBEDTLS_X509_KU_ */
	const char *extended;      /* the last byte of an OID of RFC 5280, 4.2.1.12; NULL: none */
	const unsigned char *name; /* subjectAltName, DER */
	size_t name_bytes;
};

static void stamp(char text[16], uint64_t seconds)
{
	struct calendar t;

	calendar_from_seconds((int64_t)seconds, &t);
	snprintf(text, 16, "%04u%02u%02u%02u%02u%02u", t.year % 10000, t.month % 100, t.day % 100,
		 t.hour % 100, t.minute % 100, t.second % 100);
}

static int set_times(mbedtls_x509write_cert *crt, uint64_t now)
{
	char from[16], to[16];

	stamp(from, now > DAY ? now - DAY : 0);
	stamp(to, now + (uint64_t)KEYS_YEARS * 365 * DAY);
	return mbedtls_x509write_crt_set_validity(crt, from, to);
}

static int set_serial(mbedtls_x509write_cert *crt)
{
	unsigned char bytes[SERIAL_BYTES];
	mbedtls_mpi serial;
	int status = tls_random(NULL, bytes, sizeof(bytes));

	if (status)
		return status;
	bytes[0] = (bytes[0] & 0x3f) | 0x40; /* positive, and of full length */
	mbedtls_mpi_init(&serial);
	status = mbedtls_mpi_read_binary(&serial, bytes, sizeof(bytes));
	if (!status)
		status = mbedtls_x509write_crt_set_serial(crt, &serial);
	mbedtls_mpi_free(&serial);
	return status;
}

static int set_extended(mbedtls_x509write_cert *crt, const char *last)
{
	static const unsigned char begin[] = {SEQUENCE, 10,   0x06, 8,    0x2b, 0x06,
					      0x01,     0x05, 0x05, 0x07, 0x03};
	unsigned char value[sizeof(begin) + 1];

	memcpy(value, begin, sizeof(begin));
	value[sizeof(begin)] = (unsigned char)*last;
	return mbedtls_x509write_crt_set_extension(crt, MBEDTLS_OID_EXTENDED_KEY_USAGE,
						   MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE),
						   0, value, sizeof(value));
}

static int set_purpose(mbedtls_x509write_cert *crt, const struct purpose *purpose, bool is_ca)
{
	int status = mbedtls_x509write_crt_set_subject_name(crt, purpose->subject);

	if (!status)
		status = mbedtls_x509write_crt_set_basic_constraints(crt, is_ca, is_ca ? 0 : -1);
	if (!status)
		status = mbedtls_x509write_crt_set_key_usage(crt, purpose->usage);
	if (!status && purpose->extended)
		status = set_extended(crt, purpose->extended);
	if (!status && purpose->name)
		status = mbedtls_x509write_crt_set_extension(
			crt, MBEDTLS_OID_SUBJECT_ALT_NAME,
			MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, purpose->name,
			purpose->name_bytes);
	return status;
}

static int make_key(mbedtls_pk_context *key)
{
	int status = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	return status ? status
		      : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
					    tls_random, NULL);
}

/* The CA's key and name; for the CA's own certificate they are the subject's. */
struct issuer {
	mbedtls_pk_context *key;
	const char *name;
};

static int write_certificate(const struct issuer *issuer, const struct purpose *purpose,
			     uint64_t now, mbedtls_pk_context *key, struct key_pair *pair)
{
	mbedtls_x509write_cert crt;
	int status;

	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&crt, key);
	mbedtls_x509write_crt_set_issuer_key(&crt, issuer->key);
	status = mbedtls_x509write_crt_set_issuer_name(&crt, issuer->name);
	if (!status)
		status = set_serial(&crt);
	if (!status)
		status = set_times(&crt, now);
	if (!status)
		status = set_purpose(&crt, purpose, issuer->key == key);
	if (!status)
		status = mbedtls_x509write_crt_pem(&crt, (unsigned char *)pair->certificate,
						   sizeof(pair->certificate), tls_random, NULL);
	if (!status)
		status = mbedtls_pk_write_key_pem(key, (unsigned char *)pair->key,
						  sizeof(pair->key));
	mbedtls_x509write_crt_free(&crt);
	return status;
}

/* The name of the CA is not that of another one: a client that knows both can tell them apart. */
static const char *name_ca(char name[64])
{
	unsigned char digits[4];

	if (tls_random(NULL, digits, sizeof(digits)))
		return no_memory;
	snprintf(name, 64, ORGANIZATION ",CN=Sampo CA %02x%02x%02x%02x", digits[0], digits[1],
		 digits[2], digits[3]);
	return NULL;
}

const char *keys_make_ca(struct key_pair *ca, uint64_t now)
{
	char name[64];
	struct purpose purpose = {
		.subject = name,
		.usage = MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN,
	};
	mbedtls_pk_context key;
	struct issuer issuer = {&key, name};
	const char *wrong = name_ca(name);

	mbedtls_pk_init(&key);
	if (!wrong && (make_key(&key) || write_certificate(&issuer, &purpose, now, &key, ca)))
		wrong = no_memory;
	mbedtls_pk_free(&key);
	return wrong;
}

/* The name in the CA's certificate, as mbedTLS takes it. */
static int issuer_name(const struct key_pair *ca, char *name, size_t room)
{
	mbedtls_x509_crt crt;
	int status;

	mbedtls_x509_crt_init(&crt);
	status = mbedtls_x509_crt_parse(&crt, (const unsigned char *)ca->certificate,
					strlen(ca->certificate) + 1);
	if (!status)
		status = mbedtls_x509_dn_gets(name, room, &crt.subject);
	mbedtls_x509_crt_free(&crt);
	return status < 0 ? status : 0;
}

static const char *issue(const struct key_pair *ca, const struct purpose *purpose, uint64_t now,
			 struct key_pair *pair)
{
	char name[256];
	mbedtls_pk_context ca_key, key;
	struct issuer issuer = {&ca_key, name};
	int status = issuer_name(ca, name, sizeof(name));

	mbedtls_pk_init(&ca_key);
	mbedtls_pk_init(&key);
	if (!status)
		status = compat_parse_key(&ca_key, (const unsigned char *)ca->key,
					  strlen(ca->key) + 1);
	if (!status)
		status = make_key(&key);
	if (!status)
		status = write_certificate(&issuer, purpose, now, &key, pair);
	mbedtls_pk_free(&key);
	mbedtls_pk_free(&ca_key);
	return status ? no_memory : NULL;
}

/* --- names --- */

/* Letters, digits, and these others. */
static bool has_only(const char *text, size_t length, const char *others)
{
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && (c < '0' || c > '9') && !(c && strchr(others, c)))
			return false;
	}
	return length;
}

/* Reads an IPv4 address of so many characters. */
static bool read_address(const char *text, size_t length, unsigned char address[4])
{
	const char *end = text + length;

	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0, digits = 0;

		for (; text < end && *text >= '0' && *text <= '9' && digits < 3; digits++)
			value = value * 10 + (unsigned)(*text++ - '0');
		if (!digits || value > 255 || (i < 3 && (text == end || *text++ != '.')))
			return false;
		address[i] = (unsigned char)value;
	}
	return text == end;
}

/* Puts one name or address into the sequence. */
static const char *put_host(unsigned char *der, size_t *used, const char *host, size_t length)
{
	unsigned char address[4];
	bool is_address = read_address(host, length, address);
	size_t bytes = is_address ? sizeof(address) : length;

	if (!is_address && !has_only(host, length, "-."))
		return "the server's names are host names and IPv4 addresses, with commas between";
	if (length > 127 || *used + 2 + bytes > SAN_BYTES)
		return "the server's names are too long";
	der[(*used)++] = is_address ? SAN_IP : SAN_DNS;
	der[(*used)++] = (unsigned char)bytes;
	memcpy(der + *used, is_address ? (const char *)address : host, bytes);
	*used += bytes;
	return NULL;
}

/* DER has the shortest form of a length (X.690, 10.1). */
static size_t put_header(unsigned char *der, size_t bytes)
{
	size_t used = 0;

	der[used++] = SEQUENCE;
	if (bytes > 255)
		der[used++] = 0x82;
	else if (bytes > 127)
		der[used++] = 0x81;
	if (bytes > 255)
		der[used++] = (unsigned char)(bytes >> 8);
	der[used++] = (unsigned char)bytes;
	return used;
}

/* subjectAltName. */
static const char *put_hosts(unsigned char der[SAN_BYTES + 4], size_t *used, const char *hosts)
{
	unsigned char entries[SAN_BYTES];
	const char *wrong = NULL;
	size_t bytes = 0;

	while (*hosts && !wrong) {
		size_t length = strcspn(hosts, ",");

		wrong = put_host(entries, &bytes, hosts, length);
		hosts += length + (hosts[length] == ',');
	}
	if (!wrong && !bytes)
		wrong = "the server needs a name";
	*used = put_header(der, bytes);
	memcpy(der + *used, entries, bytes);
	*used += bytes;
	return wrong;
}

const char *keys_make_server(const struct key_pair *ca, const char *hosts, uint64_t now,
			     struct key_pair *server)
{
	unsigned char der[SAN_BYTES + 4];
	struct purpose purpose = {
		.subject = ORGANIZATION ",CN=server",
		.usage = BOTH_ENDS,
		.extended = "\1", /* serverAuth */
		.name = der,
	};
	const char *wrong = put_hosts(der, &purpose.name_bytes, hosts);

	return wrong ? wrong : issue(ca, &purpose, now, server);
}

const char *keys_make_client(const struct key_pair *ca, const char *name, uint64_t now,
			     struct key_pair *client)
{
	char subject[96];
	struct purpose purpose = {
		.subject = subject, .usage = BOTH_ENDS, .extended = "\2", /* clientAuth */
	};

	if (!has_only(name, strlen(name), "-_@.") || strlen(name) > 64)
		return "a client's name has up to 64 letters, digits and characters of -_@.";
	snprintf(subject, sizeof(subject), ORGANIZATION ",CN=%s", name);
	return issue(ca, &purpose, now, client);
}
