/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/display/keys.h"

#include <stddef.h>

#include "guests/dom0/machine/i8042.h"

#define E I8042_EXTENDED

/* The characters of a US keyboard's keys, without and with Shift, in the order of their codes. */
static const struct {
	unsigned char first;
	const char *plain, *shifted;
} rows[] = {
	{0x02, "1234567890-=", "!@#$%^&*()_+"},
	{0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
	{0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
	{0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
	{0x39, " ", " "},
};

/* Keysyms (X11's keysymdef.h) from `first` on, of keys with the codes that follow. */
static const struct {
	unsigned short first, count;
	unsigned char code[12];
} others[] = {
	{0xff08, 2, {0x0e, 0x0f}}, /* BackSpace, Tab */
	{0xff0d, 1, {0x1c}},       /* Return */
	{0xff14, 1, {0x46}},       /* Scroll_Lock */
	{0xff1b, 1, {0x01}},       /* Escape */
	{0xff50,
	 8,
	 {E | 0x47, E | 0x4b, E | 0x48, E | 0x4d, E | 0x50, E | 0x49, E | 0x51, E | 0x4f}},
	{0xff61, 1, {E | 0x37}}, /* Print */
	{0xff63, 1, {E | 0x52}}, /* Insert */
	{0xff67, 1, {E | 0x5d}}, /* Menu */
	{0xff7f, 1, {0x45}},     /* Num_Lock */
	{0xff8d, 1, {E | 0x1c}}, /* KP_Enter */
	{0xff95, 11, {0x47, 0x4b, 0x48, 0x4d, 0x50, 0x49, 0x51, 0x4f, 0x4c, 0x52, 0x53}},
	{0xffaa, 2, {0x37, 0x4e}},           /* KP_Multiply, KP_Add */
	{0xffad, 3, {0x4a, 0x53, E | 0x35}}, /* KP_Subtract, KP_Decimal, KP_Divide */
	{0xffb0, 10, {0x52, 0x4f, 0x50, 0x51, 0x4b, 0x4c, 0x4d, 0x47, 0x48, 0x49}}, /* KP_0... */
	{0xffbe, 12, {0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x57, 0x58}},
	{0xffe1, 5, {0x2a, 0x36, 0x1d, E | 0x1d, 0x3a}}, /* Shift, Control, Caps_Lock */
	{0xffe7, 6, {0x38, E | 0x38, 0x38, E | 0x38, E | 0x5b, E | 0x5c}}, /* Meta, Alt, Super */
	{0xffff, 1, {E | 0x53}},                                           /* Delete */
	{0xfe03, 1, {E | 0x38}},                                           /* ISO_Level3_Shift */
};

static unsigned key_of_character(unsigned c)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned at = 0; rows[i].plain[at]; at++)
			if (c == (unsigned char)rows[i].plain[at] ||
			    c == (unsigned char)rows[i].shifted[at])
				return rows[i].first + at;
	return 0;
}

unsigned key_of_keysym(unsigned keysym)
{
	if (keysym < 0x80)
		return key_of_character(keysym);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (keysym >= others[i].first && keysym - others[i].first < others[i].count)
			return others[i].code[keysym - others[i].first];
	return 0;
}
