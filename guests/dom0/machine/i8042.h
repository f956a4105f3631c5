/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keyboard controller (Intel 8042) with its reset line, and port 0x92. A guest with a screen
 * has a keyboard and a mouse there; one without has nothing at the controller.
 */
#pragma once

#include <stdbool.h>

#include "guests/dom0/machine/i8042_state.h"

struct vm;

int i8042_init(struct vm *vm); /* platform.h says what these do */
void i8042_reset(struct vm *vm);
int i8042_resume(struct vm *vm);

/* Codes of set 1 from 1 to 0x7f; those with 0xe0 in front have this bit. */
#define I8042_EXTENDED 0x80u

/* A key goes down or up. A key that the guest has no room for is lost. */
void i8042_key(struct vm *vm, unsigned code, bool down);
/* The mouse moves right and up; a wheel turned towards the user counts up. buttons: 1 left, 2
 * right, 4 middle, 8 and 16 the others; those that are down now. */
void i8042_mouse(struct vm *vm, int x, int y, int wheel, unsigned buttons);
