/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/offload.h"

#include <string.h>

#define ETHERNET     14u
#define VLAN_TAG     4u
#define TYPE         12u
#define TYPE_IPV4    0x0800u
#define TYPE_IPV6    0x86ddu
#define PROTOCOL_TCP 6u
#define PIECES       44u

/* Shorter segments are not worth it, and many of them a burden. */
#define SEGMENT_LEAST 64u

/* IPv4 (RFC 791), from the start of its header */
#define IP4_LENGTH      2u
#define IP4_ID          4u
#define IP4_FRAGMENT    6u
#define IP4_MORE_OFFSET 0x3fffu
#define IP4_PROTOCOL    9u
#define IP4_CHECKSUM    10u
#define IP4_ADDRESSES   12u
#define IP4_LEAST       20u

/* IPv6 (RFC 8200) */
#define IP6_LENGTH    4u
#define IP6_NEXT      6u
#define IP6_ADDRESSES 8u
#define IP6_BYTES     40u

/* TCP (RFC 9293) */
#define TCP_SEQUENCE 4u
#define TCP_DATA     12u
#define TCP_FLAGS    13u
#define TCP_FIN      0x01u
#define TCP_PUSH     0x08u
#define TCP_CWR      0x80u
#define TCP_CHECKSUM 16u
#define TCP_LEAST    20u
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

static bool is_ip4(const uint8_t *header, unsigned start)
{
	const uint8_t *ip = header + ETHERNET;
	unsigned bytes = (ip[0] & 15u) * 4;

	return get_be16(header + TYPE) == TYPE_IPV4 && ip[0] >> 4 == 4 && bytes >= IP4_LEAST &&
	       start == ETHERNET + bytes && ip[IP4_PROTOCOL] == PROTOCOL_TCP &&
	       !(get_be16(ip + IP4_FRAGMENT) & IP4_MORE_OFFSET);
}

/* Without extension headers. */
static bool is_ip6(const uint8_t *header, unsigned start)
{
	const uint8_t *ip = header + ETHERNET;

	return get_be16(header + TYPE) == TYPE_IPV6 && ip[0] >> 4 == 6 &&
	       start == ETHERNET + IP6_BYTES && ip[IP6_NEXT] == PROTOCOL_TCP;
}

bool offload_check(struct net_offload *offload, const uint8_t *header, unsigned have,
		   unsigned bytes)
{
	unsigned start = offload->start, end = start + offload->offset + 2u;

	if (!(offload->needs & NET_CHECKSUM) || start < ETHERNET || end > have)
		return false;
	offload->headers = (uint16_t)end;
	if (offload->needs == NET_CHECKSUM)
		return true;
	if (offload->segment < SEGMENT_LEAST || offload->offset != TCP_CHECKSUM ||
	    start + TCP_LEAST > have)
		return false;
	if (offload->needs == (NET_CHECKSUM | NET_TCP4)   ? !is_ip4(header, start)
	    : offload->needs == (NET_CHECKSUM | NET_TCP6) ? !is_ip6(header, start)
							  : true)
		return false;
	unsigned tcp = (header[start + TCP_DATA] >> 4) * 4u;
	offload->headers = (uint16_t)(start + tcp);
	return tcp >= TCP_LEAST && start + tcp <= have && start + tcp < bytes &&
	       start + tcp + offload->segment <= NET_FRAME_MAX - VLAN_TAG;
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

static uint32_t pseudo_header(const struct net_offload *offload, const uint8_t *ip, unsigned bytes)
{
	uint8_t tail[4] = {0, PROTOCOL_TCP};
	uint32_t sum;

	put_be16(tail + 2, bytes);
	sum = sum_of(tail, sizeof(tail));
	if (offload->needs & NET_TCP4)
		return sum_at(sum, 0, ip + IP4_ADDRESSES, 8);
	return sum_at(sum, 0, ip + IP6_ADDRESSES, 32);
}

/* Headers of the segment whose data begins at `at` of all. */
static void finish_segment(struct output *out, const struct net_offload *offload,
			   const uint8_t *header, uint32_t at, unsigned index, bool last)
{
	uint8_t *ip = out->header + ETHERNET, *tcp = out->header + offload->start;
	unsigned bytes = offload->headers - offload->start + out->bytes;
	uint8_t drop = (uint8_t)((index ? TCP_CWR : 0) | (last ? 0 : TCP_FIN | TCP_PUSH));

	memcpy(out->header, header, offload->headers);
	if (offload->needs & NET_TCP4) {
		put_be16(ip + IP4_LENGTH, offload->start - ETHERNET + bytes);
		put_be16(ip + IP4_ID, get_be16(ip + IP4_ID) + index);
		put_be16(ip + IP4_CHECKSUM, 0);
		put_sum(ip + IP4_CHECKSUM, sum_of(ip, offload->start - ETHERNET));
	} else {
		put_be16(ip + IP6_LENGTH, bytes);
	}
	put_be32(tcp + TCP_SEQUENCE, get_be32(tcp + TCP_SEQUENCE) + at);
	tcp[TCP_FLAGS] &= (uint8_t)~drop;
	put_be16(tcp + TCP_CHECKSUM, 0);
	uint32_t sum = pseudo_header(offload, ip, bytes);
	sum = sum_at(sum, 0, tcp, offload->headers - offload->start);
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
	uint32_t at = 0;
	bool all = true;

	set_headers(&out, offload->headers);
	if (offload->needs == NET_CHECKSUM) {
		memcpy(out.header, header, offload->headers);
		slice(&out, &cursor, UINT32_MAX, offload->headers - offload->start);
		finish_checksum(&out, offload);
		return put(context, out.piece, out.pieces, offload->headers + out.bytes);
	}
	for (unsigned index = 0; cursor.pieces; index++) {
		/* TCP's header is whole words: the data begins at an even byte. */
		slice(&out, &cursor, offload->segment, 0);
		finish_segment(&out, offload, header, at, index, !cursor.pieces);
		at += out.bytes;
		all &= put(context, out.piece, out.pieces, offload->headers + out.bytes);
	}
	return all;
}
