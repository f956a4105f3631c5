/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers of frames behind the link layer's, as offload.c and merge.c know them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "drivers/net.h"

#define PROTOCOL_TCP 6u

/* IPv4 (RFC 791), from the start of its header */
#define IP4_LENGTH      2u
#define IP4_TOS         1u
#define IP4_ID          4u
#define IP4_FRAGMENT    6u
#define IP4_DONT        0x4000u
#define IP4_MORE_OFFSET 0x3fffu
#define IP4_TTL         8u
#define IP4_PROTOCOL    9u
#define IP4_CHECKSUM    10u
#define IP4_ADDRESSES   12u /* of 4 bytes each */
#define IP4_LEAST       20u

/* IPv6 (RFC 8200) */
#define IP6_LENGTH    4u
#define IP6_NEXT      6u
#define IP6_HOPS      7u
#define IP6_ADDRESSES 8u /* of 16 bytes each */
#define IP6_BYTES     40u

/* TCP (RFC 9293) */
#define TCP_SEQUENCE     4u
#define TCP_ACKNOWLEDGES 8u
#define TCP_DATA         12u
#define TCP_FLAGS        13u
#define TCP_FIN          0x01u
#define TCP_PUSH         0x08u
#define TCP_ACK          0x10u
#define TCP_ECE          0x40u
#define TCP_CWR          0x80u
#define TCP_WINDOW       14u
#define TCP_CHECKSUM     16u
#define TCP_URGENT       18u
#define TCP_LEAST        20u
#define TCP_MOST         60u
#define UDP_CHECKSUM     6u

static inline uint16_t type_of(const uint8_t *header)
{
	return get_be16(header + link_bytes(header) - 2);
}

/* Sums of RFC 1071, in the machine's order of bytes: of bytes that begin at an even place; of more
 * than 16 bits in 16; of a number that stands in two bytes of a header. */
uint32_t net_sum(const uint8_t *data, size_t bytes);
uint32_t net_fold(uint64_t sum);
static inline uint32_t net_sum_of_be16(uint32_t value)
{
	return (value & 0xff) << 8 | (value >> 8 & 0xff);
}

/* Puts the checksum with which the sum of all becomes 0. */
static inline void put_sum(uint8_t *at, uint32_t sum)
{
	uint16_t value = (uint16_t)~sum;

	__builtin_memcpy(at, &value, sizeof(value));
}
