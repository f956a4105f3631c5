/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/offload.h"

#include <string.h>

#include "guests/dom0/net/headers.h"

#define PIECES 136u /* the switch's, and headers */

/* IPv6 extension headers: the next one's number, the own length. */
#define EXTENSION_HOPS        0u
#define EXTENSION_ROUTING     43u
#define EXTENSION_AH          51u
#define EXTENSION_DESTINATION 60u
#define EXTENSION_MOBILITY    135u
#define EXTENSION_HIP         139u
#define EXTENSION_SHIM6       140u
#define EXTENSION_LEAST       8u

/* Does TCP over IPv4 begin at byte `start`? */
static bool is_ip4(const uint8_t *header, unsigned start)
{
	unsigned link = link_bytes(header);
	const uint8_t *ip = header + link;
	unsigned bytes = (ip[0] & 15u) * 4;

	return type_of(header) == TYPE_IPV4 && ip[0] >> 4 == 4 && bytes >= IP4_LEAST &&
	       start == link + bytes && ip[IP4_PROTOCOL] == PROTOCOL_TCP &&
	       !(get_be16(ip + IP4_FRAGMENT) & IP4_MORE_OFFSET);
}

/* Returns the length of an extension header (RFC 8200, 4; AH: RFC 4302, 2.2); 0 if it is none, or
 * a fragment's, which has no whole segment behind it. */
static unsigned extension_bytes(unsigned number, const uint8_t *extension)
{
	switch (number) {
	case EXTENSION_HOPS:
	case EXTENSION_ROUTING:
	case EXTENSION_DESTINATION:
	case EXTENSION_MOBILITY:
	case EXTENSION_HIP:
	case EXTENSION_SHIM6:
		return (extension[1] + 1u) * 8;
	case EXTENSION_AH:
		return (extension[1] + 2u) * 4;
	default:
		return 0;
	}
}

static bool is_ip6(const uint8_t *header, unsigned start)
{
	const uint8_t *ip = header + link_bytes(header);
	unsigned at = link_bytes(header) + IP6_BYTES, next, bytes;

	if (type_of(header) != TYPE_IPV6 || start < at || ip[0] >> 4 != 6)
		return false;
	for (next = ip[IP6_NEXT]; start - at >= EXTENSION_LEAST; at += bytes) {
		bytes = extension_bytes(next, header + at);
		if (!bytes || bytes > start - at)
			return false;
		next = header[at];
	}
	return at == start && next == PROTOCOL_TCP;
}

static bool is_long(const struct net_offload *offload)
{
	return offload->needs & (NET_TCP4 | NET_TCP6);
}

unsigned offload_looks_at(const struct net_offload *offload, unsigned bytes)
{
	unsigned most = offload->start + (is_long(offload) ? TCP_MOST : offload->offset + 2u);

	if (most < ETHERNET + VLAN_TAG + IP6_BYTES)
		most = ETHERNET + VLAN_TAG + IP6_BYTES;
	if (most > OFFLOAD_HEADERS)
		most = OFFLOAD_HEADERS;
	return most < bytes ? most : bytes;
}

static bool check_tcp(struct net_offload *offload, const uint8_t *header, unsigned have,
		      unsigned bytes)
{
	unsigned start = offload->start, tcp, data;

	if (!offload->segment || offload->offset != TCP_CHECKSUM || start + TCP_LEAST > have ||
	    have < link_bytes(header) + IP4_LEAST)
		return false;
	if (offload->needs == (NET_CHECKSUM | NET_TCP4)   ? !is_ip4(header, start)
	    : offload->needs == (NET_CHECKSUM | NET_TCP6) ? !is_ip6(header, start)
							  : true)
		return false;
	tcp = (header[start + TCP_DATA] >> 4) * 4u;
	if (tcp < TCP_LEAST || start + tcp > have || start + tcp >= bytes)
		return false;
	offload->headers = (uint16_t)(start + tcp);
	data = bytes - offload->headers;
	if (data > offload->segment)
		data = offload->segment;
	return offload->headers + data <= NET_FRAME_MAX - VLAN_TAG;
}

