/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/offload.h"

#include <string.h>

#define ETHERNET     14u
#define VLAN_TAG     4u
#define TYPE         12u
#define TYPE_IPV4    0x0800u
#define TYPE_IPV6    0x86ddu
#define PROTOCOL_TCP 6u
#define TYPE_VLAN    0x8100u
#define PIECES       136u /* the switch's, and headers */

/* IPv4 (RFC 791), from the start of its header */
#define IP4_LENGTH      2u
#define IP4_ID          4u
#define IP4_FRAGMENT    6u
#define IP4_MORE_OFFSET 0x3fffu
#define IP4_PROTOCOL    9u
#define IP4_CHECKSUM    10u
#define IP4_LEAST       20u

/* IPv6 (RFC 8200) */
#define IP6_LENGTH 4u
#define IP6_NEXT   6u
#define IP6_BYTES  40u

/* IPv6 extension headers: the next one's number, the own length. */
#define EXTENSION_HOPS        0u
#define EXTENSION_ROUTING     43u
#define EXTENSION_AH          51u
#define EXTENSION_DESTINATION 60u
#define EXTENSION_MOBILITY    135u
#define EXTENSION_HIP         139u
#define EXTENSION_SHIM6       140u
#define EXTENSION_LEAST       8u

/* TCP (RFC 9293) */
#define TCP_SEQUENCE 4u
#define TCP_DATA     12u
#define TCP_FLAGS    13u
#define TCP_FIN      0x01u
#define TCP_PUSH     0x08u
#define TCP_CWR      0x80u
#define TCP_CHECKSUM 16u
#define TCP_LEAST    20u
#define TCP_MOST     60u
#define UDP_CHECKSUM 6u

static uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get_be32(const uint8_t *at)
{
	return (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
}

static void put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, value >> 16);
	put_be16(at + 2, value);
}

/* Bytes in front of the IP header. */
static unsigned link_bytes(const uint8_t *header)
{
	return get_be16(header + TYPE) == TYPE_VLAN ? ETHERNET + VLAN_TAG : ETHERNET;
}

static uint16_t type_of(const uint8_t *header)
{
	return get_be16(header + link_bytes(header) - 2);
}

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

unsigned offload_looks_at(const struct net_offload *offload, unsigned bytes)
{
	unsigned most =
		offload->start + (offload->needs == NET_CHECKSUM ? offload->offset + 2u : TCP_MOST);

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

bool offload_check(struct net_offload *offload, const uint8_t *header, unsigned have,
		   unsigned bytes)
{
	unsigned end = offload->start + offload->offset + 2u;

	if (!(offload->needs & NET_CHECKSUM) || offload->start < ETHERNET || end > have)
		return false;
	offload->headers = (uint16_t)end;
	return offload->needs == NET_CHECKSUM || check_tcp(offload, header, have, bytes);
}

/* --- sums (RFC 1071) ------------------------------------------------------ */

typedef uint64_t unaligned64 __attribute__((aligned(1), may_alias));

static uint64_t add(uint64_t sum, uint64_t value)
{
	sum += value;
	return sum + (sum < value);
}

static uint32_t fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint32_t)((sum >> 16) + (sum & 0xffff));
}

static uint32_t sum_of(const uint8_t *data, size_t bytes)
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
	return fold(add(sum, last));
}

/* The sum of the bytes at `at` in a row; what begins at an odd one counts with
 * its bytes swapped. */
static uint32_t sum_at(uint32_t sum, size_t at, const uint8_t *data, size_t bytes)
{
	uint32_t more = sum_of(data, bytes);

	if (at & 1)
		more = (more >> 8 | more << 8) & 0xffff;
	return fold((uint64_t)sum + more);
}

static void put_sum(uint8_t *at, uint32_t sum)
{
	uint16_t value = (uint16_t)~sum;

	memcpy(at, &value, sizeof(value));
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
	unsigned pieces, bytes; /* bytes: of data */
	uint32_t sum;           /* of the data */
};

/* Takes up to `bytes` of data into the frame. */
static void slice(struct output *out, struct cursor *cursor, uint32_t bytes, size_t at)
{
	out->pieces = 2;
	out->bytes = 0;
	out->sum = 0;
	while (cursor->pieces && out->bytes < bytes && out->pieces < PIECES) {
		const uint8_t *data = (const uint8_t *)cursor->piece->data + cursor->skip;
		uint32_t n = cursor->piece->bytes - cursor->skip;

		if (n > bytes - out->bytes)
			n = bytes - out->bytes;
		if (n) {
			out->piece[out->pieces++] = (struct net_piece){data, n};
			out->sum = sum_at(out->sum, at + out->bytes, data, n);
		}
		out->bytes += n;
		cursor->skip += n;
		if (cursor->skip == cursor->piece->bytes) {
			cursor->piece++;
			cursor->pieces--;
			cursor->skip = 0;
		}
	}
}

