/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/console.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/uart.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

#define RING        32768u
#define PIECE       1024u
#define ESCAPE      0x1d       /* Ctrl-] */
#define INTERVAL_NS 2000000u   /* gathers a guest's single bytes */
#define LOOK_NS     200000000u /* whether the guest still runs */

/* A guest for which keys wait takes as many within this time, or keys are lost. */
#define STALL_NS   5000000000u
#define STALL_KEYS 256u

/* Positions count all bytes ever written; the ring keeps the last RING. */
struct ring {
	uint64_t written;
	uint64_t shown; /* up to where the operator has seen it */
	uint8_t bytes[RING];
};

struct consoles {
	struct ring *ring[CONSOLE_DEVICES]; /* from the first output on */
};

static struct vm *attached;
static enum console_device attached_device;
static unsigned not_running; /* looks in a row that found it so */
static struct timer pump_timer;

static uint64_t waits_since; /* keys wait; 0: none does */
static unsigned waits_taken; /* keys since then */
static uint64_t keys_lost;

static uint64_t log_at, log_end; /* how far console_log has come, and goes */
static struct ring *log_ring;

static struct ring *ring_of(struct vm *vm, enum console_device device)
{
	struct consoles *consoles = vm->console;

	return consoles ? consoles->ring[device] : NULL;
}

static struct ring *ring_make(struct vm *vm, enum console_device device)
{
	struct consoles *consoles = vm->console;

	if (!consoles)
		vm->console = consoles = calloc(1, sizeof(*consoles));
	if (consoles && !consoles->ring[device])
		consoles->ring[device] = calloc(1, sizeof(struct ring));
	return consoles ? consoles->ring[device] : NULL;
}

static void keep(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n)
{
	struct ring *ring = ring_make(vm, device);

	if (!ring)
		return;
	for (size_t i = 0; i < n; i++)
		ring->bytes[ring->written++ % RING] = bytes[i];
	if (vm == attached && device == attached_device &&
	    pump_timer.deadline > clock_ns() + INTERVAL_NS)
		timer_set(&pump_timer, clock_ns() + INTERVAL_NS);
}

static void forget(struct vm *vm)
{
	struct consoles *consoles = vm->console;

	if (vm == attached) {
		console_detach();
		shell_console_ended(vm->name);
	}
	if (!consoles)
		return;
	log_ring = NULL;
	for (unsigned i = 0; i < CONSOLE_DEVICES; i++)
		free(consoles->ring[i]);
	free(consoles);
	vm->console = NULL;
}

void console_start(void)
{
	static const struct console_sink sink = {.output = keep, .forget = forget};

	vm_console_sink(&sink);
}

enum console_device console_default(const struct vm *vm)
{
	if (!vm->config->serials && vm->config->virtio_console)
		return CONSOLE_VIRTIO;
	return CONSOLE_SERIAL;
}

struct vm *console_attached(void)
{
	return attached;
}

/* One piece of what has not been shown. True: there is more. */
static bool show(struct ring *ring, size_t room)
{
	uint64_t lost = 0;
	size_t n;

	if (ring->written - ring->shown > RING) {
		lost = ring->written - RING - ring->shown;
		ring->shown += lost;
	}
	if (lost)
		term_printf("\n[%llu bytes not shown]\n", (unsigned long long)lost);
	n = RING - ring->shown % RING;
	if (n > ring->written - ring->shown)
		n = ring->written - ring->shown;
	if (n > room)
		n = room;
	term_write((const char *)ring->bytes + ring->shown % RING, n);
	ring->shown += n;
	return ring->shown < ring->written;
}

/* A guest that starts again is off for a moment only. */
static bool has_ended(void)
{
	not_running = attached->run == VM_OFF ? not_running + 1 : 0;
	return not_running > 2;
}

static void pump(struct timer *timer)
{
	struct ring *ring;
	size_t room = term_room() > PIECE ? PIECE : 0;
	uint64_t next = LOOK_NS;

	if (!attached)
		return;
	ring = ring_of(attached, attached_device);
	if (ring && ring->shown < ring->written) {
		if (show(ring, room))
			next = INTERVAL_NS;
	} else if (has_ended()) {
		const char *name = attached->name;

		console_detach();
		shell_console_ended(name);
		return;
	}
	timer_set(timer, clock_ns() + next);
}

void console_attach(struct vm *vm, enum console_device device)
{
	static bool ready;

	if (!ready)
		timer_init(&pump_timer, pump, NULL);
	ready = true;
	attached = vm;
	attached_device = device;
	not_running = 0;
	keys_lost = waits_since = 0;
	timer_set(&pump_timer, clock_ns());
}

void console_detach(void)
{
	attached = NULL;
	timer_cancel(&pump_timer);
}

/* False: the guest's device has no room. A device that is not in use takes everything. */
static bool give(uint8_t byte)
{
	if (attached->run == VM_OFF || !attached->state)
		return true;
	if (attached_device == CONSOLE_VIRTIO) {
		if (!virtio_console_room(attached))
			return false;
		virtio_console_input(attached, &byte, 1);
	} else {
		if (!uart_room(attached, 0))
			return false;
		uart_input(attached, 0, &byte, 1);
	}
	return true;
}

enum console_answer console_key(uint8_t byte)
{
	if (byte == ESCAPE)
		return CONSOLE_ESCAPE;
	if (give(byte)) {
		if (++waits_taken >= STALL_KEYS)
			waits_since = 0;
		return CONSOLE_TAKEN;
	}
	if (!waits_since) {
		waits_since = clock_ns();
		waits_taken = 0;
	}
	if (clock_ns() - waits_since < STALL_NS)
		return CONSOLE_FULL;
	keys_lost++;
	return CONSOLE_TAKEN;
}

uint64_t console_lost(void)
{
	uint64_t n = keys_lost;

	keys_lost = 0;
	return n;
}

static bool log_step(bool cancel)
{
	size_t n;

	if (cancel || !log_ring)
		return false;
	if (log_ring->written - log_at > RING)
		log_at = log_ring->written - RING;
	n = RING - log_at % RING;
	if (n > PIECE)
		n = PIECE;
	if (log_at + n > log_end)
		n = log_at < log_end ? log_end - log_at : 0;
	if (term_room() < n)
		return true;
	term_write((const char *)log_ring->bytes + log_at % RING, n);
	log_at += n;
	if (log_at < log_end)
		return true;
	term_write("\n", 1);
	return false;
}

void console_log(struct vm *vm, enum console_device device)
{
	log_ring = ring_of(vm, device);
	if (!log_ring)
		return;
	log_at = 0;
	log_end = log_ring->written;
	shell_job(log_step, INTERVAL_NS);
}