/*
 * May a card be left to do the work? It is TCP's in a plain packet, at the end of which the frame
 * ends. The sum of UDP is none of them: 0 has a meaning there that some cards do not know. CWR is
 * for the first segment alone, and cards copy it into each.
 */
static bool is_plain(const struct net_offload *offload, const uint8_t *header, unsigned have,
		     unsigned bytes)
{
	unsigned link = link_bytes(header), start = offload->start;
	const uint8_t *ip = header + link;
	unsigned packet;

	if (offload->offset != TCP_CHECKSUM || have < link + IP4_LEAST)
		return false;
	if (type_of(header) == TYPE_IPV4 && is_ip4(header, start))
		packet = get_be16(ip + IP4_LENGTH);
	else if (type_of(header) == TYPE_IPV6 && start == link + IP6_BYTES && is_ip6(header, start))
		packet = IP6_BYTES + get_be16(ip + IP6_LENGTH);
	else
		return false;
	if (!is_long(offload))
		return packet == bytes - link;
	return offload->segment >= NET_SEGMENT_MIN && !(header[start + TCP_FLAGS] & TCP_CWR);
}

bool offload_check(struct net_offload *offload, const uint8_t *header, unsigned have,
		   unsigned bytes)
{
	unsigned end = offload->start + offload->offset + 2u;

	offload->needs &= ~NET_ODD;
	if (!(offload->needs & NET_CHECKSUM) || offload->start < ETHERNET || end > have)
		return false;
	offload->headers = (uint16_t)end;
	if (offload->needs != NET_CHECKSUM && !check_tcp(offload, header, have, bytes))
		return false;
	if (!is_plain(offload, header, have, bytes))
		offload->needs |= NET_ODD;
	return true;
}

/* --- sums (RFC 1071) ------------------------------------------------------ */

typedef uint64_t unaligned64 __attribute__((aligned(1), may_alias));

static uint64_t add(uint64_t sum, uint64_t value)
{
	sum += value;
	return sum + (sum < value);
}

uint32_t net_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint32_t)((sum >> 16) + (sum & 0xffff));
}

uint32_t net_sum(const uint8_t *data, size_t bytes)
{
	uint64_t sum = 0, last = 0;

	/* With the carry of each addition taken by the next, for which C has no
	 * words; this is most of what a frame for the wire costs. */
	for (; bytes >= 32; bytes -= 32, data += 32)
		__asm__("addq (%1), %0\n\t"
			"adcq 8(%1), %0\n\t"
			"adcq 16(%1), %0\n\t"
			"adcq 24(%1), %0\n\t"
			"adcq $0, %0"
			: "+&r"(sum)
			: "r"(data), "m"(*(const uint8_t(*)[32])data)
			: "cc");
	for (; bytes >= 8; bytes -= 8, data += 8)
		sum = add(sum, *(const unaligned64 *)(const void *)data);
	memcpy(&last, data, bytes);
	return net_fold(add(sum, last));
}

/* The sum of the bytes at `at` in a row; what begins at an odd one counts with
 * its bytes swapped. */
static uint32_t sum_at(uint32_t sum, size_t at, const uint8_t *data, size_t bytes)
{
	uint32_t more = net_sum(data, bytes);

	if (at & 1)
		more = (more >> 8 | more << 8) & 0xffff;
	return net_fold((uint64_t)sum + more);
}

/* --- frames --------------------------------------------------------------- */

/* Where in the data the next frame begins. */
struct cursor {
	const struct net_piece *piece;
	unsigned pieces;
	uint32_t skip; /* of the first piece */
};

