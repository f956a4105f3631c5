/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/guest_console.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/uart.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

struct consoles {
	struct guest_console *device[CONSOLE_DEVICES]; /* from the first output on */
};

static struct guest_console_listener *listeners;

struct guest_console *guest_console(const struct vm *vm, enum console_device device)
{
	const struct consoles *consoles = vm->console;

	return consoles ? consoles->device[device] : NULL;
}

static struct guest_console *make(struct vm *vm, enum console_device device)
{
	struct consoles *consoles = vm->console;

	if (!consoles)
		vm->console = consoles = calloc(1, sizeof(*consoles));
	if (consoles && !consoles->device[device])
		consoles->device[device] = calloc(1, sizeof(struct guest_console));
	return consoles ? consoles->device[device] : NULL;
}

static void keep(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n)
{
	struct guest_console *console = make(vm, device);

	if (!console)
		return;
	for (size_t i = 0; i < n; i++)
		console->bytes[console->written++ % GUEST_CONSOLE_RING] = bytes[i];
	for (struct guest_console_listener *l = listeners; l; l = l->next)
		if (l->vm == vm && l->device == device)
			l->output(l);
}

/* A listener that is told may take others away: the search begins anew after each. */
static struct guest_console_listener *listener_of(const struct vm *vm)
{
	struct guest_console_listener *l = listeners;

	while (l && l->vm != vm)
		l = l->next;
	return l;
}

static void forget(struct vm *vm)
{
	struct guest_console_listener *listener;
	struct consoles *consoles = vm->console;

	while ((listener = listener_of(vm))) {
		guest_console_leave(listener);
		listener->forgotten(listener);
	}
	if (!consoles)
		return;
	for (unsigned i = 0; i < CONSOLE_DEVICES; i++)
		free(consoles->device[i]);
	free(consoles);
	vm->console = NULL;
}

void guest_console_start(void)
{
	static const struct console_sink sink = {.output = keep, .forget = forget};

	vm_console_sink(&sink);
}

const uint8_t *guest_console_next(const struct guest_console *console, uint64_t *position,
				  size_t *bytes, uint64_t *lost)
{
	uint64_t left = console->written - *position;
	size_t n;

	*lost = left > GUEST_CONSOLE_RING ? left - GUEST_CONSOLE_RING : 0;
	*position += *lost;
	left -= *lost;
	n = GUEST_CONSOLE_RING - *position % GUEST_CONSOLE_RING;
	*bytes = n < left ? n : (size_t)left;
	return console->bytes + *position % GUEST_CONSOLE_RING;
}

enum console_device guest_console_default(const struct vm *vm)
{
	if (!vm->config->serials && vm->config->virtio_console)
		return CONSOLE_VIRTIO;
	return CONSOLE_SERIAL;
}

bool guest_console_named(const struct vm *vm, const char *name, enum console_device *device)
{
	*device = guest_console_default(vm);
	if (!name)
		return true;
	if (!strcmp(name, "serial0")) {
		*device = CONSOLE_SERIAL;
		return true;
	}
	*device = CONSOLE_VIRTIO;
	return vm->config->virtio_console && (!strcmp(name, "virtio") || !strcmp(name, "console0"));
}

void guest_console_listen(struct guest_console_listener *listener)
{
	listener->next = listeners;
	listeners = listener;
}

void guest_console_leave(struct guest_console_listener *listener)
{
	for (struct guest_console_listener **at = &listeners; *at; at = &(*at)->next)
		if (*at == listener) {
			*at = listener->next;
			return;
		}
}

bool guest_console_type(struct vm *vm, enum console_device device, uint8_t byte)
{
	if (vm->run == VM_OFF || !vm->state)
		return true;
	if (device == CONSOLE_VIRTIO) {
		if (!virtio_console_room(vm))
			return false;
		virtio_console_input(vm, &byte, 1);
		return true;
	}
	if (!uart_room(vm, 0))
		return false;
	uart_input(vm, 0, &byte, 1);
	return true;
}
