/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Merges TCP segments that come one behind the other into long frames, for receivers that take
 * those. Cut again, a long frame gives the segments that it was made of, byte for byte.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/net.h"

#define MERGE_FLOWS   8u   /* connections at a time */
#define MERGE_FRAMES  48u  /* in a long frame: as many of the usual size as 64 KiB hold, and some */
#define MERGE_HEADERS 118u /* a tag, IPv6, and TCP with all options */

/* Frames of one connection that wait for the next one. */
struct merge_flow {
	const uint8_t *first; /* the first frame */
	unsigned bytes;       /* of that */
	uint16_t link, start; /* where IP's and TCP's headers begin */
	uint16_t headers;     /* where the data begins */
	uint16_t segment;     /* bytes of data in all but the last frame */
	bool ip4;
	bool same_id;       /* IPv4: all frames have the same number */
	uint32_t next;      /* sequence number of the next frame */
	uint32_t data;      /* bytes of data in all */
	uint8_t last_flags; /* TCP's flags of the last frame */
	unsigned frames;
	uint8_t header[MERGE_HEADERS];
	struct net_piece piece[MERGE_FRAMES + 1];
};

struct merger {
	/* Returns the work that the receiver of a frame takes (NET_*). */
	unsigned (*takes)(const uint8_t *frame);
	/* Gets each frame in the end, in the order of its connection. */
	void (*put)(const struct net_piece *piece, unsigned pieces,
		    const struct net_offload *offload);
	struct merge_flow flow[MERGE_FLOWS];
	/* The flows by age; the first `flows` of them have frames. */
	struct merge_flow *by_age[MERGE_FLOWS];
	unsigned flows;
};

void merge_init(struct merger *merger);

/* Takes a frame of at least 14 bytes, which stays where it is until merge_flush returns. Its sums
 * need not be looked at if they are `verified`. */
void merge_input(struct merger *merger, const uint8_t *frame, unsigned bytes, bool verified);

/* Puts all that waits: at the end of a batch. */
void merge_flush(struct merger *merger);
