/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of libvirt's protocol, found in a stream of bytes: a length that counts itself, a header
 * of six words and a payload, which is collected for calls and passed on as it comes for streams.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADER    28u              /* with the length */
#define PACKET_LONGEST   (32u << 20 | 4u) /* libvirt's bound, and the length itself */
#define PACKET_CALL_MOST (288u << 10)     /* of a call's payload here: a description and some */

#define PACKET_REMOTE    0x20008086u
#define PACKET_KEEPALIVE 0x6b656570u

enum packet_type {
	PACKET_CALL,
	PACKET_REPLY,
	PACKET_EVENT,
	PACKET_STREAM,
	PACKET_CALL_FDS,
	PACKET_REPLY_FDS,
	PACKET_HOLE,
};

enum packet_status { PACKET_OK, PACKET_ERROR, PACKET_CONTINUE };

struct packet {
	uint32_t program, version, procedure, type, serial, status;
};

struct packet_reader {
	struct packet packet; /* the one at work, when its header has come */
	uint8_t header[PACKET_HEADER];
	unsigned have;    /* bytes of the header */
	uint32_t left;    /* bytes of the payload that have yet to come */
	uint8_t *payload; /* from malloc */
	size_t used, room;
	size_t most;  /* the longest payload to be collected; the caller may set it */
	bool skipped; /* the payload was longer, there is no memory for it, or packet_skip */
};

enum packet_found {
	PACKET_NOTHING, /* all bytes are taken, and no message is at its end */
	PACKET_WHOLE,   /* a message is there, until packet_next */
	PACKET_PIECE,   /* the next *piece bytes, not yet taken, are a stream's */
	PACKET_WRONG,   /* the stream is none of messages */
};

/* Takes bytes, *taken of n, up to what it returns. */
enum packet_found packet_read(struct packet_reader *reader, const uint8_t *bytes, size_t n,
			      size_t *taken, size_t *piece);
/* So many bytes of a piece are taken. */
void packet_took(struct packet_reader *reader, size_t bytes);
/* The rest of the message at work is not collected, and its bytes so far are given up. */
void packet_skip(struct packet_reader *reader);
/* The whole message is done with. */
void packet_next(struct packet_reader *reader);
void packet_free(struct packet_reader *reader);

/* Writes the header of a message with so many bytes of payload. */
void packet_write(uint8_t header[PACKET_HEADER], const struct packet *packet, size_t payload);
