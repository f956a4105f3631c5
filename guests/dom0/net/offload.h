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

/* Headers are as long as a frame at most. */
#define OFFLOAD_HEADERS NET_FRAME_MAX

/* Returns how many of a frame's first bytes the other functions look at, at most OFFLOAD_HEADERS
 * and at most the frame's `bytes`. */
unsigned offload_looks_at(const struct net_offload *offload, unsigned bytes);

/*
 * Do the sender's words fit its frame? The first `have` of its `bytes` are in header. The
 * frame may have a VLAN tag. Sets `headers`, and NET_ODD if that is so.
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
 * Makes complete frames, but for the work `takes` (NET_*) that can be left to others. `header`
 * holds offload->headers bytes, the pieces the bytes behind them. `put` gets each frame, its first
 * piece being all headers, and what is left to do, NULL: nothing. false: one of them was refused.
 */
typedef bool offload_put(void *context, const struct net_piece *piece, unsigned pieces,
			 unsigned bytes, const struct net_offload *left);
bool offload_complete(const struct net_offload *offload, unsigned takes, const uint8_t *header,
		      const struct net_piece *piece, unsigned pieces, offload_put *put,
		      void *context);
