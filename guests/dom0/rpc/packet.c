/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/packet.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 256u

static uint32_t word(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void set_word(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

/* Returns false if no message has such a header. */
static bool decode(struct packet_reader *reader)
{
	uint32_t length = word(reader->header);

	reader->packet = (struct packet){
		.program = word(reader->header + 4),
		.version = word(reader->header + 8),
		.procedure = word(reader->header + 12),
		.type = word(reader->header + 16),
		.serial = word(reader->header + 20),
		.status = word(reader->header + 24),
	};
	if (length < PACKET_HEADER || length > PACKET_LONGEST ||
	    reader->packet.type > PACKET_HOLE || reader->packet.status > PACKET_CONTINUE)
		return false;
	reader->left = length - PACKET_HEADER;
	reader->skipped = reader->left > reader->most;
	return true;
}

static bool is_data(const struct packet *packet)
{
	return packet->type == PACKET_STREAM && packet->status == PACKET_CONTINUE;
}

/* The room grows with the bytes that have come, and not beyond the header's promise. */
static bool make_room(struct packet_reader *reader, size_t bytes)
{
	size_t room = reader->room ? reader->room : ROOM_LEAST;
	size_t whole = reader->used + bytes + reader->left;
	uint8_t *place;

	while (room < reader->used + bytes)
		room *= 2;
	room = room < whole ? room : whole;
	if (room == reader->room)
		return true;
	place = realloc(reader->payload, room);
	if (!place)
		return false;
	reader->payload = place;
	reader->room = room;
	return true;
}

static void collect(struct packet_reader *reader, const uint8_t *bytes, size_t n)
{
	reader->left -= (uint32_t)n;
	if (!reader->skipped && n && !make_room(reader, n))
		reader->skipped = true;
	if (reader->skipped || !n)
		return;
	memcpy(reader->payload + reader->used, bytes, n);
	reader->used += n;
}

enum packet_found packet_read(struct packet_reader *reader, const uint8_t *bytes, size_t n,
			      size_t *taken, size_t *piece)
{
	size_t part = PACKET_HEADER - reader->have;

	*taken = 0;
	if (part) {
		part = part < n ? part : n;
		memcpy(reader->header + reader->have, bytes, part);
		reader->have += (unsigned)part;
		*taken = part;
		if (reader->have < PACKET_HEADER)
			return PACKET_NOTHING;
		if (!decode(reader))
			return PACKET_WRONG;
	}
	part = n - *taken < reader->left ? n - *taken : reader->left;
	if (is_data(&reader->packet) && reader->left) {
		*piece = part;
		return part ? PACKET_PIECE : PACKET_NOTHING;
	}
	collect(reader, bytes + *taken, part);
	*taken += part;
	return reader->left ? PACKET_NOTHING : PACKET_WHOLE;
}

void packet_took(struct packet_reader *reader, size_t bytes)
{
	reader->left -= (uint32_t)bytes;
	if (!reader->left)
		packet_next(reader);
}

void packet_skip(struct packet_reader *reader)
{
	packet_free(reader);
	reader->skipped = true;
}

void packet_next(struct packet_reader *reader)
{
	packet_free(reader);
	reader->have = 0;
	reader->skipped = false;
}

void packet_free(struct packet_reader *reader)
{
	free(reader->payload);
	reader->payload = NULL;
	reader->used = reader->room = 0;
}

void packet_write(uint8_t header[PACKET_HEADER], const struct packet *packet, size_t payload)
{
	const uint32_t words[] = {
		(uint32_t)(PACKET_HEADER + payload),
		packet->program,
		packet->version,
		packet->procedure,
		packet->type,
		packet->serial,
		packet->status,
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		set_word(header + 4 * i, words[i]);
}
