/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FramebufferUpdate (RFC 6143, 7.6.1). Its head says how many rectangles follow, so an update has
 * two passes. The first looks at the rows that may have changed and finds the tiles whose pixels
 * are not those that the viewer has. The second draws these, as they are then, while the output has
 * room. Rows that change meanwhile are for the next update. Both passes go in pieces of half a
 * millisecond.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/display/rfb_part.h"
#include "guests/dom0/vm/vm.h"

#define PIECE_NS    500000ull
#define HEAD_BYTES  4u
#define RECT_BYTES  12u
#define CHUNK_BYTES (RECT_BYTES + 4 * RFB_TILE * RFB_TILE * RFB_CHUNK + RFB_CHUNK + 8)
#define NEWS_MOST   (3 * RECT_BYTES + 8)

/* The rows of a band, drawn for the viewer that is at work. */
static uint32_t band_pixels[RFB_TILE][VGA_WIDTH];

bool rfb_resize(struct rfb *rfb, struct vga_size size)
{
	unsigned columns = (size.width + RFB_TILE - 1) / RFB_TILE;
	unsigned bands = (size.height + RFB_TILE - 1) / RFB_TILE;
	struct rfb_tile_state *tile = calloc((size_t)columns * bands + 1, sizeof(*tile));

	if (!tile)
		return false;
	free(rfb->tile);
	rfb->tile = tile;
	rfb->size = size;
	rfb->columns = columns;
	rfb->bands = bands;
	rfb->update = UPDATE_NONE;
	for (unsigned i = 0; i < columns * bands; i++)
		tile[i].forced = true;
	memset(rfb->changed, 0xff, sizeof(rfb->changed));
	return true;
}

void rfb_request(struct rfb *rfb, bool all, unsigned x, unsigned y, unsigned width, unsigned height)
{
	unsigned last_column = (x + width + RFB_TILE - 1) / RFB_TILE;
	unsigned last_band = (y + height + RFB_TILE - 1) / RFB_TILE;

	rfb->requested = true;
	rfb->carrier->wait(rfb->context);
	if (!all)
		return;
	for (unsigned band = y / RFB_TILE; band < last_band && band < rfb->bands; band++) {
		for (unsigned c = x / RFB_TILE; c < last_column && c < rfb->columns; c++)
			rfb->tile[band * rfb->columns + c].forced = true;
		rfb->changed[band * RFB_TILE / 64] |= 1ull << band * RFB_TILE % 64;
	}
}

void rfb_changed(struct rfb *rfb, const uint64_t *rows)
{
	for (unsigned i = 0; i < VGA_ROWS; i++)
		rfb->changed[i] |= rows[i];
}

bool rfb_has_news(const struct rfb *rfb)
{
	return rfb->tell_cursor || rfb->tell_motion || rfb->tell_keys;
}

bool rfb_waits(const struct rfb *rfb)
{
	return rfb->state == RFB_RUNNING && rfb->requested && rfb->update == UPDATE_NONE;
}

/* --- output --- */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint8_t *out(struct rfb *rfb)
{
	return rfb->out + rfb->out_used;
}

static void put_head(struct rfb *rfb, unsigned rectangles)
{
	uint8_t *at = out(rfb);

	put16(at, 0);
	put16(at + 2, rectangles);
	rfb->out_used += HEAD_BYTES;
}

static void put_rectangle(struct rfb *rfb, unsigned x, unsigned y, unsigned width, unsigned height,
			  int32_t encoding)
{
	uint8_t *at = out(rfb);

	put16(at, x);
	put16(at + 2, y);
	put16(at + 4, width);
	put16(at + 6, height);
	put16(at + 8, (uint32_t)encoding >> 16);
	put16(at + 10, (uint32_t)encoding & 0xffff);
	rfb->out_used += RECT_BYTES;
}

/* --- rows and tiles --- */

static bool band_changed(const struct rfb *rfb, unsigned band)
{
	return rfb->changed[band * RFB_TILE / 64] >> band * RFB_TILE % 64 & 0xffff;
}

