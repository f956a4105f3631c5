/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS as a layer of lwIP's altcp, between an HTTP client and TCP. */
#pragma once

#include <lwip/arch.h>
#include <stdbool.h>

#include "guests/dom0/tls/servers.h"

struct altcp_pcb;

/* What the layer is made for, and its reason for a refusal; stays while the connection is there. */
struct https {
	const char *host;
	bool unproven;        /* nobody asks who the server is */
	char why[SERVER_WHY]; /* "": none of TLS's own */
};

/*
 * An allocator of altcp's, with a struct https. Returns NULL, with the reason in `why`, if there is
 * no connection. The user hears of the connection when the handshake is done. It gets plain bytes
 * in buffers; a record is decrypted when the ones before have been reported by altcp_recved but for
 * less than one. The user does not close the connection in a call of the layer.
 */
struct altcp_pcb *https_new(void *https, u8_t ip_type);
