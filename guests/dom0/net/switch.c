/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch: a learning bridge with VLANs (IEEE 802.1Q), without spanning
 * tree. Ports are access ports of one VLAN, or trunks that carry tags.
 *
 * Guests are not trusted: the table of addresses is bounded and each port may
 * fill only a part of it; nobody may send from the address of another guest,
 * of dom0 or of a station seen on the trunk; only a trunk's tags are believed.
 */
#include "guests/dom0/net/switch.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/lib/guest.h"

#define MAC            6u
#define ADDRESSES      12u /* bytes of destination and source */
#define HEADER         14u /* and type */
#define TAG            4u
#define HEADER_TAGGED  (HEADER + TAG)
#define ETHERTYPE_VLAN 0x8100u /* 802.1Q */
#define ETHERTYPE_ARP  0x0806u
#define ARP_SENDER     14u     /* offset of the sender's address */
#define ETHERTYPE_QINQ 0x88a8u /* 802.1ad */
#define ETHERTYPE_RARP 0x8035u
#define VLAN_MASK      0xfffu
#define ANNOUNCE_BYTES 60u /* the shortest frame */

/* The own addresses of 1,000 guests leave a place in each bucket, but for one of a million. */
#define BUCKET_BITS       10u
#define BUCKETS           (1u << BUCKET_BITS)
#define WAYS              8u
#define LEARNED_MAX       64u /* addresses of a port */
#define LEARNED_MAX_TRUNK 768u
#define AGE_SECONDS       300u

#define MAX_PIECES 132u /* of a virtqueue's chain */

struct station {
	uint64_t key; /* key_of, 0: free */
	struct net_port *port;
	uint32_t seen; /* seconds */
	bool fixed;    /* the port's own */
};

/* A frame on its way: its header is copied, so that what was checked is what
 * is sent on. */
struct frame {
	struct net_port *from;
	/* Without tag; more than Ethernet's if there is work left to do. */
	uint8_t header[OFFLOAD_HEADERS];
	unsigned headers; /* bytes that are copied */
	uint16_t tag;     /* priority and VLAN */
	unsigned bytes;   /* without tag */
	struct net_offload offload;
	/* Two for the header, the rest is what follows it. */
	struct net_piece piece[MAX_PIECES + 2];
	unsigned pieces;
};

static struct station table[BUCKETS][WAYS];
static struct net_port *ports, *pending;
static uint32_t now; /* seconds, 0: to be looked at */

static uint32_t seconds(void)
{
	if (!now)
		now = (uint32_t)(clock_ns() / 1000000000u) + 1;
	return now;
}

static uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Address, VLAN and a bit that makes it differ from a free place's. */
static uint64_t key_of(const uint8_t *mac, uint16_t vlan)
{
	uint32_t low;
	uint16_t high;

	memcpy(&low, mac, 4);
	memcpy(&high, mac + 4, 2);
	return low | (uint64_t)high << 32 | (uint64_t)vlan << 48 | 1ull << 63;
}

static bool is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* --- the table of addresses ----------------------------------------------- */

static struct station *bucket(uint64_t key)
{
	return table[(key * 0x9e3779b97f4a7c15ull) >> (64 - BUCKET_BITS)];
}

static bool expired(const struct station *station)
{
	return !station->fixed && seconds() - station->seen > AGE_SECONDS;
}

static void forget(struct station *station)
{
	station->port->learned--;
	memset(station, 0, sizeof(*station));
}

static struct station *find(uint64_t key)
{
	struct station *station = bucket(key);

	for (unsigned i = 0; i < WAYS; i++, station++) {
		if (station->key != key)
			continue;
		if (!expired(station))
			return station;
		forget(station);
		return NULL;
	}
	return NULL;
}

/* A place in the bucket: a free one, else the port's own that was not seen for longest: no port
 * drives out what others have learned. A port's own address drives out any learned one. */
static struct station *place(uint64_t key, const struct net_port *port, bool fixed)
{
	struct station *station = bucket(key), *oldest = NULL;

	for (unsigned i = 0; i < WAYS; i++, station++) {
		if (!station->key)
			return station;
		if (!station->fixed && (fixed || station->port == port) &&
		    (!oldest || station->seen < oldest->seen))
			oldest = station;
	}
	if (oldest)
		forget(oldest);
	return oldest;
}

static bool insert(uint64_t key, struct net_port *port, bool fixed)
{
	struct station *station = place(key, port, fixed);

	if (!station)
		return false;
	*station = (struct station){
		.key = key,
		.port = port,
		.seen = seconds(),
		.fixed = fixed,
	};
	port->learned++;
	return true;
}

