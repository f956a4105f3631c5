/* SPDX-License-Identifier: BSD-2-Clause */
/* The learning layer-2 switch: its ports are the uplink (a physical NIC),
 * each guest's NIC and dom0's own network stack. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/net.h"
#include "guests/dom0/net/offload.h"

struct net_port {
	char name[32]; /* "eth0", "dom0", "linux1/0" */
	bool link_up;
	uint16_t vlan; /* access VLAN of an untagged port, 0: none */
	bool trunk;    /* carries all VLANs, with tags: a physical NIC */
	/* The station's own address: no other port may send from it. All zero:
	 * none. Set before switch_add. */
	uint8_t mac[6];
	/* The IPv4 address that the station last named by ARP; 0: none yet. */
	uint32_t ipv4;
	unsigned takes; /* NET_*: frames of which work is left to the port */
	/* The switch gives a frame to the port. The pieces are valid during
	 * the call only; the first has the Ethernet header with its tag, and all headers if work
	 * is left to do. false: dropped (counted by the switch). */
	bool (*deliver)(struct net_port *port, const struct net_piece *piece, unsigned pieces,
			unsigned bytes);
	/* After a batch of deliveries (notify the guest, ring the NIC). */
	void (*deliver_done)(struct net_port *port);
	void *context;
	/* During deliver: the work left to do, and the state of the checksum; NULL: the frame
	 * is complete. */
	const struct net_offload *offload;
	/* rx: from the port to the switch; tx: from the switch to the port; dropped: refused on
	 * either way. */
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, dropped;
	/* the switch's */
	struct net_port *next, *next_pending;
	bool pending_done;
	unsigned learned;
};

void switch_add(struct net_port *port);
void switch_remove(struct net_port *port);
/* The ports, linked by next. */
struct net_port *switch_first(void);
/* A frame enters the switch at `from`. At least 14 and at most NET_FRAME_MAX
 * bytes, else dropped and counted. */
void switch_input(struct net_port *from, const struct net_piece *piece, unsigned pieces);
/* The same with work left to others (NULL: none), whose frames may be long. */
void switch_input_offload(struct net_port *from, const struct net_piece *piece, unsigned pieces,
			  const struct net_offload *offload);
/* Returns what the receiver of a frame from a trunk, which begins with these 18 bytes, takes; 0 if
 * it is not one port alone. */
unsigned switch_takes(const struct net_port *from, const uint8_t *header);
/* After a batch of switch_input: calls deliver_done of the ports touched. */
void switch_flush(void);

/* Frames leave through the port in the name of each station that is a port's own, so that the
 * switches outside learn that the stations are there now. */
void switch_announce(struct net_port *through);

/* Makes physical NICs a port of the switch, its uplink, as the word `uplink=` of the command line
 * says (uplink.c); after the network drivers have found their devices. */
void uplink_start(const char *cmdline);
const struct net_port *uplink_port(void);
/* From now on, and for ever, `changed` is called when the uplink's link may have changed. It does
 * no more than plan work. */
void uplink_watch(void (*changed)(void));
/* Returns the NIC behind the uplink, or the one that will be if its cable is connected first; NULL
 * if the uplink has none. */
const struct netdev *uplink_card(void);
/* "active", "backup" or "not used". */
const char *uplink_role(const struct netdev *dev);
