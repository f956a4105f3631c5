/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One viewer of a guest's screen, by the RFB protocol 3.8 (RFC 6143), whatever carries its bytes.
 *
 * The viewer's memory is bounded: it has a buffer for what goes out, and a print of each tile of
 * 16x16 pixels as the viewer has it. A viewer that is slow gets fewer pictures: a tile is drawn
 * when there is room for it in the buffer, as the tile looks then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

#define RFB_TILE  16u
#define RFB_CHUNK 16u /* tiles side by side in one rectangle, at most */
#define RFB_OUT   (48u << 10)

struct rfb;

/* rfb.c calls these of what carries it: there is something to send, or time has to pass before
 * there is (the screen is to be looked at again). */
struct rfb_carrier {
	void (*output)(void *context);
	void (*wait)(void *context);
};

/* A new viewer, who hears the version first. password: "" if none is asked for; it stays the
 * caller's and valid. Returns NULL if there is no memory. */
struct rfb *rfb_new(struct vm *vm, const char *password, const struct rfb_carrier *carrier,
		    void *context);
void rfb_free(struct rfb *rfb);

/* Bytes of the viewer's. Returns false if it is to go, after what is there to send has gone. */
bool rfb_input(struct rfb *rfb, const uint8_t *bytes, size_t n);

/* Has the viewer said who it is, and got the screen's size? Before that it waits for nothing. */
bool rfb_is_running(const struct rfb *rfb);

/* Returns the bytes that are to be sent next, *n of them. rfb_sent: so many of them are sent. */
const uint8_t *rfb_output(const struct rfb *rfb, size_t *n);
void rfb_sent(struct rfb *rfb, size_t n);

/* The rows that may have changed since the last call, as vga_changes tells of them. */
void rfb_changed(struct rfb *rfb, const uint64_t *rows);
/* Does the viewer wait for a change of the screen? */
bool rfb_waits(const struct rfb *rfb);

/* Goes on with an update for about a millisecond. Returns true if it is to be called again soon
 * without anything else happening. */
bool rfb_work(struct rfb *rfb);
