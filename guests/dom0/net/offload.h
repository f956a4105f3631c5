/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of which the sender has left work to others: the checksum of TCP or
 * UDP, or the cutting of a long TCP segment. Guests pass them to each other as
 * they are; a port that cannot take them (a wire) gets complete frames.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/net.h"

/* What a port takes (net_port.takes). */
#define NET_CHECKSUM 1u
#define NET_TCP4     2u
#define NET_TCP6     4u

/* The longest frame with NET_TCP4 or NET_TCP6, without tag. */
#define NET_LONG_FRAME 65550u

/* Headers are as long as a frame at most. */
#define OFFLOAD_HEADERS NET_FRAME_MAX

struct net_offload {
	unsigned needs;         /* NET_*: CHECKSUM alone or with one of TCP */
	uint16_t start, offset; /* the sum from byte `start` on goes to start + offset */
	uint16_t segment;       /* TCP: bytes of data in each frame */
	uint16_t headers;       /* bytes in front of the data; set by offload_check */
};

/* Returns how many of a frame's first bytes the other functions look at, at most OFFLOAD_HEADERS
 * and at most the frame's `bytes`. */
unsigned offload_looks_at(const struct net_offload *offload, unsigned bytes);

/*
 * Does what the sender says fit its frame? The first `have` of its `bytes` are in header. The
 * frame may have a VLAN tag.
 */
bool offload_check(struct net_offload *offload, const uint8_t *header, unsigned have,
		   unsigned bytes);

/*
 * A long frame in several ones, each again a long frame: makes the header of the whole frame,
 * which has `all` bytes of data, that of the part with `bytes` of data from byte `from` on. `from`
 * is a multiple of offload->segment.
 */
void offload_part(const struct net_offload *offload, uint8_t *header, uint32_t from, uint32_t bytes,
		  uint32_t all);

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
