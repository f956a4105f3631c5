/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A segment waits in the flow of its connection; the next one of the connection joins it if it
 * could have been cut from the same long frame: its data follows, and its headers differ only
 * where those of cut segments do. A segment that does not join sends the flow on first: a
 * connection keeps its order. A segment that is shorter than the one before, or has PSH or FIN, is
 * the last one. Frames of other kinds do not wait; nor does a short one, mostly without any data,
 * while nobody else waits: it is not even looked at.
 */
#include "guests/dom0/net/merge.h"

#include <string.h>

#include "guests/dom0/net/headers.h"

#define PROTOCOL_UDP   17u
#define PROTOCOL_ICMP6 58u
#define WORTHWHILE     128u    /* bytes of a frame with which a flow may begin */
#define NO_SUM         0xffffu /* a sum is never that, but some senders write it for 0 */

enum kind {
	OTHER,     /* no TCP */
	ODD,       /* TCP behind options, a fragment, or cut short */
	OF_A_FLOW, /* a connection is known, which has or has no data in it */
};

struct segment {
	const uint8_t *frame;
	unsigned bytes;
	bool verified, ip4;
	bool whole; /* nothing behind the packet */
	uint16_t link, start, headers;
	unsigned data;
	uint32_t sequence;
	uint8_t flags;
};

typedef uint64_t unaligned64 __attribute__((aligned(1), may_alias));
typedef uint32_t unaligned32 __attribute__((aligned(1), may_alias));

/* For a few bytes, at least 4. */
static inline bool same(const uint8_t *a, const uint8_t *b, unsigned bytes)
{
	unsigned last;

	if (bytes < 8) {
		last = bytes - 4;
		return *(const unaligned32 *)(const void *)a ==
			       *(const unaligned32 *)(const void *)b &&
		       *(const unaligned32 *)(const void *)(a + last) ==
			       *(const unaligned32 *)(const void *)(b + last);
	}
	last = bytes - 8;
	for (unsigned i = 0; i < last; i += 8)
		if (*(const unaligned64 *)(const void *)(a + i) !=
		    *(const unaligned64 *)(const void *)(b + i))
			return false;
	return *(const unaligned64 *)(const void *)(a + last) ==
	       *(const unaligned64 *)(const void *)(b + last);
}

/* --- what a frame is ------------------------------------------------------ */

static enum kind parse_tcp(struct segment *s, unsigned packet)
{
	const uint8_t *tcp = s->frame + s->start;
	unsigned end = s->link + packet, bytes;

	if (end > s->bytes || end < s->start + TCP_LEAST)
		return ODD;
	bytes = (tcp[TCP_DATA] >> 4) * 4u;
	if (bytes < TCP_LEAST || end < s->start + bytes)
		return ODD;
	s->headers = (uint16_t)(s->start + bytes);
	s->data = end - s->headers;
	s->whole = end == s->bytes;
	s->sequence = get_be32(tcp + TCP_SEQUENCE);
	s->flags = tcp[TCP_FLAGS];
	return OF_A_FLOW;
}

static enum kind parse_ip4(struct segment *s)
{
	const uint8_t *ip = s->frame + s->link;

	if (s->bytes < s->link + IP4_LEAST || ip[IP4_PROTOCOL] != PROTOCOL_TCP)
		return OTHER;
	if (ip[0] != 0x45 || get_be16(ip + IP4_FRAGMENT) & IP4_MORE_OFFSET)
		return ODD;
	s->ip4 = true;
	s->start = (uint16_t)(s->link + IP4_LEAST);
	return parse_tcp(s, get_be16(ip + IP4_LENGTH));
}

static enum kind parse_ip6(struct segment *s)
{
	const uint8_t *ip = s->frame + s->link;

	if (s->bytes < s->link + IP6_BYTES || ip[0] >> 4 != 6 || ip[IP6_NEXT] == PROTOCOL_UDP ||
	    ip[IP6_NEXT] == PROTOCOL_ICMP6)
		return OTHER;
	if (ip[IP6_NEXT] != PROTOCOL_TCP)
		return ODD;
	s->ip4 = false;
	s->start = (uint16_t)(s->link + IP6_BYTES);
	return parse_tcp(s, IP6_BYTES + get_be16(ip + IP6_LENGTH));
}

static enum kind parse(struct segment *s)
{
	s->link = (uint16_t)link_bytes(s->frame);
	if (s->bytes < s->link)
		return OTHER;
	switch (type_of(s->frame)) {
	case TYPE_IPV4:
		return parse_ip4(s);
	case TYPE_IPV6:
		return parse_ip6(s);
	default:
		return OTHER;
	}
}

static bool ip_sum_right(const struct segment *s)
{
	const uint8_t *ip = s->frame + s->link;

	return !s->ip4 ||
	       (net_sum(ip, IP4_LEAST) == 0xffff && get_be16(ip + IP4_CHECKSUM) != NO_SUM);
}

