/* SPDX-License-Identifier: BSD-2-Clause */
/* Pixels in a viewer's format (RFC 6143, section 7.4) and in an encoding (7.7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rfb_format {
	uint8_t bytes; /* of a pixel: 1, 2, 4 */
	bool big_endian;
	uint32_t part[3][256]; /* the bits of each value of red, green and blue */
};

#define RFB_FORMAT_BYTES 16u

/* The format that a server offers: 32 bits, 0x00RRGGBB, the lowest byte first. */
extern const uint8_t rfb_format_offered[RFB_FORMAT_BYTES];

/* Reads a format as SetPixelFormat has it. Returns false if it is none that can be done: colours by
 * a table, or parts that do not fit. */
bool rfb_format_read(struct rfb_format *format, const uint8_t wire[RFB_FORMAT_BYTES]);

/* A rectangle of pixels 0x00RRGGBB, of which rows are `pitch` pixels apart. */
struct rfb_pixels {
	const uint32_t *first;
	unsigned width, height, pitch;
};

/* Both write the rectangle's data and return how many bytes they are: no more than
 * rfb_encoded_most. */
size_t rfb_raw(const struct rfb_format *format, const struct rfb_pixels *pixels, uint8_t *to);
size_t rfb_hextile(const struct rfb_format *format, const struct rfb_pixels *pixels, uint8_t *to);
static inline size_t rfb_encoded_most(unsigned width, unsigned height)
{
	/* Four bytes a pixel, and a byte in front of each tile. */
	return (size_t)width * height * 4 + ((width + 15) / 16) * (size_t)((height + 15) / 16);
}
