/* SPDX-License-Identifier: BSD-2-Clause */
/* A PS/2 mouse with a wheel, as Microsoft's IntelliMouse Explorer: a driver asks for the wheel and
 * the fourth and fifth button by three rates in a row. */
#include "guests/dom0/machine/ps2.h"

#define CMD_SCALE_1    0xe6u
#define CMD_SCALE_2    0xe7u
#define CMD_RESOLUTION 0xe8u
#define CMD_STATUS     0xe9u
#define CMD_STREAM     0xeau
#define CMD_READ       0xebu
#define CMD_WRAP_OFF   0xecu
#define CMD_WRAP       0xeeu
#define CMD_REMOTE     0xf0u
#define CMD_ID         0xf2u
#define CMD_RATE       0xf3u
#define CMD_ENABLE     0xf4u
#define CMD_DISABLE    0xf5u
#define CMD_DEFAULTS   0xf6u
#define CMD_RESET      0xffu

#define ID_WHEEL   3u
#define ID_BUTTONS 4u

#define PACKET_BYTES 4u
#define ALWAYS       0x08u
#define LEFT_RIGHT   255 /* a movement in one packet */
#define WHEEL        7

static const uint8_t default_rate = 100, default_resolution = 2;

static void defaults(struct ps2_mouse_state *m)
{
	m->reports = m->remote = m->wraps = m->scaling = 0;
	m->rate = default_rate;
	m->resolution = default_resolution;
	m->x = m->y = m->wheel = 0;
}

void ps2_mouse_reset(struct ps2_mouse_state *m)
{
	*m = (struct ps2_mouse_state){0};
	defaults(m);
}

static int bounded(int value, int most)
{
	return value > most ? most : value < -most ? -most : value;
}

/* Sends a part of what has moved. */
static void send(struct ps2_mouse_state *m)
{
	int x = bounded(m->x, LEFT_RIGHT), y = bounded(m->y, LEFT_RIGHT);
	int wheel = bounded(m->wheel, WHEEL);

	m->x -= x;
	m->y -= y;
	m->wheel -= wheel;
	m->sent_buttons = m->buttons;
	ps2_put(&m->queue, (uint8_t)(ALWAYS | (m->buttons & 7) | (x < 0) << 4 | (y < 0) << 5));
	ps2_put(&m->queue, (uint8_t)x);
	ps2_put(&m->queue, (uint8_t)y);
	if (m->id == ID_WHEEL)
		ps2_put(&m->queue, (uint8_t)wheel);
	else if (m->id == ID_BUTTONS)
		ps2_put(&m->queue, (uint8_t)((wheel & 0xf) | (m->buttons & 0x18) << 1));
}

void ps2_mouse_pump(struct ps2_mouse_state *m)
{
	while (m->reports && !m->remote && ps2_has_room(&m->queue, PACKET_BYTES) &&
	       (m->x || m->y || m->wheel || m->buttons != m->sent_buttons))
		send(m);
}

void ps2_mouse_move(struct ps2_mouse_state *m, int x, int y, int wheel, unsigned buttons)
{
	if (!m->reports && !m->remote)
		return;
	/* A guest that takes nothing gets no more than the way across a screen, once. */
	m->x = bounded(m->x + x, 4096);
	m->y = bounded(m->y + y, 4096);
	m->wheel = bounded(m->wheel + wheel, 64);
	m->buttons = buttons & 0x1f;
	ps2_mouse_pump(m);
}

static void set_rate(struct ps2_mouse_state *m, uint8_t rate)
{
	if (m->rates[0] == 200 && m->rates[1] == 100 && rate == 80)
		m->id = ID_WHEEL;
	else if (m->rates[0] == 200 && m->rates[1] == 200 && rate == 80)
		m->id = ID_BUTTONS;
	m->rates[0] = m->rates[1];
	m->rates[1] = rate;
	m->rate = rate;
}

static void argument(struct ps2_mouse_state *m, uint8_t byte)
{
	if (m->argument_of == CMD_RATE)
		set_rate(m, byte);
	else
		m->resolution = byte & 3;
	m->argument_of = 0;
}

static void status(struct ps2_mouse_state *m)
{
	ps2_put(&m->queue,
		(uint8_t)(m->remote << 6 | m->reports << 5 | m->scaling << 4 |
			  (m->buttons & 1) << 2 | (m->buttons & 2) >> 1 | (m->buttons & 4) >> 1));
	ps2_put(&m->queue, m->resolution);
	ps2_put(&m->queue, m->rate);
}

static void command(struct ps2_mouse_state *m, uint8_t byte)
{
	switch (byte) {
	case CMD_SCALE_1:
	case CMD_SCALE_2:
		m->scaling = byte == CMD_SCALE_2;
		break;
	case CMD_RESOLUTION:
	case CMD_RATE:
		m->argument_of = byte;
		break;
	case CMD_STATUS:
		status(m);
		break;
	case CMD_STREAM:
	case CMD_REMOTE:
		m->remote = byte == CMD_REMOTE;
		break;
	case CMD_READ:
		send(m);
		break;
	case CMD_WRAP:
		m->wraps = 1;
		break;
	case CMD_ID:
		ps2_put(&m->queue, m->id);
		break;
	case CMD_ENABLE:
	case CMD_DISABLE:
		m->reports = byte == CMD_ENABLE;
		break;
	case CMD_DEFAULTS:
		defaults(m);
		break;
	default: /* others have no effect */
		break;
	}
}

void ps2_mouse_command(struct ps2_mouse_state *m, uint8_t byte)
{
	if (m->wraps && byte != CMD_WRAP_OFF && byte != CMD_RESET) {
		ps2_put(&m->queue, byte);
		return;
	}
	m->wraps = 0;
	if (byte == CMD_RESET) {
		ps2_mouse_reset(m);
		ps2_put(&m->queue, PS2_ACK);
		ps2_put(&m->queue, PS2_PASSED);
		ps2_put(&m->queue, m->id);
		return;
	}
	ps2_put(&m->queue, PS2_ACK);
	if (m->argument_of)
		argument(m, byte);
	else
		command(m, byte);
	ps2_mouse_pump(m);
}
