/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys that an operator sends, by Linux's codes and their names (input-event-codes.h). */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/display/keys.h"
#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/vm/vm.h"

#define PREFIX     "KEY_"
#define E          I8042_EXTENDED
#define LINUX_SAME 88u /* codes up to it are those of set 1 */

/* The names of codes from 1 on, which are those of set 1; "": none. */
static const char *const names[] = {
	"",           "ESC",       "1",        "2",   "3",         "4",          "5",
	"6",          "7",         "8",        "9",   "0",         "MINUS",      "EQUAL",
	"BACKSPACE",  "TAB",       "Q",        "W",   "E",         "R",          "T",
	"Y",          "U",         "I",        "O",   "P",         "LEFTBRACE",  "RIGHTBRACE",
	"ENTER",      "LEFTCTRL",  "A",        "S",   "D",         "F",          "G",
	"H",          "J",         "K",        "L",   "SEMICOLON", "APOSTROPHE", "GRAVE",
	"LEFTSHIFT",  "BACKSLASH", "Z",        "X",   "C",         "V",          "B",
	"N",          "M",         "COMMA",    "DOT", "SLASH",     "RIGHTSHIFT", "KPASTERISK",
	"LEFTALT",    "SPACE",     "CAPSLOCK", "F1",  "F2",        "F3",         "F4",
	"F5",         "F6",        "F7",       "F8",  "F9",        "F10",        "NUMLOCK",
	"SCROLLLOCK", "KP7",       "KP8",      "KP9", "KPMINUS",   "KP4",        "KP5",
	"KP6",        "KPPLUS",    "KP1",      "KP2", "KP3",       "KP0",        "KPDOT",
	"",           "",          "102ND",    "F11", "F12",
};

static const struct {
	const char *name;
	uint8_t linux_code, code;
} others[] = {
	{"KPENTER", 96, E | 0x1c},   {"RIGHTCTRL", 97, E | 0x1d},  {"KPSLASH", 98, E | 0x35},
	{"SYSRQ", 99, E | 0x37},     {"RIGHTALT", 100, E | 0x38},  {"HOME", 102, E | 0x47},
	{"UP", 103, E | 0x48},       {"PAGEUP", 104, E | 0x49},    {"LEFT", 105, E | 0x4b},
	{"RIGHT", 106, E | 0x4d},    {"END", 107, E | 0x4f},       {"DOWN", 108, E | 0x50},
	{"PAGEDOWN", 109, E | 0x51}, {"INSERT", 110, E | 0x52},    {"DELETE", 111, E | 0x53},
	{"LEFTMETA", 125, E | 0x5b}, {"RIGHTMETA", 126, E | 0x5c}, {"COMPOSE", 127, E | 0x5d},
};

#define OTHERS (sizeof(others) / sizeof(others[0]))

unsigned key_of_name(const char *name)
{
	char *end;
	unsigned long number = strtoul(name, &end, 0);

	if (*name >= '0' && *name <= '9' && !*end)
		return number <= 0xff ? (unsigned)number : 0;
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || !name[strlen(PREFIX)])
		return 0;
	name += strlen(PREFIX);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return i;
	for (size_t i = 0; i < OTHERS; i++)
		if (!strcmp(others[i].name, name))
			return others[i].linux_code;
	return 0;
}

/* 0: a key that the keyboard does not have. */
static unsigned key_of_code(uint32_t set, uint32_t code)
{
	if (set == KEY_SET_XT && code >> 8 == 0xe0)
		code = E | (code & 0x7f);
	if (set != KEY_SET_LINUX)
		return code > 0 && code <= 0xff ? code : 0;
	if (code > 0 && code <= LINUX_SAME)
		return code;
	for (size_t i = 0; i < OTHERS; i++)
		if (others[i].linux_code == code)
			return others[i].code;
	return 0;
}

const char *keys_send(struct vm *vm, uint32_t set, const uint32_t *code, size_t count)
{
	if (!vm->id)
		return "domain is not running";
	if (!vga_size(vm).width)
		return "the domain has no keyboard: its description has no screen";
	if (set != KEY_SET_LINUX && set != KEY_SET_XT && set != KEY_SET_XT_KBD)
		return "the set of codes is none of linux, xt and xt_kbd";
	for (size_t i = 0; i < count; i++)
		if (!key_of_code(set, code[i]))
			return "the keyboard has no such key";
	for (size_t i = 0; i < count; i++)
		i8042_key(vm, key_of_code(set, code[i]), true);
	for (size_t i = count; i > 0; i--)
		i8042_key(vm, key_of_code(set, code[i - 1]), false);
	return NULL;
}
