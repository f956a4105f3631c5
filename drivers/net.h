/* SPDX-License-Identifier: BSD-2-Clause */
/* Network devices as drivers offer them: whole Ethernet frames. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The link layer of a frame (IEEE 802.3): its header ends with the type. A VLAN tag (802.1Q) stands
 * in front of the type and begins with one of its own. */
#define MAC       6u
#define ETHERNET  14u
#define ETHERTYPE 12u /* offset of the type, or of the tag */
#define VLAN_TAG  4u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP  0x0806u
#define TYPE_RARP 0x8035u
#define TYPE_VLAN 0x8100u
#define TYPE_IPV6 0x86ddu
#define TYPE_QINQ 0x88a8u /* 802.1ad */

static inline uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t get_be32(const uint8_t *at)
{
	return (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
}

static inline void put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, value >> 16);
	put_be16(at + 2, value);
}

/* Bytes in front of the network layer's header. */
static inline unsigned link_bytes(const uint8_t *frame)
{
	return get_be16(frame + ETHERTYPE) == TYPE_VLAN ? ETHERNET + VLAN_TAG : ETHERNET;
}

#define NET_FRAME_MAX 1518u /* without FCS, with one VLAN tag */

/* The longest frame with NET_TCP4 or NET_TCP6, without tag. */
#define NET_LONG_FRAME 65550u

/* A piece of a frame in memory that dom0 can read. */
struct net_piece {
	const void *data;
	uint32_t bytes;
};

/*
 * Work that the sender of a frame has left to others: the checksum of TCP or UDP (the sum of the
 * pseudo header is in its place), or also the cutting of a long TCP segment over IPv4 or IPv6.
 * With NET_ODD the frame is none that a card knows how to work on: its checksum is not TCP's in a
 * plain packet, or its segments are very short, or their flags differ.
 */
#define NET_CHECKSUM 1u
#define NET_TCP4     2u
#define NET_TCP6     4u
#define NET_ODD      8u

/* A card cuts no shorter segments: it takes 4 of them from memory at once (8254x: 3.5.3). */
#define NET_SEGMENT_MIN 512u

struct net_offload {
	unsigned needs;         /* NET_*: CHECKSUM alone or with one of TCP, and perhaps ODD */
	uint16_t start, offset; /* the sum from byte `start` on goes to start + offset */
	uint16_t segment;       /* TCP: bytes of data in each frame */
	uint16_t headers;       /* bytes in front of the data */
	bool same_id;           /* IPv4: all segments have the same number; none is for a card */
	bool verified;          /* a checksum that is there was found right */
};

struct netdev {
	char name[16]; /* "eth0" */
	uint8_t mac[6];
	bool link_up;
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t tx_frames, tx_bytes, tx_dropped;

	unsigned takes; /* NET_*: the work that the card does by itself, if it is left to it */

	/* Copies the frame (at most NET_FRAME_MAX bytes in all, or a long one) and sends it. The
	 * first piece has the Ethernet header with its tag. `left` is the work that is left to the
	 * card, NULL: none. false: no room, the frame is dropped and counted. */
	bool (*send)(struct netdev *dev, const struct net_piece *piece, unsigned pieces,
		     const struct net_offload *left);
	/* After a batch of sends: tell the hardware. */
	void (*flush)(struct netdev *dev);
	void *driver;

	/* Set by the user of the device; called from the event loop. A frame, whose checksum of TCP
	 * or UDP the card may have verified, is valid until receive_done returns, which ends each
	 * batch. */
	void (*receive)(struct netdev *dev, const void *frame, size_t bytes, bool verified);
	void (*receive_done)(struct netdev *dev);
	void (*link_changed)(struct netdev *dev);
	void *user;
	struct netdev *next;
};

/* Gives the name that the device will have, if it is the next to be registered. */
void net_name(struct netdev *dev);
void net_register(struct netdev *dev);
struct netdev *net_first(void);
