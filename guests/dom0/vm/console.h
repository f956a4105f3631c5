/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' output to their consoles. Device code hands bytes to vm_console_output, which passes them
 * to the sink: the part of dom0 that keeps and shows guests' output sets one at its start.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vm;

enum console_device { CONSOLE_SERIAL, CONSOLE_VIRTIO, CONSOLE_DEVICES };

struct console_sink {
	/* Never blocks and never fails. */
	void (*output)(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n);
	/* The guest's description goes away: the sink frees what vm->console points to. */
	void (*forget)(struct vm *vm);
};

/* Without a sink, guests' output is lost. */
void vm_console_sink(const struct console_sink *sink);

void vm_console_output(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n);
void vm_console_forget(struct vm *vm);
