/* SPDX-License-Identifier: BSD-2-Clause */
/* Between rfb.c, which speaks with a viewer, and update.c, which draws for it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/display/encode.h"
#include "guests/dom0/display/password.h"
#include "guests/dom0/display/rfb.h"
#include "guests/dom0/machine/vga.h"

#define RFB_IN 20u /* the longest message, or part of one, that is looked at as a whole */

#define ENCODING_RAW     0
#define ENCODING_HEXTILE 5
#define ENCODING_SIZE    (-223)
#define ENCODING_CURSOR  (-239)
#define ENCODING_MOTION  (-257)
#define ENCODING_KEYS    (-258)

enum rfb_state { RFB_VERSION, RFB_SECURITY, RFB_RESPONSE, RFB_SHARED, RFB_RUNNING, RFB_GONE };
enum rfb_update { UPDATE_NONE, UPDATE_SCAN, UPDATE_SEND };

struct rfb_tile_state {
	uint64_t print; /* of the pixels that the viewer has */
	bool draw;      /* in the update that is being made */
	bool forced;    /* to be drawn whether it has changed or not */
};

struct rfb {
	struct vm *vm;
	const char *password;
	const struct rfb_carrier *carrier;
	void *context;

	enum rfb_state state;
	uint8_t in[RFB_IN];
	unsigned in_used;
	uint32_t skip;      /* bytes of the viewer's that nobody looks at */
	uint32_t encodings; /* of SetEncodings: left to come */
	uint8_t challenge[RFB_CHALLENGE];

	struct rfb_format format;
	bool hextile, knows_size, knows_cursor, knows_motion, knows_keys;
	bool tell_cursor, tell_motion, tell_keys; /* not told of yet */
	uint8_t buttons;
	unsigned x, y; /* of the pointer, where the viewer last said */
	bool has_pointer;

	struct vga_size size; /* as the viewer knows it */
	unsigned columns, bands;
	struct rfb_tile_state *tile;
	uint64_t changed[VGA_ROWS];
	bool requested;
	enum rfb_update update;
	unsigned band, column; /* where the update goes on */

	unsigned out_first, out_used;
	uint8_t out[RFB_OUT];
};

/* update.c */
/* Takes memory for a screen of the size. Returns false if there is none. */
bool rfb_resize(struct rfb *rfb, struct vga_size size);
/* FramebufferUpdateRequest: a part of the screen. */
void rfb_request(struct rfb *rfb, bool all, unsigned x, unsigned y, unsigned width,
		 unsigned height);
/* Rectangles without pixels, which tell the viewer that the server knows an encoding. */
bool rfb_has_news(const struct rfb *rfb);

static inline unsigned rfb_room(const struct rfb *rfb)
{
	return RFB_OUT - rfb->out_used;
}