static void draw_band(const struct rfb *rfb, unsigned band)
{
	unsigned width = vga_size(rfb->vm).width;

	for (unsigned y = 0; y < RFB_TILE; y++) {
		vga_row(rfb->vm, band * RFB_TILE + y, band_pixels[y]);
		if (width < rfb->size.width)
			memset(band_pixels[y] + width, 0,
			       (rfb->size.width - width) * sizeof(uint32_t));
	}
}

static unsigned tile_width(const struct rfb *rfb, unsigned column)
{
	unsigned left = rfb->size.width - column * RFB_TILE;

	return left < RFB_TILE ? left : RFB_TILE;
}

static unsigned band_height(const struct rfb *rfb, unsigned band)
{
	unsigned left = rfb->size.height - band * RFB_TILE;

	return left < RFB_TILE ? left : RFB_TILE;
}

/* Two contents with the same print leave a viewer with a tile of an older picture, until the tile
 * changes again. */
static uint64_t tile_print(const struct rfb *rfb, unsigned band, unsigned column)
{
	unsigned width = tile_width(rfb, column), height = band_height(rfb, band);
	uint64_t sum = 0xcbf29ce484222325ull;

	for (unsigned y = 0; y < height; y++)
		for (unsigned x = 0; x < width; x++) {
			sum = (sum ^ band_pixels[y][column * RFB_TILE + x]) * 0x100000001b3ull;
			sum ^= sum >> 31;
		}
	return sum;
}

static struct rfb_tile_state *tile_at(struct rfb *rfb, unsigned band, unsigned column)
{
	return &rfb->tile[band * rfb->columns + column];
}

static void scan_band(struct rfb *rfb, unsigned band)
{
	if (!band_changed(rfb, band))
		return;
	rfb->changed[band * RFB_TILE / 64] &= ~(0xffffull << band * RFB_TILE % 64);
	draw_band(rfb, band);
	for (unsigned c = 0; c < rfb->columns; c++) {
		struct rfb_tile_state *tile = tile_at(rfb, band, c);

		tile->draw = tile->forced || tile->print != tile_print(rfb, band, c);
		tile->forced = false;
	}
}

/* The tiles side by side from a column on that are to be drawn, as one rectangle has them. */
static unsigned chunk(struct rfb *rfb, unsigned band, unsigned column)
{
	unsigned n = 0;

	while (n < RFB_CHUNK && column + n < rfb->columns && tile_at(rfb, band, column + n)->draw)
		n++;
	return n;
}

static unsigned count_chunks(struct rfb *rfb)
{
	unsigned count = 0;

	for (unsigned band = 0; band < rfb->bands; band++)
		for (unsigned c = 0, n; c < rfb->columns; c += n ? n : 1) {
			n = chunk(rfb, band, c);
			count += n > 0;
		}
	return count;
}

static void send_chunk(struct rfb *rfb, unsigned band, unsigned column, unsigned tiles)
{
	struct rfb_pixels pixels = {
		.first = &band_pixels[0][column * RFB_TILE],
		.height = band_height(rfb, band),
		.pitch = VGA_WIDTH,
	};

	for (unsigned i = 0; i < tiles; i++) {
		struct rfb_tile_state *tile = tile_at(rfb, band, column + i);

		tile->draw = false;
		tile->print = tile_print(rfb, band, column + i);
		pixels.width += tile_width(rfb, column + i);
	}
	put_rectangle(rfb, column * RFB_TILE, band * RFB_TILE, pixels.width, pixels.height,
		      rfb->hextile ? ENCODING_HEXTILE : ENCODING_RAW);
	if (rfb->hextile)
		rfb->out_used += (unsigned)rfb_hextile(&rfb->format, &pixels, out(rfb));
	else
		rfb->out_used += (unsigned)rfb_raw(&rfb->format, &pixels, out(rfb));
}

/* Returns false if the output has no room for the rest of the band. */
static bool send_band(struct rfb *rfb, unsigned band)
{
	bool drawn = false;

	while (rfb->column < rfb->columns) {
		unsigned n = chunk(rfb, band, rfb->column);

		if (!n) {
			rfb->column++;
			continue;
		}
		if (rfb_room(rfb) < CHUNK_BYTES)
			return false;
		if (!drawn)
			draw_band(rfb, band);
		drawn = true;
		send_chunk(rfb, band, rfb->column, n);
		rfb->column += n;
	}
	rfb->column = 0;
	return true;
}

