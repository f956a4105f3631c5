/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/server.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/net/lwip.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/events.h"
#include "guests/dom0/rpc/stream.h"
#include "guests/lib/guest.h"

#define WORD "libvirt-tcp="

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

static const char *listen_on(uint16_t port)
{
	struct stack_status status;

	if (!port)
		return "a port is a number from 1 to 65535";
	stack_status(&status);
	if (!status.enabled)
		return "dom0 has no network (ip=off)";
	return tcp_wires(port, client_take);
}

void server_start(const char *cmdline)
{
	const char *value = value_of(cmdline, WORD), *wrong;

	if (!value)
		return;
	wrong = listen_on(port_of(value));
	if (wrong) {
		printf(LOG_ERR "libvirt: " WORD ": %s\n", wrong);
		return;
	}
	events_start();
	streams_start();
	printf(LOG_WARNING "libvirt: TCP port %u is open without TLS and without a password: all "
			   "stations that reach it may do everything\n",
	       port_of(value));
}
