/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS as a wire on a wire. A peer has 10 s for its handshake; 20 handshakes are on their way at
 * most: of one more, the oldest of the address with the most of them goes. They compute one after
 * the other, in pieces (base/slow.h).
 */
#pragma once

#include "guests/dom0/rpc/wire.h"

struct trust;

#define TLS_HANDSHAKES   20u
#define TLS_HANDSHAKE_NS 10000000000ull

/* Before the first wire: what clients are checked by from now on (those that are here stay), and
 * the taker of the wires whose peers have been let in. Holds the trust. */
void tls_use(struct trust *trust, wire_taker *taker);
/* A taker of wires below. */
bool tls_take(struct wire *below);
/* Handshakes on their way, for tests. */
unsigned tls_handshakes(void);
