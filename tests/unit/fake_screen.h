/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's screen and keyboard that a test draws and reads itself, for the VNC server's code. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/display/rfb.h"
#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/vm/vm.h"

#define FAKE_WIDTH  200u
#define FAKE_HEIGHT 100u

static struct vm fake_vm = {.name = "guest", .id = 1};
static struct vga_size fake_size;
static uint32_t fake_pixels[2 * FAKE_HEIGHT][2 * FAKE_WIDTH];
static int fake_lookers;
static unsigned fake_keys, fake_key, fake_moves;
static int fake_x, fake_y, fake_wheel;
static unsigned fake_buttons, fake_outputs, fake_waits;
static bool fake_no_random;

struct vga_size vga_size(const struct vm *vm)
{
	(void)vm;
	return fake_size;
}

void vga_row(const struct vm *vm, unsigned y, uint32_t *pixels)
{
	(void)vm;
	if (y < fake_size.height)
		memcpy(pixels, fake_pixels[y], fake_size.width * 4);
	else
		memset(pixels, 0, fake_size.width * 4);
}

void vga_look(struct vm *vm, bool look)
{
	(void)vm;
	fake_lookers += look ? 1 : -1;
	if (fake_lookers < 0)
		abort();
}

void i8042_key(struct vm *vm, unsigned code, bool down)
{
	(void)vm;
	if (!code || code > 0xff)
		abort();
	fake_keys++;
	fake_key = code | (down ? 0 : 0x100);
}

void i8042_mouse(struct vm *vm, int x, int y, int wheel, unsigned buttons)
{
	(void)vm;
	fake_moves++;
	fake_x = x;
	fake_y = y;
	fake_wheel = wheel;
	fake_buttons = buttons;
}

uint64_t clock_ns(void)
{
	static uint64_t now;

	return now += 100000;
}

void vm_log(struct vm *vm, const char *format, ...)
{
	(void)vm;
	(void)format;
}

static bool random_started;

const char *tls_random_start(void)
{
	random_started = true;
	return NULL;
}

int tls_random(void *context, unsigned char *to, size_t bytes)
{
	(void)context;
	memset(to, 0x5a, bytes);
	return fake_no_random || !random_started ? -1 : 0;
}

static void fake_output(void *context)
{
	(void)context;
	fake_outputs++;
}

static void fake_wait(void *context)
{
	(void)context;
	fake_waits++;
}

static const struct rfb_carrier fake_carrier = {fake_output, fake_wait};
