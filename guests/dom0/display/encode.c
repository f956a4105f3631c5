/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/display/encode.h"

#include <string.h>

#define FORMAT_BITS   0u /* of a pixel */
#define FORMAT_DEPTH  1u
#define FORMAT_ENDIAN 2u
#define FORMAT_TRUE   3u
#define FORMAT_MOST   4u /* of red, green, blue: 16 bits each */
#define FORMAT_SHIFT  10u

/* Hextile (RFC 6143, 7.7.4). */
#define TILE            16u
#define TILE_RAW        0x01u
#define TILE_BACKGROUND 0x02u
#define TILE_FOREGROUND 0x04u
#define TILE_ANY        0x08u /* has subrectangles */
#define TILE_COLOURED   0x10u

const uint8_t rfb_format_offered[RFB_FORMAT_BYTES] = {32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8};

bool rfb_format_read(struct rfb_format *format, const uint8_t wire[RFB_FORMAT_BYTES])
{
	unsigned bits = wire[FORMAT_BITS];

	if ((bits != 8 && bits != 16 && bits != 32) || !wire[FORMAT_TRUE])
		return false;
	format->bytes = (uint8_t)(bits / 8);
	format->big_endian = wire[FORMAT_ENDIAN];
	for (unsigned part = 0; part < 3; part++) {
		uint64_t most = (uint64_t)wire[FORMAT_MOST + 2 * part] << 8 |
				wire[FORMAT_MOST + 2 * part + 1];
		unsigned shift = wire[FORMAT_SHIFT + part];

		if (shift >= bits || most << shift >> bits)
			return false;
		for (unsigned value = 0; value < 256; value++)
			format->part[part][value] = (uint32_t)((value * most + 127) / 255 << shift);
	}
	return true;
}

static uint8_t *put(const struct rfb_format *f, uint32_t pixel, uint8_t *to)
{
	uint32_t value = f->part[0][pixel >> 16 & 0xff] | f->part[1][pixel >> 8 & 0xff] |
			 f->part[2][pixel & 0xff];

	if (f->big_endian)
		value = __builtin_bswap32(value) >> (32 - 8 * f->bytes);
	memcpy(to, &value, sizeof(value)); /* there is room for four bytes, always */
	return to + f->bytes;
}

size_t rfb_raw(const struct rfb_format *f, const struct rfb_pixels *p, uint8_t *to)
{
	uint8_t *at = to;

	for (unsigned y = 0; y < p->height; y++)
		for (unsigned x = 0; x < p->width; x++)
			at = put(f, p->first[y * p->pitch + x], at);
	return (size_t)(at - to);
}

/* The colours of a tile: how many, up to three, and the first two. */
static unsigned colours(const struct rfb_pixels *p, uint32_t colour[2])
{
	unsigned count = 1;

	colour[0] = colour[1] = p->first[0];
	for (unsigned y = 0; y < p->height; y++)
		for (unsigned x = 0; x < p->width; x++) {
			uint32_t c = p->first[y * p->pitch + x];

			if (c == colour[0] || (count == 2 && c == colour[1]))
				continue;
			if (count == 2)
				return 3;
			colour[1] = c;
			count = 2;
		}
	return count;
}

/* Rows of pixels that are not of the background's colour, as rectangles of height 1. Returns false
 * if they take more room than the tile's pixels would. */
static bool runs(const struct rfb_format *f, const struct rfb_pixels *p, uint32_t background,
		 bool coloured, uint8_t *to, const uint8_t *end, size_t *bytes)
{
	uint8_t *at = to + 1;
	unsigned count = 0;

	for (unsigned y = 0; y < p->height; y++)
		for (unsigned x = 0, first; x < p->width;) {
			const uint32_t *row = p->first + y * p->pitch;

			first = x++;
			if (row[first] == background)
				continue;
			while (x < p->width && row[x] == row[first])
				x++;
			if (count == 255 || at + 6 > end)
				return false;
			if (coloured)
				at = put(f, row[first], at);
			*at++ = (uint8_t)(first << 4 | y);
			*at++ = (uint8_t)((x - first - 1) << 4);
			count++;
		}
	*to = (uint8_t)count;
	*bytes = (size_t)(at - to);
	return true;
}

static size_t tile(const struct rfb_format *f, const struct rfb_pixels *p, uint8_t *to)
{
	size_t raw = (size_t)p->width * p->height * f->bytes, bytes;
	uint32_t colour[2];
	unsigned count = colours(p, colour);
	uint8_t *at = to + 1;

	*to = TILE_BACKGROUND;
	at = put(f, colour[0], at);
	if (count == 1)
		return (size_t)(at - to);
	*to |= TILE_ANY | (count == 2 ? TILE_FOREGROUND : TILE_COLOURED);
	if (count == 2)
		at = put(f, colour[1], at);
	if (at + 1 < to + raw && runs(f, p, colour[0], count > 2, at, to + raw, &bytes))
		return (size_t)(at - to) + bytes;
	*to = TILE_RAW;
	return 1 + rfb_raw(f, p, to + 1);
}

size_t rfb_hextile(const struct rfb_format *f, const struct rfb_pixels *p, uint8_t *to)
{
	uint8_t *at = to;

	for (unsigned y = 0; y < p->height; y += TILE)
		for (unsigned x = 0; x < p->width; x += TILE) {
			struct rfb_pixels part = {
				.first = p->first + y * p->pitch + x,
				.width = p->width - x < TILE ? p->width - x : TILE,
				.height = p->height - y < TILE ? p->height - y : TILE,
				.pitch = p->pitch,
			};

			at += tile(f, &part, at);
		}
	return (size_t)(at - to);
}
