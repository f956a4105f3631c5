/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyboard controller with a keyboard and a mouse. */
#pragma once

#include <stdint.h>

#define PS2_QUEUE 64u

/* Bytes that a device has sent and the controller has not taken. */
struct ps2_queue {
	uint8_t first, count;
	uint8_t byte[PS2_QUEUE];
};

struct ps2_keyboard_state {
	struct ps2_queue queue;
	uint8_t argument_of; /* the command whose argument comes next; 0: none */
	uint8_t scans;       /* keys are sent */
};

struct ps2_mouse_state {
	struct ps2_queue queue;
	uint8_t argument_of;
	uint8_t reports; /* movements are sent by themselves */
	uint8_t wraps;   /* bytes come back as they are */
	uint8_t remote;  /* movements are sent when asked for */
	uint8_t scaling, resolution, rate;
	uint8_t id;       /* 0; 3: with a wheel; 4: and with five buttons */
	uint8_t rates[2]; /* the last two, by which a driver asks for the wheel */
	uint8_t buttons, sent_buttons;
	int32_t x, y, wheel; /* what has not been sent */
};

struct i8042_state {
	uint8_t command; /* the command that waits for its data byte */
	uint8_t mode;    /* the command byte */
	uint8_t output, full;
	uint8_t from_mouse; /* the byte in the output buffer */
	uint8_t port92;
	uint8_t pad[2];
	struct ps2_keyboard_state keyboard;
	struct ps2_mouse_state mouse;
};