/* A frame in the making: header, then slices of the data. */
struct output {
	uint8_t header[OFFLOAD_HEADERS];
	struct net_piece piece[PIECES];
	unsigned pieces, bytes;  /* bytes: of data */
	bool sums;               /* or these are left to others, as `left` says */
	uint32_t sum;            /* of the data */
	struct net_offload left; /* of each segment */
};

/* Takes up to `bytes` of data into the frame. */
static void slice(struct output *out, struct cursor *cursor, uint32_t bytes, size_t at)
{
	unsigned pieces = 1;
	uint32_t have = 0;

	out->sum = 0;
	while (cursor->pieces && have < bytes && pieces < PIECES) {
		const uint8_t *data = (const uint8_t *)cursor->piece->data + cursor->skip;
		uint32_t n = cursor->piece->bytes - cursor->skip;

		if (n > bytes - have) {
			n = bytes - have;
			cursor->skip += n;
		} else {
			cursor->piece++;
			cursor->pieces--;
			cursor->skip = 0;
		}
		if (!n)
			continue;
		out->piece[pieces++] = (struct net_piece){data, n};
		if (out->sums)
			out->sum = sum_at(out->sum, at + have, data, n);
		have += n;
	}
	out->pieces = pieces;
	out->bytes = have;
}

/* The sender has put the sum of the pseudo header where the sum belongs. */
static void finish_checksum(struct output *out, const struct net_offload *offload)
{
	uint8_t *from = out->header + offload->start;
	uint32_t sum = sum_at(out->sum, 0, from, offload->headers - offload->start);

	/* For UDP 0 means that there is none (RFC 768). */
	if (offload->offset == UDP_CHECKSUM && sum == 0xffff)
		sum = 0;
	put_sum(from + offload->offset, sum);
}

/* What all segments of a frame have in common in their sums. */
struct common_sums {
	uint32_t ip;     /* IPv4's header, without length and number */
	uint32_t pseudo; /* the pseudo header, without length */
};

/*
 * The sum of the pseudo header is the sender's, where the sum belongs, less the length of all. So
 * it need not be known which address is the last one of a routing header, which counts (RFC 8200,
 * 8.1).
 */
static struct common_sums common_sums(const struct net_offload *offload, const uint8_t *header,
				      uint32_t all)
{
	const uint8_t *ip = header + link_bytes(header), *tcp = header + offload->start;
	uint32_t length = net_sum_of_be16(offload->headers - offload->start + all);
	struct common_sums sums = {0};
	uint16_t sum;

	memcpy(&sum, tcp + TCP_CHECKSUM, sizeof(sum));
	sums.pseudo = net_fold((uint64_t)sum + (0xffff ^ length));
	if (offload->needs & NET_TCP4)
		sums.ip = net_fold((uint64_t)net_sum(ip, 2) + net_sum(ip + IP4_FRAGMENT, 4) +
				   net_sum(ip + IP4_ADDRESSES, (size_t)(tcp - ip) - IP4_ADDRESSES));
	return sums;
}

static uint32_t sum_with_length(const struct common_sums *sums, uint32_t tcp_bytes)
{
	return net_fold((uint64_t)sums->pseudo + net_sum_of_be16(tcp_bytes));
}

/*
 * The lengths, the numbers, the flags and IP's sum of the frame whose data are `bytes` from byte
 * `from` of all, into a header that has the rest; `whole` is the header of all.
 */
static void cut_header(const struct net_offload *offload, const struct common_sums *sums,
		       const uint8_t *whole, uint8_t *header, uint32_t from, uint32_t bytes,
		       bool last)
{
	unsigned link = link_bytes(whole), start = offload->start;
	uint8_t *ip = header + link, *tcp = header + start;
	uint32_t packet = offload->headers - link + bytes;
	uint8_t drop = (uint8_t)((from ? TCP_CWR : 0) | (last ? 0 : TCP_FIN | TCP_PUSH));

	if (offload->needs & NET_TCP4) {
		uint32_t id = get_be16(whole + link + IP4_ID);

		if (!offload->same_id)
			id = (id + from / offload->segment) & 0xffff;
		put_be16(ip + IP4_LENGTH, packet);
		put_be16(ip + IP4_ID, id);
		put_sum(ip + IP4_CHECKSUM, net_fold((uint64_t)sums->ip + net_sum_of_be16(packet) +
						    net_sum_of_be16(id)));
	} else {
		put_be16(ip + IP6_LENGTH, packet - IP6_BYTES);
	}
	put_be32(tcp + TCP_SEQUENCE, get_be32(whole + start + TCP_SEQUENCE) + from);
	tcp[TCP_FLAGS] = whole[start + TCP_FLAGS] & (uint8_t)~drop;
}

