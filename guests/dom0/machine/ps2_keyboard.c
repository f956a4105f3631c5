/* SPDX-License-Identifier: BSD-2-Clause */
/* A keyboard with scan code set 2, the only one that it has (IBM PS/2 Hardware Interface Technical
 * Reference, Keyboard and Auxiliary Device Controller). */
#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/ps2.h"

#define KEY_BYTES 3u /* at most */

#define CMD_LEDS     0xedu
#define CMD_ECHO     0xeeu
#define CMD_CODE_SET 0xf0u
#define CMD_ID       0xf2u
#define CMD_RATE     0xf3u
#define CMD_ENABLE   0xf4u
#define CMD_DISABLE  0xf5u
#define CMD_DEFAULTS 0xf6u
#define CMD_RESEND   0xfeu
#define CMD_RESET    0xffu

#define SET_2            0x02u
#define SET_2_TRANSLATED 0x41u
#define ID_1             0xabu
#define ID_2             0x83u
#define ID_2_TRANSLATED  0x41u
#define BREAK_2          0xf0u
#define BREAK_1          0x80u
#define EXTENDED         0xe0u

/* Codes of set 2 by those of set 1; 0: there is no such key. */
static const uint8_t set2[] = {
	[0x01] = 0x76, 0x16, 0x1e,          0x26, 0x25,          0x2e, 0x36,          0x3d,
	0x3e,          0x46, 0x45,          0x4e, 0x55,          0x66, [0x0f] = 0x0d, 0x15,
	0x1d,          0x24, 0x2d,          0x2c, 0x35,          0x3c, 0x43,          0x44,
	0x4d,          0x54, 0x5b,          0x5a, [0x1d] = 0x14, 0x1c, 0x1b,          0x23,
	0x2b,          0x34, 0x33,          0x3b, 0x42,          0x4b, 0x4c,          0x52,
	0x0e,          0x12, [0x2b] = 0x5d, 0x1a, 0x22,          0x21, 0x2a,          0x32,
	0x31,          0x3a, 0x41,          0x49, 0x4a,          0x59, 0x7c,          0x11,
	[0x39] = 0x29, 0x58, 0x05,          0x06, 0x04,          0x0c, 0x03,          0x0b,
	0x83,          0x0a, 0x01,          0x09, 0x77,          0x7e, [0x47] = 0x6c, 0x75,
	0x7d,          0x7b, 0x6b,          0x73, 0x74,          0x79, 0x69,          0x72,
	0x7a,          0x70, 0x71,          0x84, [0x56] = 0x61, 0x78, 0x07,          0x0f,
	[0x5b] = 0x1f, 0x27, 0x2f,
};

void ps2_keyboard_reset(struct ps2_keyboard_state *k)
{
	*k = (struct ps2_keyboard_state){.scans = 1};
}

static void argument(struct ps2_keyboard_state *k, uint8_t byte, bool translated)
{
	uint8_t command = k->argument_of;

	k->argument_of = 0;
	ps2_put(&k->queue, PS2_ACK);
	if (command == CMD_CODE_SET && byte == 0)
		ps2_put(&k->queue, translated ? SET_2_TRANSLATED : SET_2);
}

void ps2_keyboard_command(struct ps2_keyboard_state *k, uint8_t byte, bool translated)
{
	if (k->argument_of && byte < CMD_LEDS) {
		argument(k, byte, translated);
		return;
	}
	k->argument_of = 0;
	if (byte == CMD_ECHO) {
		ps2_put(&k->queue, CMD_ECHO);
		return;
	}
	if (byte == CMD_RESET || byte == CMD_DEFAULTS || byte == CMD_DISABLE)
		ps2_keyboard_reset(k);
	ps2_put(&k->queue, PS2_ACK);
	switch (byte) {
	case CMD_LEDS:
	case CMD_CODE_SET:
	case CMD_RATE:
		k->argument_of = byte;
		break;
	case CMD_ID:
		ps2_put(&k->queue, ID_1);
		ps2_put(&k->queue, translated ? ID_2_TRANSLATED : ID_2);
		break;
	case CMD_ENABLE:
		k->scans = 1;
		break;
	case CMD_DISABLE:
		k->scans = 0;
		break;
	case CMD_RESET:
		ps2_put(&k->queue, PS2_PASSED);
		break;
	default: /* others have no effect */
		break;
	}
}

void ps2_keyboard_key(struct ps2_keyboard_state *k, unsigned code, bool down, bool translated)
{
	unsigned key = code & 0x7f;

	if (!k->scans || !ps2_has_room(&k->queue, KEY_BYTES) || key >= sizeof(set2) || !set2[key])
		return;
	if (code & I8042_EXTENDED)
		ps2_put(&k->queue, EXTENDED);
	if (translated) {
		ps2_put(&k->queue, (uint8_t)(key | (down ? 0 : BREAK_1)));
		return;
	}
	if (!down)
		ps2_put(&k->queue, BREAK_2);
	ps2_put(&k->queue, set2[key]);
}
