/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/server.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/manage/access.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/events.h"
#include "guests/dom0/rpc/stream.h"
#include "guests/dom0/rpc/tls.h"
#include "guests/lib/guest.h"

#define TCP_WORD  "libvirt-tcp="
#define TLS_WORD  "libvirt-tls="
#define WEAK_WORD "entropy=weak"
#define TLS_PORT  16514u

static uint16_t tls_port = TLS_PORT; /* 0: closed */
static bool tls_is_open, has_begun;

/* Returns the text behind the word, NULL if the command line does not have it. */
static const char *value_of(const char *cmdline, const char *word)
{
	const char *at = cmdline;

	while ((at = strstr(at, word))) {
		if (at == cmdline || at[-1] == ' ' || at[-1] == '\t')
			return at + strlen(word);
		at++;
	}
	return NULL;
}

/* Returns 0 if the text is no port. */
static uint16_t port_of(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || (*end && *end != ' ' && *end != '\t') || port > 65535)
		return 0;
	return (uint16_t)port;
}

static const char *listen_on(uint16_t port, wire_taker *taker)
{
	struct stack_status status;
	const char *wrong;

	if (!port)
		return "a port is a number from 1 to 65535";
	stack_status(&status);
	if (!status.enabled)
		return "dom0 has no network (ip=off)";
	wrong = tcp_wires(port, taker);
	if (wrong || has_begun)
		return wrong;
	has_begun = true;
	events_start();
	streams_start();
	return NULL;
}

/* There are keys, or other keys or names than before. */
static void tls_changed(struct trust *trust)
{
	const char *wrong;

	if (!tls_port)
		return;
	tls_use(trust, client_take);
	if (access_untimely())
		printf(LOG_WARNING "libvirt: TLS: the server's certificate %s\n",
		       access_untimely());
	if (tls_is_open)
		return;
	wrong = listen_on(tls_port, tls_take);
	tls_is_open = !wrong;
	if (wrong)
		printf(LOG_ERR "libvirt: TLS port %u: %s\n", tls_port, wrong);
	else
		printf("libvirt: TLS port %u is open to clients with certificates\n", tls_port);
}

static void start_tls(const char *cmdline)
{
	const char *value = value_of(cmdline, TLS_WORD);
	const char *weak = value_of(cmdline, WEAK_WORD);

	if (value) {
		tls_port = port_of(value);
		if (!tls_port && strncmp(value, "off", 3) != 0)
			printf(LOG_ERR "libvirt: " TLS_WORD ": a port or \"off\" is needed: "
				       "TLS stays closed\n");
	}
	access_start(weak != NULL, tls_changed);
}

static void start_tcp(const char *cmdline)
{
	const char *value = value_of(cmdline, TCP_WORD), *wrong;

	if (!value)
		return;
	wrong = listen_on(port_of(value), client_take);
	if (wrong) {
		printf(LOG_ERR "libvirt: " TCP_WORD ": %s\n", wrong);
		return;
	}
	printf(LOG_WARNING "libvirt: TCP port %u is open without TLS and without a password: all "
			   "stations that reach it may do everything\n",
	       port_of(value));
}

void server_start(const char *cmdline)
{
	start_tls(cmdline);
	start_tcp(cmdline);
}