/* --- the passes --- */

/* Rectangles without pixels of the screen: they tell the viewer other news. */
static void send_news(struct rfb *rfb)
{
	/* The guest draws its pointer itself: the viewer's is one pixel that is not there. */
	static const uint8_t no_cursor[5];
	unsigned count = 0u + rfb->tell_cursor + rfb->tell_motion + rfb->tell_keys;

	put_head(rfb, count);
	if (rfb->tell_cursor) {
		put_rectangle(rfb, 0, 0, 1, 1, ENCODING_CURSOR);
		memcpy(out(rfb), no_cursor, rfb->format.bytes + 1u);
		rfb->out_used += rfb->format.bytes + 1u;
	}
	if (rfb->tell_motion) /* the mouse says by how much it has moved: x is 0 */
		put_rectangle(rfb, 0, 0, 0, 0, ENCODING_MOTION);
	if (rfb->tell_keys)
		put_rectangle(rfb, 0, 0, 0, 0, ENCODING_KEYS);
	rfb->tell_cursor = rfb->tell_motion = rfb->tell_keys = false;
	rfb->requested = false;
}

/* A viewer that does not know how gets the part of the new screen that its own has room for. */
static bool send_size(struct rfb *rfb, struct vga_size size)
{
	if (!rfb_resize(rfb, size))
		return false;
	put_head(rfb, 1);
	put_rectangle(rfb, 0, 0, size.width, size.height, ENCODING_SIZE);
	rfb->requested = false;
	return true;
}

/* Begins an update. Returns false if there is none to begin. */
static bool begin(struct rfb *rfb)
{
	struct vga_size size = vga_size(rfb->vm);

	if (!rfb_waits(rfb) || rfb_room(rfb) < CHUNK_BYTES)
		return false;
	if (rfb_has_news(rfb)) {
		send_news(rfb);
		return false;
	}
	if (rfb->knows_size && (size.width != rfb->size.width || size.height != rfb->size.height) &&
	    send_size(rfb, size))
		return false;
	for (unsigned band = 0; band < rfb->bands; band++) {
		if (!band_changed(rfb, band))
			continue;
		rfb->update = UPDATE_SCAN;
		rfb->band = band;
		return true;
	}
	return false;
}

/* All bands are scanned. */
static void scanned(struct rfb *rfb)
{
	unsigned count = count_chunks(rfb);

	rfb->update = UPDATE_NONE;
	if (!count)
		return;
	put_head(rfb, count);
	rfb->requested = false;
	rfb->update = UPDATE_SEND;
	rfb->band = rfb->column = 0;
}

static bool go_on(struct rfb *rfb)
{
	uint64_t start = clock_ns();

	while (rfb->band < rfb->bands) {
		if (rfb->update == UPDATE_SCAN)
			scan_band(rfb, rfb->band);
		else if (!send_band(rfb, rfb->band))
			return false;
		rfb->band++;
		if (clock_ns() - start > PIECE_NS)
			return true;
	}
	if (rfb->update == UPDATE_SEND)
		rfb->update = UPDATE_NONE;
	else
		scanned(rfb);
	return rfb->update != UPDATE_NONE;
}

bool rfb_work(struct rfb *rfb)
{
	unsigned before = rfb->out_used;
	bool more;

	if (rfb->state != RFB_RUNNING)
		return false;
	/* What has gone makes room. */
	if (rfb->out_first) {
		memmove(rfb->out, rfb->out + rfb->out_first, rfb->out_used - rfb->out_first);
		rfb->out_used -= rfb->out_first;
		rfb->out_first = 0;
		before = rfb->out_used;
	}
	if (rfb->update == UPDATE_NONE && !begin(rfb))
		more = false;
	else
		more = go_on(rfb);
	if (rfb->out_used != before)
		rfb->carrier->output(rfb->context);
	return more;
}