/* Notes where the sender is. Returns false if another port has its address. */
static bool learn(struct net_port *port, uint64_t key)
{
	struct station *station = find(key);

	if (!station) {
		if (port->learned < (port->trunk ? LEARNED_MAX_TRUNK : LEARNED_MAX))
			insert(key, port, false);
		return true;
	}
	if (station->port != port) {
		if (station->fixed || (station->port->trunk && !port->trunk))
			return false;
		station->port->learned--;
		station->port = port;
		port->learned++;
	}
	station->seen = seconds();
	return true;
}

static void forget_port(const struct net_port *port)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (unsigned j = 0; j < WAYS; j++)
			if (table[i][j].port == port)
				forget(&table[i][j]);
}

/* --- ports ---------------------------------------------------------------- */

struct net_port *switch_first(void)
{
	return ports;
}

void switch_add(struct net_port *port)
{
	static const uint8_t none[6];

	now = 0;
	port->learned = 0;
	port->pending_done = false;
	port->next = ports;
	ports = port;
	if (!memcmp(port->mac, none, sizeof(none)))
		return;
	uint64_t key = key_of(port->mac, port->vlan);
	struct station *station = find(key);
	if (station && station->fixed)
		return; /* the address is taken: the first port keeps it */
	if (station)
		forget(station);
	if (!insert(key, port, true))
		printf(LOG_WARNING
		       "%s: the switch has no place for its address: others can use it\n",
		       port->name);
}

void switch_remove(struct net_port *port)
{
	struct net_port **link;

	for (link = &ports; *link; link = &(*link)->next)
		if (*link == port) {
			*link = port->next;
			break;
		}
	for (link = &pending; *link; link = &(*link)->next_pending)
		if (*link == port) {
			*link = port->next_pending;
			break;
		}
	forget_port(port);
}

void switch_flush(void)
{
	now = 0;
	while (pending) {
		struct net_port *port = pending;

		pending = port->next_pending;
		port->pending_done = false;
		port->deliver_done(port);
	}
}

/* --- frames --------------------------------------------------------------- */

static uint16_t vlan_of(const struct frame *frame)
{
	return frame->tag & VLAN_MASK;
}

/* Hands a frame to a port, with a tag if the port wants one. The first piece is
 * the Ethernet header. */
static bool hand(struct frame *frame, struct net_port *port, struct net_piece *piece,
		 unsigned pieces, unsigned bytes)
{
	uint8_t tagged[HEADER_TAGGED];

	if (port->trunk && frame->tag) {
		memcpy(tagged, frame->header, ADDRESSES);
		put_be16(tagged + ADDRESSES, ETHERTYPE_VLAN);
		put_be16(tagged + ADDRESSES + 2, frame->tag);
		memcpy(tagged + ADDRESSES + TAG, frame->header + ADDRESSES, 2);
		piece[0] = (struct net_piece){tagged, HEADER_TAGGED};
		bytes += TAG;
	}
	if (!port->deliver(port, piece, pieces, bytes)) {
		port->dropped++;
		return false;
	}
	port->tx_frames++;
	port->tx_bytes += bytes;
	if (!port->pending_done) {
		port->pending_done = true;
		port->next_pending = pending;
		pending = port;
	}
	return true;
}

struct completion {
	struct frame *frame;
	struct net_port *port;
};

static bool hand_complete(void *context, const struct net_piece *piece, unsigned pieces,
			  unsigned bytes)
{
	struct completion *to = context;

	/* The array is offload_complete's own. */
	if (bytes <= NET_FRAME_MAX - TAG)
		return hand(to->frame, to->port, (struct net_piece *)(uintptr_t)piece, pieces,
			    bytes);
	to->port->dropped++;
	return false;
}

/* Does for the port what the sender has left to do. */
static void complete(struct frame *frame, struct net_port *port)
{
	unsigned headers = frame->offload.headers, first = 2;
	struct completion to = {frame, port};

	/* What was copied of the data is a piece of its own. */
	if (frame->headers > headers)
		frame->piece[--first] =
			(struct net_piece){frame->header + headers, frame->headers - headers};
	offload_complete(&frame->offload, frame->header, frame->piece + first,
			 frame->pieces - first, hand_complete, &to);
}

