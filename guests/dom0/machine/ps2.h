/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyboard and the mouse at the keyboard controller, for i8042.c. */
#pragma once

#include <stdbool.h>

#include "guests/dom0/machine/i8042_state.h"

static inline bool ps2_has_room(const struct ps2_queue *queue, unsigned bytes)
{
	return queue->count + bytes <= PS2_QUEUE;
}

/* A byte for which there is no room is lost. */
static inline void ps2_put(struct ps2_queue *queue, uint8_t byte)
{
	if (queue->count < PS2_QUEUE)
		queue->byte[(queue->first + queue->count++) % PS2_QUEUE] = byte;
}

static inline uint8_t ps2_take(struct ps2_queue *queue)
{
	uint8_t byte = queue->byte[queue->first % PS2_QUEUE];

	queue->first = (uint8_t)((queue->first + 1) % PS2_QUEUE);
	queue->count--;
	return byte;
}

#define PS2_ACK    0xfau
#define PS2_PASSED 0xaau /* the self-test */

/* ps2_keyboard.c. `translated`: the controller makes codes of set 1 of the keyboard's set 2. */
void ps2_keyboard_reset(struct ps2_keyboard_state *keyboard);
void ps2_keyboard_command(struct ps2_keyboard_state *keyboard, uint8_t byte, bool translated);
/* code: as for i8042_key. */
void ps2_keyboard_key(struct ps2_keyboard_state *keyboard, unsigned code, bool down,
		      bool translated);

/* ps2_mouse.c */
void ps2_mouse_reset(struct ps2_mouse_state *mouse);
void ps2_mouse_command(struct ps2_mouse_state *mouse, uint8_t byte);
void ps2_mouse_move(struct ps2_mouse_state *mouse, int x, int y, int wheel, unsigned buttons);
/* There may be room for a movement now. */
void ps2_mouse_pump(struct ps2_mouse_state *mouse);
