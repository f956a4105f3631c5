/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/vm/console.h"

static void lose(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n)
{
	(void)vm;
	(void)device;
	(void)bytes;
	(void)n;
}

static void nothing_to_forget(struct vm *vm)
{
	(void)vm;
}

static const struct console_sink no_sink = {.output = lose, .forget = nothing_to_forget};
static const struct console_sink *sink = &no_sink;

void vm_console_sink(const struct console_sink *new_sink)
{
	sink = new_sink;
}

void vm_console_output(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n)
{
	sink->output(vm, device, bytes, n);
}

void vm_console_forget(struct vm *vm)
{
	sink->forget(vm);
}
