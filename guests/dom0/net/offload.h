/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of which the sender has left work to others: the checksum of TCP or
 * UDP, or the cutting of a long TCP segment. Guests pass them to each other as
 * they are; who cannot take them (a wire) gets complete frames.
 */
#ifndef DOM0_NET_OFFLOAD_H
#define DOM0_NET_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/net.h"

/* What a port takes (net_port.takes). */
#define NET_CHECKSUM 1u
#define NET_TCP4     2u
#define NET_TCP6     4u

/* The longest frame with NET_TCP4 or NET_TCP6, without tag. */
#define NET_LONG_FRAME 65550u

/* Ethernet without tag, the longest of IPv4 and of TCP. */
#define OFFLOAD_HEADERS (14u + 60u + 60u)

struct net_offload {
	unsigned needs;         /* NET_*: CHECKSUM alone or with one of TCP */
	uint16_t start, offset; /* the sum from byte `start` on goes to start + offset */
	uint16_t segment;       /* TCP: bytes of data in each frame */
	uint16_t headers;       /* bytes in front of the data; set by offload_check */
};

/*
 * Whether what the sender says fits its frame, whose first bytes (up to
 * OFFLOAD_HEADERS) are in header.
 */
bool offload_check(struct net_offload *offload, const uint8_t *header, unsigned have,
		   unsigned bytes);

/*
 * Makes complete frames. `header` holds offload->headers bytes, the pieces what
 * follows them. `put` gets each frame, its first piece being the Ethernet
 * header. false: one of them was refused.
 */
bool offload_complete(const struct net_offload *offload, const uint8_t *header,
		      const struct net_piece *piece, unsigned pieces,
		      bool (*put)(void *context, const struct net_piece *piece, unsigned pieces,
				  unsigned bytes),
		      void *context);

#endif