void offload_part(const struct net_offload *offload, uint8_t *header, uint32_t from, uint32_t bytes,
		  uint32_t all)
{
	struct common_sums sums = common_sums(offload, header, all);
	uint32_t tcp_bytes = offload->headers - offload->start + bytes;

	cut_header(offload, &sums, header, header, from, bytes, from + bytes == all);
	put_sum(header + offload->start + TCP_CHECKSUM, ~sum_with_length(&sums, tcp_bytes));
}

/* Headers of the segment whose data begins at `from` of `all`. */
static void finish_segment(struct output *out, const struct net_offload *offload,
			   const struct common_sums *sums, const uint8_t *header, uint32_t from,
			   uint32_t all)
{
	uint8_t *tcp = out->header + offload->start;
	uint32_t tcp_bytes = offload->headers - offload->start;
	uint32_t sum = sum_with_length(sums, tcp_bytes + out->bytes);

	cut_header(offload, sums, header, out->header, from, out->bytes, from + out->bytes == all);
	if (!out->sums) {
		put_sum(tcp + TCP_CHECKSUM, ~sum);
		return;
	}
	put_be16(tcp + TCP_CHECKSUM, 0);
	sum = sum_at(sum, 0, tcp, tcp_bytes);
	put_sum(tcp + TCP_CHECKSUM, net_fold((uint64_t)sum + out->sum));
}

/* A checksum alone. */
static bool complete_sum(struct output *out, const struct net_offload *offload,
			 struct cursor *cursor, offload_put *put, void *context)
{
	slice(out, cursor, UINT32_MAX, offload->headers - offload->start);
	finish_checksum(out, offload);
	return put(context, out->piece, out->pieces, offload->headers + out->bytes, NULL);
}

/* A long segment with `all` bytes of data. */
static bool complete_long(struct output *out, const struct net_offload *offload,
			  const uint8_t *header, struct cursor *cursor, uint32_t all,
			  offload_put *put, void *context)
{
	struct common_sums sums = common_sums(offload, header, all);
	bool good = true;

	for (uint32_t at = 0; at < all; at += out->bytes) {
		/* TCP's header is whole words: the data begins at an even byte. */
		slice(out, cursor, offload->segment, 0);
		finish_segment(out, offload, &sums, header, at, all);
		good &= put(context, out->piece, out->pieces, offload->headers + out->bytes,
			    out->sums ? NULL : &out->left);
	}
	return good;
}

bool offload_complete(const struct net_offload *offload, unsigned takes, const uint8_t *header,
		      const struct net_piece *piece, unsigned pieces, offload_put *put,
		      void *context)
{
	struct cursor cursor = {piece, pieces, 0};
	struct output out;
	uint32_t all = 0;

	memcpy(out.header, header, offload->headers);
	out.piece[0] = (struct net_piece){out.header, offload->headers};
	out.sums = true;
	if (!is_long(offload))
		return complete_sum(&out, offload, &cursor, put, context);
	out.sums = offload->needs & NET_ODD || !(takes & NET_CHECKSUM);
	out.left = *offload;
	out.left.needs = NET_CHECKSUM;
	for (unsigned i = 0; i < pieces; i++)
		all += piece[i].bytes;
	return complete_long(&out, offload, header, &cursor, all, put, context);
}