/* The sum of the addresses and of the protocol: the pseudo header but for the length. */
static uint64_t pseudo_header(const uint8_t *frame, unsigned link, bool ip4)
{
	const uint8_t *ip = frame + link;

	return (uint64_t)net_sum_of_be16(PROTOCOL_TCP) +
	       (ip4 ? net_sum(ip + IP4_ADDRESSES, 8) : net_sum(ip + IP6_ADDRESSES, 32));
}

static bool sums_right(const struct segment *s)
{
	const uint8_t *tcp = s->frame + s->start;
	unsigned bytes = s->bytes - s->start;

	if (!ip_sum_right(s) || get_be16(tcp + TCP_CHECKSUM) == NO_SUM)
		return false;
	return s->verified || net_fold(pseudo_header(s->frame, s->link, s->ip4) +
				       net_sum_of_be16(bytes) + net_sum(tcp, bytes)) == 0xffff;
}

/* May it be a part of a long frame? */
static bool mergeable(const struct segment *s)
{
	return s->whole && s->data && (s->flags & ~(TCP_ECE | TCP_PUSH | TCP_FIN)) == TCP_ACK;
}

static bool ends(uint8_t flags)
{
	return flags & (TCP_PUSH | TCP_FIN);
}

/* --- flows ---------------------------------------------------------------- */

/* Addresses of all layers, tag and ports. */
static bool of_flow(const struct merge_flow *flow, const struct segment *s)
{
	const uint8_t *a = flow->first, *b = s->frame;
	unsigned addresses = s->link + (s->ip4 ? IP4_ADDRESSES : IP6_ADDRESSES);

	return flow->start == s->start && flow->ip4 == s->ip4 &&
	       same(a + addresses, b + addresses, s->start + 4 - addresses) && same(a, b, s->link);
}

/* The fields of IP's headers beside lengths, sum and addresses. The numbers of IPv4 count on from
 * frame to frame, or all are the same if the packet is never to be cut (RFC 6864). */
static bool same_ip4(const struct merge_flow *flow, const struct segment *s, bool *same_id)
{
	const uint8_t *a = flow->first + flow->link, *b = s->frame + s->link;
	uint16_t ahead = (uint16_t)(get_be16(b + IP4_ID) - get_be16(a + IP4_ID));

	*same_id = !ahead && a[IP4_FRAGMENT] & IP4_DONT >> 8;
	if (flow->frames > 1 && *same_id != flow->same_id)
		return false;
	return a[IP4_TOS] == b[IP4_TOS] && a[IP4_TTL] == b[IP4_TTL] &&
	       get_be16(a + IP4_FRAGMENT) == get_be16(b + IP4_FRAGMENT) &&
	       (*same_id || ahead == flow->frames);
}

static bool same_ip6(const struct merge_flow *flow, const struct segment *s)
{
	const uint8_t *a = flow->first + flow->link, *b = s->frame + s->link;

	return same(a, b, 4) && a[IP6_HOPS] == b[IP6_HOPS];
}

/* The fields of TCP's headers beside ports, sequence, sum and the flags of the last one. */
static bool same_tcp(const struct merge_flow *flow, const struct segment *s)
{
	const uint8_t *a = flow->first + flow->start, *b = s->frame + s->start;
	unsigned options = flow->headers - flow->start - TCP_LEAST;

	return !((a[TCP_FLAGS] ^ b[TCP_FLAGS]) & ~(TCP_PUSH | TCP_FIN)) &&
	       a[TCP_DATA] == b[TCP_DATA] && same(a + TCP_ACKNOWLEDGES, b + TCP_ACKNOWLEDGES, 4) &&
	       get_be16(a + TCP_WINDOW) == get_be16(b + TCP_WINDOW) &&
	       get_be16(a + TCP_URGENT) == get_be16(b + TCP_URGENT) &&
	       (!options || same(a + TCP_LEAST, b + TCP_LEAST, options));
}

/* Adds a segment to its flow; false: it is not the next one. */
static bool join(struct merge_flow *flow, const struct segment *s)
{
	bool same_id = false;

	if (s->sequence != flow->next || s->headers != flow->headers || s->data > flow->segment ||
	    flow->frames == MERGE_FRAMES ||
	    flow->headers - flow->link + flow->data + s->data > UINT16_MAX)
		return false;
	if (!same_tcp(flow, s) || !(s->ip4 ? same_ip4(flow, s, &same_id) : same_ip6(flow, s)) ||
	    !sums_right(s))
		return false;
	flow->piece[++flow->frames] = (struct net_piece){s->frame + s->headers, s->data};
	flow->same_id = same_id;
	flow->next += s->data;
	flow->data += s->data;
	flow->last_flags = s->flags;
	return true;
}