static void deliver(struct frame *frame, struct net_port *port)
{
	unsigned needs = frame->offload.needs, first = 1;

	if (!port->link_up) {
		port->dropped++;
		return;
	}
	if (needs & ~port->takes) {
		complete(frame, port);
		return;
	}
	if (frame->headers > HEADER) {
		frame->piece[1] =
			(struct net_piece){frame->header + HEADER, frame->headers - HEADER};
		first = 0;
	}
	frame->piece[first] = (struct net_piece){frame->header, HEADER};
	port->offload = needs ? &frame->offload : NULL;
	hand(frame, port, frame->piece + first, frame->pieces - first, frame->bytes);
	port->offload = NULL;
}

static void flood(struct frame *frame)
{
	for (struct net_port *port = ports; port; port = port->next)
		if (port != frame->from && (port->trunk || port->vlan == vlan_of(frame)))
			deliver(frame, port);
}

static void forward(struct frame *frame)
{
	static const uint8_t link_local[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	const uint8_t *to = frame->header;

	if (is_group(to)) {
		/* 802.1D table 7-10: never past a bridge */
		if (memcmp(to, link_local, sizeof(link_local)) || to[5] > 0x0f)
			flood(frame);
		return;
	}
	struct station *station = find(key_of(to, vlan_of(frame)));
	if (!station)
		flood(frame);
	else if (station->port != frame->from)
		deliver(frame, station->port);
}

/* Copies the first bytes of a frame and notes what follows them. false: too
 * many pieces. */
static bool take(struct frame *frame, const struct net_piece *piece, unsigned pieces,
		 uint8_t *header, unsigned bytes)
{
	unsigned have = 0;

	frame->pieces = 2;
	for (unsigned i = 0; i < pieces; i++) {
		const uint8_t *data = piece[i].data;
		uint32_t n = bytes - have;

		if (n > piece[i].bytes)
			n = piece[i].bytes;
		if (n == HEADER) {
			memcpy(header + have, data, HEADER);
			have += HEADER;
		} else if (n) {
			memcpy(header + have, data, n);
			have += n;
		}
		if (n == piece[i].bytes)
			continue;
		if (frame->pieces == MAX_PIECES + 2)
			return false;
		frame->piece[frame->pieces++] = (struct net_piece){data + n, piece[i].bytes - n};
	}
	return true;
}

/* A frame with a tag, which only a trunk's is believed; others may set the
 * priority. What was read before is read again: it is this copy that counts. */
static bool take_tagged(struct frame *frame, const struct net_piece *piece, unsigned pieces)
{
	uint8_t header[HEADER_TAGGED];

	if (frame->bytes < HEADER_TAGGED || !take(frame, piece, pieces, header, HEADER_TAGGED))
		return false;
	memcpy(frame->header, header, ADDRESSES);
	memcpy(frame->header + ADDRESSES, header + ADDRESSES + TAG, 2);
	frame->headers = HEADER;
	frame->bytes -= TAG;
	uint16_t tag = get_be16(header + ADDRESSES + 2);
	if (frame->from->trunk)
		frame->tag = tag;
	else if (tag & VLAN_MASK)
		return false;
	else
		frame->tag |= tag;
	return true;
}

/* A tag of VLAN 0, a priority, which access ports may send, goes where the switch keeps it. */
static bool take_priority(struct frame *frame)
{
	uint16_t tag = get_be16(frame->header + HEADER);

	if (frame->from->trunk || tag & VLAN_MASK || frame->headers < HEADER_TAGGED ||
	    frame->offload.start < HEADER_TAGGED)
		return false;
	frame->tag |= tag;
	frame->headers -= TAG;
	frame->bytes -= TAG;
	frame->offload.start = (uint16_t)(frame->offload.start - TAG);
	memmove(frame->header + ADDRESSES, frame->header + ADDRESSES + TAG,
		frame->headers - ADDRESSES);
	return get_be16(frame->header + ADDRESSES) != ETHERTYPE_VLAN;
}

/* A frame whose sender leaves work to others: more of it has to be looked at. */
static bool take_offload(struct frame *frame, const struct net_piece *piece, unsigned pieces,
			 const struct net_offload *offload)
{
	unsigned bytes = offload_looks_at(offload, frame->bytes);

	frame->offload = *offload;
	frame->headers = bytes;
	if (!take(frame, piece, pieces, frame->header, bytes))
		return false;
	if (get_be16(frame->header + ADDRESSES) == ETHERTYPE_VLAN && !take_priority(frame))
		return false;
	return offload_check(&frame->offload, frame->header, frame->headers, frame->bytes);
}

static bool take_plain(struct frame *frame, const struct net_piece *piece, unsigned pieces)
{
	frame->offload.needs = 0;
	frame->headers = HEADER;
	if (!take(frame, piece, pieces, frame->header, HEADER))
		return false;
	return get_be16(frame->header + ADDRESSES) != ETHERTYPE_VLAN ||
	       take_tagged(frame, piece, pieces);
}

/* Copies the first bytes of the pieces; returns how many there were, at most `bytes`. */
static unsigned copy_first(const struct net_piece *piece, unsigned pieces, uint8_t *to,
			   unsigned bytes)
{
	unsigned have = 0;

	for (unsigned i = 0; i < pieces && have < bytes; i++) {
		unsigned n = piece[i].bytes < bytes - have ? piece[i].bytes : bytes - have;

		memcpy(to + have, piece[i].data, n);
		have += n;
	}
	return have;
}

/* RFC 826: the sender's protocol address, in a frame without a tag. */
static void hear_arp(struct net_port *from, const struct frame *frame,
		     const struct net_piece *piece, unsigned pieces)
{
	uint8_t arp[HEADER + ARP_SENDER + 4];
	const uint8_t *at = arp + HEADER + ARP_SENDER;

	if (from->trunk || get_be16(frame->header + ADDRESSES) != ETHERTYPE_ARP ||
	    copy_first(piece, pieces, arp, sizeof(arp)) < sizeof(arp) ||
	    get_be16(arp + ADDRESSES) != ETHERTYPE_ARP)
		return;
	if (get_be16(at) || get_be16(at + 2))
		from->ipv4 = (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
}

/* Returns false if the frame is malformed, or its sender's address is another port's. */
static bool input(struct frame *frame, const struct net_piece *piece, unsigned pieces,
		  const struct net_offload *offload)
{
	struct net_port *from = frame->from;
	bool is_long = offload && offload->needs & (NET_TCP4 | NET_TCP6);
	uint64_t bytes = 0;

	for (unsigned i = 0; i < pieces; i++)
		bytes += piece[i].bytes;
	if (bytes < HEADER || bytes > (is_long ? NET_LONG_FRAME : NET_FRAME_MAX))
		return false;
	frame->bytes = (unsigned)bytes;
	frame->tag = from->vlan;
	if (offload && offload->needs ? !take_offload(frame, piece, pieces, offload)
				      : !take_plain(frame, piece, pieces))
		return false;
	if (get_be16(frame->header + ADDRESSES) == ETHERTYPE_QINQ && !from->trunk)
		return false;
	if (!is_long && frame->bytes > NET_FRAME_MAX - TAG)
		return false;
	const uint8_t *source = frame->header + MAC;
	if (is_group(source) || !learn(from, key_of(source, vlan_of(frame))))
		return false;
	from->rx_frames++;
	from->rx_bytes += bytes;
	hear_arp(from, frame, piece, pieces);
	forward(frame);
	return true;
}

void switch_input_offload(struct net_port *from, const struct net_piece *piece, unsigned pieces,
			  const struct net_offload *offload)
{
	struct frame frame;

	frame.from = from;
	if (!from->link_up || !input(&frame, piece, pieces, offload))
		from->dropped++;
}

void switch_input(struct net_port *from, const struct net_piece *piece, unsigned pieces)
{
	switch_input_offload(from, piece, pieces, NULL);
}

/*
 * A reverse ARP request (RFC 903) to everybody, which stations take no notice of and each switch
 * on its way learns from.
 */
static void announce(struct net_port *through, uint64_t key)
{
	static const uint8_t request[] = {0, 1, 8, 0, 6, 4, 0, 3};
	uint8_t data[ANNOUNCE_BYTES - HEADER] = {0};
	struct net_piece piece[2] = {{NULL, HEADER}, {data, sizeof(data)}};
	struct frame frame;
	uint32_t low = (uint32_t)key;
	uint16_t high = (uint16_t)(key >> 32);

	memset(frame.header, 0xff, MAC);
	memcpy(frame.header + MAC, &low, 4);
	memcpy(frame.header + MAC + 4, &high, 2);
	put_be16(frame.header + ADDRESSES, ETHERTYPE_RARP);
	memcpy(data, request, sizeof(request));
	memcpy(data + sizeof(request), frame.header + MAC, MAC);           /* sender */
	memcpy(data + sizeof(request) + MAC + 4, frame.header + MAC, MAC); /* target */
	frame.tag = key >> 48 & VLAN_MASK;
	piece[0].data = frame.header;
	hand(&frame, through, piece, 2, ANNOUNCE_BYTES);
}

void switch_announce(struct net_port *through)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (unsigned j = 0; j < WAYS; j++)
			if (table[i][j].key && !table[i][j].port->trunk)
				announce(through, table[i][j].key);
	switch_flush();
}
