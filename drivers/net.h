/* SPDX-License-Identifier: BSD-2-Clause */
/* Network devices as drivers offer them: whole Ethernet frames. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_FRAME_MAX 1518u /* without FCS, with one VLAN tag */

/* A piece of a frame in memory that dom0 can read. */
struct net_piece {
	const void *data;
	uint32_t bytes;
};

struct netdev {
	char name[16]; /* "eth0" */
	uint8_t mac[6];
	bool link_up;
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t tx_frames, tx_bytes, tx_dropped;

	/* Copies the frame (at most NET_FRAME_MAX bytes in all) and sends it;
	 * false: no room, the frame is dropped and counted. */
	bool (*send)(struct netdev *dev, const struct net_piece *piece, unsigned pieces);
	/* After a batch of sends: tell the hardware. */
	void (*flush)(struct netdev *dev);
	void *driver;

	/* Set by the user of the device; called from the event loop. The frame
	 * is valid during the call only. */
	void (*receive)(struct netdev *dev, const void *frame, size_t bytes);
	void (*receive_done)(struct netdev *dev); /* after a batch */
	void (*link_changed)(struct netdev *dev);
	void *user;
	struct netdev *next;
};

void net_register(struct netdev *dev);
struct netdev *net_first(void);
