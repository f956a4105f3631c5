/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' consoles: the last output of each is kept in a ring of a fixed size, from which listeners
 * take what they have not seen yet, each at its own pace.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/vm/console.h"

#define GUEST_CONSOLE_RING 32768u

/* `written` counts all bytes ever; the ring has the last GUEST_CONSOLE_RING of them. */
struct guest_console {
	uint64_t written;
	uint64_t shown; /* the operator's shell has shown so many of them */
	uint8_t bytes[GUEST_CONSOLE_RING];
};

struct guest_console_listener {
	struct vm *vm;
	enum console_device device;
	/* New output is there. Called for each piece: it does no more than plan work. */
	void (*output)(struct guest_console_listener *listener);
	/* The guest's description goes away, and the listener is none any more. */
	void (*forgotten)(struct guest_console_listener *listener);
	struct guest_console_listener *next;
};

/* Becomes the sink of guests' consoles. */
void guest_console_start(void);

/* NULL: the guest has written nothing yet. Valid as long as the guest's description. */
struct guest_console *guest_console(const struct vm *vm, enum console_device device);
/* Returns the next bytes after *position, in one piece, and their number; *position moves to them
 * and past *lost bytes that the ring has no more. */
const uint8_t *guest_console_next(const struct guest_console *console, uint64_t *position,
				  size_t *bytes, uint64_t *lost);

/* The device that the guest's description names as its console. */
enum console_device guest_console_default(const struct vm *vm);
/* The device of a name, NULL: the default. Returns false if there is none. */
bool guest_console_named(const struct vm *vm, const char *name, enum console_device *device);

void guest_console_listen(struct guest_console_listener *listener);
void guest_console_leave(struct guest_console_listener *listener);

/* A byte that was typed. Returns false if the guest's device has no room. A device that is not in
 * use takes everything. */
bool guest_console_type(struct vm *vm, enum console_device device, uint8_t byte);
