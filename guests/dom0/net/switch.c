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

#define ETHERNET_TAGGED (ETHERNET + VLAN_TAG)
#define ARP_SENDER      14u /* offset of the sender's address */
#define VLAN_MASK       0xfffu
#define ANNOUNCE_BYTES  60u /* the shortest frame */

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

/* A frame on its way: its header is copied, so that the switch sends on the bytes that it has
 * checked. */
struct frame {
	struct net_port *from;
	/* Without tag; more than Ethernet's if there is work left to do. */
	uint8_t header[OFFLOAD_HEADERS];
	unsigned headers; /* bytes that are copied */
	uint16_t tag;     /* priority and VLAN */
	unsigned bytes;   /* without tag */
	struct net_offload offload;
	/* Two for the header and what is copied of the data, the rest is what follows. */
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

/* Gives a frame to a port, and counts it. */
static bool give(struct net_port *port, const struct net_piece *piece, unsigned pieces,
		 unsigned bytes, const struct net_offload *left)
{
	bool taken;

	port->offload = left;
	taken = port->deliver(port, piece, pieces, bytes);
	port->offload = NULL;
	if (!taken) {
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

/* A frame as a port wants it: with its tag, or without. */
struct shape {
	const uint8_t *header;
	unsigned headers, bytes; /* bytes that are copied; of all the frame */
	const struct net_offload *offload;
};

static bool give_complete(void *context, const struct net_piece *piece, unsigned pieces,
			  unsigned bytes, const struct net_offload *left)
{
	bool tagged = get_be16((const uint8_t *)piece->data + ETHERTYPE) == TYPE_VLAN;
	struct net_port *port = context;

	if (bytes <= NET_FRAME_MAX - (tagged ? 0 : VLAN_TAG))
		return give(port, piece, pieces, bytes, left);
	port->dropped++;
	return false;
}

/* Does the work for the port that the sender has left. */
static void complete(struct frame *frame, const struct shape *shape, struct net_port *port)
{
	unsigned headers = shape->offload->headers, first = 2;

	/* The data that was copied is a piece of its own. */
	if (shape->headers > headers)
		frame->piece[--first] =
			(struct net_piece){shape->header + headers, shape->headers - headers};
	offload_complete(shape->offload, port->takes, shape->header, frame->piece + first,
			 frame->pieces - first, give_complete, port);
}

static void deliver_as(struct frame *frame, const struct shape *shape, struct net_port *port)
{
	const struct net_offload *offload = shape->offload;

	if (offload->needs & ~port->takes) {
		complete(frame, shape, port);
		return;
	}
	frame->piece[1] = (struct net_piece){shape->header, shape->headers};
	if (give(port, frame->piece + 1, frame->pieces - 1, shape->bytes,
		 offload->needs || offload->verified ? offload : NULL))
		return;
	/* Of segments that were merged some may have room where all of them have none. */
	if (offload->needs & (NET_TCP4 | NET_TCP6) && frame->from->trunk)
		complete(frame, shape, port);
}

static void deliver_tagged(struct frame *frame, struct net_port *port)
{
	uint8_t header[OFFLOAD_HEADERS + VLAN_TAG];
	struct net_offload offload = frame->offload;
	struct shape shape = {header, frame->headers + VLAN_TAG, frame->bytes + VLAN_TAG, &offload};

	memcpy(header, frame->header, ETHERTYPE);
	put_be16(header + ETHERTYPE, TYPE_VLAN);
	put_be16(header + ETHERTYPE + 2, frame->tag);
	memcpy(header + ETHERTYPE + VLAN_TAG, frame->header + ETHERTYPE,
	       frame->headers - ETHERTYPE);
	offload.start = (uint16_t)(offload.start + VLAN_TAG);
	offload.headers = (uint16_t)(offload.headers + VLAN_TAG);
	deliver_as(frame, &shape, port);
}

static void deliver(struct frame *frame, struct net_port *port)
{
	struct shape shape = {frame->header, frame->headers, frame->bytes, &frame->offload};

	if (!port->link_up)
		port->dropped++;
	else if (port->trunk && frame->tag)
		deliver_tagged(frame, port);
	else
		deliver_as(frame, &shape, port);
}

unsigned switch_takes(const struct net_port *from, const uint8_t *header)
{
	uint16_t vlan = from->vlan;
	const struct station *station;

	if (get_be16(header + ETHERTYPE) == TYPE_VLAN)
		vlan = get_be16(header + ETHERNET) & VLAN_MASK;
	station = is_group(header) ? NULL : find(key_of(header, vlan));
	if (!station || station->port == from || !station->port->link_up)
		return 0;
	return station->port->takes;
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

/* The guest may change its bytes at any time: after this the compiler looks at the copy alone. */
static inline void end_of_copy(const uint8_t *copy)
{
	__asm__ volatile("" : : "r"(copy) : "memory");
}

/* Copies the first bytes of a frame and notes the pieces behind them. false: too
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
		if (n == ETHERNET) {
			memcpy(header + have, data, ETHERNET);
			have += ETHERNET;
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
	end_of_copy(header);
	return true;
}

/* A trunk's tag is believed; of others' the priority alone, and they may have no VLAN. */
static bool note_tag(struct frame *frame, uint16_t tag)
{
	if (!frame->from->trunk && tag & VLAN_MASK)
		return false;
	frame->tag = frame->from->trunk ? tag : frame->tag | tag;
	return true;
}

/* A frame with a tag, which only a trunk's is believed; others may set the
 * priority. The bytes read before are read again: this copy counts. */
static bool take_tagged(struct frame *frame, const struct net_piece *piece, unsigned pieces)
{
	uint8_t header[ETHERNET_TAGGED];

	if (frame->bytes < ETHERNET_TAGGED || !take(frame, piece, pieces, header, ETHERNET_TAGGED))
		return false;
	memcpy(frame->header, header, ETHERTYPE);
	memcpy(frame->header + ETHERTYPE, header + ETHERTYPE + VLAN_TAG, 2);
	frame->headers = ETHERNET;
	frame->bytes -= VLAN_TAG;
	return note_tag(frame, get_be16(header + ETHERTYPE + 2));
}

/* A tag, which access ports may send for a priority only, goes where the switch keeps it. */
static bool take_tag(struct frame *frame)
{
	uint16_t tag = get_be16(frame->header + ETHERNET);

	if (frame->headers < ETHERNET_TAGGED || frame->offload.start < ETHERNET_TAGGED)
		return false;
	if (!note_tag(frame, tag))
		return false;
	frame->headers -= VLAN_TAG;
	frame->bytes -= VLAN_TAG;
	frame->offload.start = (uint16_t)(frame->offload.start - VLAN_TAG);
	memmove(frame->header + ETHERTYPE, frame->header + ETHERTYPE + VLAN_TAG,
		frame->headers - ETHERTYPE);
	return get_be16(frame->header + ETHERTYPE) != TYPE_VLAN;
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
	if (get_be16(frame->header + ETHERTYPE) == TYPE_VLAN && !take_tag(frame))
		return false;
	return offload_check(&frame->offload, frame->header, frame->headers, frame->bytes);
}

static bool take_plain(struct frame *frame, const struct net_piece *piece, unsigned pieces)
{
	frame->headers = ETHERNET;
	if (!take(frame, piece, pieces, frame->header, ETHERNET))
		return false;
	return get_be16(frame->header + ETHERTYPE) != TYPE_VLAN ||
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
	end_of_copy(to);
	return have;
}

/* RFC 826: the sender's protocol address, in a frame without a tag. */
static void hear_arp(struct net_port *from, const struct frame *frame,
		     const struct net_piece *piece, unsigned pieces)
{
	uint8_t arp[ETHERNET + ARP_SENDER + 4];
	const uint8_t *at = arp + ETHERNET + ARP_SENDER;

	if (from->trunk || get_be16(frame->header + ETHERTYPE) != TYPE_ARP ||
	    copy_first(piece, pieces, arp, sizeof(arp)) < sizeof(arp) ||
	    get_be16(arp + ETHERTYPE) != TYPE_ARP)
		return;
	if (get_be32(at))
		from->ipv4 = get_be32(at);
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
	if (bytes < ETHERNET || bytes > (is_long ? NET_LONG_FRAME : NET_FRAME_MAX))
		return false;
	frame->bytes = (unsigned)bytes;
	frame->tag = from->vlan;
	frame->offload = (struct net_offload){.verified = offload && offload->verified};
	if (offload && offload->needs ? !take_offload(frame, piece, pieces, offload)
				      : !take_plain(frame, piece, pieces))
		return false;
	if (get_be16(frame->header + ETHERTYPE) == TYPE_QINQ && !from->trunk)
		return false;
	if (!is_long && frame->bytes > NET_FRAME_MAX - VLAN_TAG)
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
	uint8_t data[ANNOUNCE_BYTES - ETHERNET] = {0};
	struct frame frame = {.headers = ETHERNET, .bytes = ANNOUNCE_BYTES, .pieces = 3};
	uint32_t low = (uint32_t)key;
	uint16_t high = (uint16_t)(key >> 32);

	memset(frame.header, 0xff, MAC);
	memcpy(frame.header + MAC, &low, 4);
	memcpy(frame.header + MAC + 4, &high, 2);
	put_be16(frame.header + ETHERTYPE, TYPE_RARP);
	memcpy(data, request, sizeof(request));
	memcpy(data + sizeof(request), frame.header + MAC, MAC);           /* sender */
	memcpy(data + sizeof(request) + MAC + 4, frame.header + MAC, MAC); /* target */
	frame.tag = key >> 48 & VLAN_MASK;
	frame.piece[2] = (struct net_piece){data, sizeof(data)};
	deliver(&frame, through);
}

void switch_announce(struct net_port *through)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (unsigned j = 0; j < WAYS; j++)
			if (table[i][j].key && !table[i][j].port->trunk)
				announce(through, table[i][j].key);
	switch_flush();
}