/* The headers of all: the first one's, with the length of all, the last one's flags, and the sum
 * of the pseudo header in the place of TCP's. */
static void make_header(struct merge_flow *flow)
{
	uint8_t *ip = flow->header + flow->link, *tcp = flow->header + flow->start;
	unsigned packet = flow->headers - flow->link + flow->data;
	unsigned segment = flow->headers - flow->start + flow->data;
	uint64_t sum = pseudo_header(flow->first, flow->link, flow->ip4);

	memcpy(flow->header, flow->first, flow->headers);
	if (flow->ip4) {
		put_be16(ip + IP4_LENGTH, packet);
		put_be16(ip + IP4_CHECKSUM, 0);
		put_sum(ip + IP4_CHECKSUM, net_sum(ip, IP4_LEAST));
	} else {
		put_be16(ip + IP6_LENGTH, packet - IP6_BYTES);
	}
	tcp[TCP_FLAGS] = flow->last_flags;
	put_sum(tcp + TCP_CHECKSUM, ~net_fold(sum + net_sum_of_be16(segment)));
}

static void put_flow(struct merger *merger, struct merge_flow *flow)
{
	struct net_offload offload = {.verified = true};

	if (flow->frames == 1) {
		flow->piece[0] = (struct net_piece){flow->first, flow->bytes};
		merger->put(flow->piece, 1, &offload);
		return;
	}
	make_header(flow);
	flow->piece[0] = (struct net_piece){flow->header, flow->headers};
	offload.needs = NET_CHECKSUM | (flow->ip4 ? NET_TCP4 : NET_TCP6);
	offload.start = flow->start;
	offload.offset = TCP_CHECKSUM;
	offload.segment = flow->segment;
	offload.same_id = flow->same_id;
	merger->put(flow->piece, flow->frames + 1, &offload);
}

/* Puts the flow at a place of by_age and frees it. */
static void end_flow(struct merger *merger, unsigned at)
{
	struct merge_flow *flow = merger->by_age[at];

	merger->flows--;
	for (; at < merger->flows; at++)
		merger->by_age[at] = merger->by_age[at + 1];
	merger->by_age[at] = flow;
	put_flow(merger, flow);
}

static void begin_flow(struct merger *merger, const struct segment *s)
{
	struct merge_flow *flow;

	if (merger->flows == MERGE_FLOWS)
		end_flow(merger, 0);
	flow = merger->by_age[merger->flows++];
	flow->first = s->frame;
	flow->bytes = s->bytes;
	flow->link = s->link;
	flow->start = s->start;
	flow->headers = s->headers;
	flow->segment = (uint16_t)s->data;
	flow->ip4 = s->ip4;
	flow->same_id = false;
	flow->next = s->sequence + s->data;
	flow->data = s->data;
	flow->last_flags = s->flags;
	flow->frames = 1;
	flow->piece[1] = (struct net_piece){s->frame + s->headers, s->data};
}

/* A frame that waits for no other one. */
static void put_frame(struct merger *merger, const struct segment *s)
{
	struct net_piece piece = {s->frame, s->bytes};
	struct net_offload offload = {.verified = s->verified};

	merger->put(&piece, 1, &offload);
}

void merge_init(struct merger *merger)
{
	merger->flows = 0;
	for (unsigned i = 0; i < MERGE_FLOWS; i++)
		merger->by_age[i] = &merger->flow[i];
}

void merge_flush(struct merger *merger)
{
	while (merger->flows)
		end_flow(merger, 0);
}

/* A segment whose flow, if there is one, is at a place of by_age. */
static void input(struct merger *merger, const struct segment *s, unsigned at)
{
	unsigned long_one = NET_CHECKSUM | (s->ip4 ? NET_TCP4 : NET_TCP6);

	if (at < merger->flows) {
		if (mergeable(s) && join(merger->by_age[at], s)) {
			if (ends(s->flags) || s->data < merger->by_age[at]->segment)
				end_flow(merger, at);
			return;
		}
		end_flow(merger, at);
	}
	if (mergeable(s) && !ends(s->flags) && !(long_one & ~merger->takes(s->frame)) &&
	    sums_right(s))
		begin_flow(merger, s);
	else
		put_frame(merger, s);
}

void merge_input(struct merger *merger, const uint8_t *frame, unsigned bytes, bool verified)
{
	struct segment s = {.frame = frame, .bytes = bytes, .verified = verified};
	unsigned at = 0;

	if (!merger->flows && bytes < WORTHWHILE) {
		put_frame(merger, &s);
		return;
	}
	switch (parse(&s)) {
	case OF_A_FLOW:
		while (at < merger->flows && !of_flow(merger->by_age[at], &s))
			at++;
		input(merger, &s, at);
		return;
	case ODD:
		/* It may be of any of the flows. */
		merge_flush(merger);
		break;
	case OTHER:
		break;
	}
	put_frame(merger, &s);
}