static void set_headers(struct output *out, unsigned headers)
{
	out->piece[0] = (struct net_piece){out->header, ETHERNET};
	out->piece[1] = (struct net_piece){out->header + ETHERNET, headers - ETHERNET};
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

/* The sum of a number that stands in two bytes of a header. */
static uint32_t sum_of_be16(uint32_t value)
{
	uint8_t bytes[2];
	uint16_t word;

	put_be16(bytes, value);
	memcpy(&word, bytes, sizeof(word));
	return word;
}

/*
 * The sum of the pseudo header, as the sender has put it where the sum belongs, with the length of
 * a segment in place of the whole one's. So it need not be known which address is the last one of
 * a routing header, which counts (RFC 8200, 8.1).
 */
static uint32_t pseudo_header(const uint8_t *tcp, uint32_t whole, uint32_t bytes)
{
	uint16_t sum;

	memcpy(&sum, tcp + TCP_CHECKSUM, sizeof(sum));
	return fold((uint64_t)sum + (0xffff ^ sum_of_be16(whole)) + sum_of_be16(bytes));
}

/* The lengths, the number and the flags of a frame whose data are `bytes` from byte `from` of all.
 */
static void cut_header(const struct net_offload *offload, uint8_t *header, uint32_t from,
		       uint32_t bytes, bool last)
{
	unsigned link = link_bytes(header);
	uint8_t *ip = header + link, *tcp = header + offload->start;
	uint32_t packet = offload->headers - link + bytes;
	uint8_t drop = (uint8_t)((from ? TCP_CWR : 0) | (last ? 0 : TCP_FIN | TCP_PUSH));

	if (offload->needs & NET_TCP4) {
		put_be16(ip + IP4_LENGTH, packet);
		put_be16(ip + IP4_ID, get_be16(ip + IP4_ID) + from / offload->segment);
		put_be16(ip + IP4_CHECKSUM, 0);
		put_sum(ip + IP4_CHECKSUM, sum_of(ip, offload->start - link));
	} else {
		put_be16(ip + IP6_LENGTH, packet - IP6_BYTES);
	}
	put_be32(tcp + TCP_SEQUENCE, get_be32(tcp + TCP_SEQUENCE) + from);
	tcp[TCP_FLAGS] &= (uint8_t)~drop;
}

void offload_part(const struct net_offload *offload, uint8_t *header, uint32_t from, uint32_t bytes,
		  uint32_t all)
{
	uint8_t *tcp = header + offload->start;
	uint32_t tcp_bytes = offload->headers - offload->start;
	uint16_t sum = (uint16_t)pseudo_header(tcp, tcp_bytes + all, tcp_bytes + bytes);

	cut_header(offload, header, from, bytes, from + bytes == all);
	memcpy(tcp + TCP_CHECKSUM, &sum, sizeof(sum));
}

/* Headers of the segment whose data begins at `from` of `all`. */
static void finish_segment(struct output *out, const struct net_offload *offload,
			   const uint8_t *header, uint32_t from, uint32_t all)
{
	uint8_t *tcp = out->header + offload->start;
	uint32_t tcp_bytes = offload->headers - offload->start;
	uint32_t sum =
		pseudo_header(header + offload->start, tcp_bytes + all, tcp_bytes + out->bytes);

	memcpy(out->header, header, offload->headers);
	cut_header(offload, out->header, from, out->bytes, from + out->bytes == all);
	put_be16(tcp + TCP_CHECKSUM, 0);
	sum = sum_at(sum, 0, tcp, tcp_bytes);
	put_sum(tcp + TCP_CHECKSUM, fold((uint64_t)sum + out->sum));
}

bool offload_complete(const struct net_offload *offload, const uint8_t *header,
		      const struct net_piece *piece, unsigned pieces,
		      bool (*put)(void *context, const struct net_piece *piece, unsigned pieces,
				  unsigned bytes),
		      void *context)
{
	struct cursor cursor = {piece, pieces, 0};
	struct output out;
	uint32_t at = 0, data = 0;
	bool all = true;

	set_headers(&out, offload->headers);
	if (offload->needs == NET_CHECKSUM) {
		memcpy(out.header, header, offload->headers);
		slice(&out, &cursor, UINT32_MAX, offload->headers - offload->start);
		finish_checksum(&out, offload);
		return put(context, out.piece, out.pieces, offload->headers + out.bytes);
	}
	for (unsigned i = 0; i < pieces; i++)
		data += piece[i].bytes;
	while (at < data) {
		/* TCP's header is whole words: the data begins at an even byte. */
		slice(&out, &cursor, offload->segment, 0);
		finish_segment(&out, offload, header, at, data);
		at += out.bytes;
		all &= put(context, out.piece, out.pieces, offload->headers + out.bytes);
	}
	return all;
}
