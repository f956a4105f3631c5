/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/server.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/cmdline.h"
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
	const char *value = cmdline_word(cmdline, TLS_WORD);
	const char *weak = cmdline_word(cmdline, WEAK_WORD);

	if (value) {
		tls_port = cmdline_port(value);
		if (!tls_port && strncmp(value, "off", 3) != 0)
			printf(LOG_ERR "libvirt: " TLS_WORD ": a port or \"off\" is needed: "
				       "TLS stays closed\n");
	}
	access_start(weak != NULL, tls_changed);
}

static void start_tcp(const char *cmdline)
{
	const char *value = cmdline_word(cmdline, TCP_WORD), *wrong;

	if (!value)
		return;
	wrong = listen_on(cmdline_port(value), client_take);
	if (wrong) {
		printf(LOG_ERR "libvirt: " TCP_WORD ": %s\n", wrong);
		return;
	}
	printf(LOG_WARNING "libvirt: TCP port %u is open without TLS and without a password: all "
			   "stations that reach it may do everything\n",
	       cmdline_port(value));
}

void server_start(const char *cmdline)
{
	start_tls(cmdline);
	start_tcp(cmdline);
}
