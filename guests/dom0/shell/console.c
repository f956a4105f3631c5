/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/console.h"

#include "guests/dom0/base/loop.h"
#include "guests/dom0/manage/guest_console.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/vm/vm.h"

#define PIECE       1024u
#define ESCAPE      0x1d       /* Ctrl-] */
#define INTERVAL_NS 2000000u   /* gathers a guest's single bytes */
#define LOOK_NS     200000000u /* whether the guest still runs */

/* A guest for which keys wait takes as many within this time, or keys are lost. */
#define STALL_NS   5000000000u
#define STALL_KEYS 256u

static void output(struct guest_console_listener *listener);
static void forgotten(struct guest_console_listener *listener);

static struct guest_console_listener attached = {.output = output, .forgotten = forgotten};
static unsigned not_running; /* looks in a row that found it so */
static struct timer pump_timer;

static uint64_t waits_since; /* keys wait; 0: none does */
static unsigned waits_taken; /* keys since then */
static uint64_t keys_lost;

static uint64_t log_at, log_end; /* how far console_log has come, and goes */
static void log_output(struct guest_console_listener *listener);
static void log_forgotten(struct guest_console_listener *listener);

static struct guest_console_listener logged = {.output = log_output, .forgotten = log_forgotten};

static void output(struct guest_console_listener *listener)
{
	(void)listener;
	if (pump_timer.deadline > clock_ns() + INTERVAL_NS)
		timer_set(&pump_timer, clock_ns() + INTERVAL_NS);
}

static void forgotten(struct guest_console_listener *listener)
{
	const char *name = listener->vm->name;

	console_detach();
	shell_console_ended(name);
}

struct vm *console_attached(void)
{
	return attached.vm;
}

/* Shows one piece of the rest. True: there is more. */
static bool show(struct guest_console *console, size_t room)
{
	const uint8_t *bytes;
	uint64_t lost;
	size_t n;

	bytes = guest_console_next(console, &console->shown, &n, &lost);
	if (lost)
		term_printf("\n[%llu bytes not shown]\n", (unsigned long long)lost);
	if (n > room)
		n = room;
	term_write((const char *)bytes, n);
	console->shown += n;
	return console->shown < console->written;
}

/* A guest that starts again is off for a moment only. */
static bool has_ended(void)
{
	not_running = attached.vm->run == VM_OFF ? not_running + 1 : 0;
	return not_running > 2;
}

static void pump(struct timer *timer)
{
	struct guest_console *console;
	size_t room = term_room() > PIECE ? PIECE : 0;
	uint64_t next = LOOK_NS;

	if (!attached.vm)
		return;
	console = guest_console(attached.vm, attached.device);
	if (console && console->shown < console->written) {
		if (show(console, room))
			next = INTERVAL_NS;
	} else if (has_ended()) {
		const char *name = attached.vm->name;

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
	console_detach();
	attached.vm = vm;
	attached.device = device;
	guest_console_listen(&attached);
	not_running = 0;
	keys_lost = waits_since = 0;
	timer_set(&pump_timer, clock_ns());
}

void console_detach(void)
{
	guest_console_leave(&attached);
	attached.vm = NULL;
	timer_cancel(&pump_timer);
}

enum console_answer console_key(uint8_t byte)
{
	if (byte == ESCAPE)
		return CONSOLE_ESCAPE;
	if (guest_console_type(attached.vm, attached.device, byte)) {
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

static void log_output(struct guest_console_listener *listener)
{
	(void)listener;
}

static void log_end_now(void)
{
	guest_console_leave(&logged);
	logged.vm = NULL;
}

static void log_forgotten(struct guest_console_listener *listener)
{
	(void)listener;
	logged.vm = NULL;
}

/* Prints one piece. Returns false at the end. */
static bool log_piece(const struct guest_console *console)
{
	const uint8_t *bytes;
	uint64_t lost;
	size_t n;

	bytes = guest_console_next(console, &log_at, &n, &lost);
	if (n > PIECE)
		n = PIECE;
	if (log_at + n > log_end)
		n = log_at < log_end ? log_end - log_at : 0;
	if (term_room() < n)
		return true;
	term_write((const char *)bytes, n);
	log_at += n;
	return log_at < log_end;
}

static bool log_step(bool cancel)
{
	if (!cancel && logged.vm && log_piece(guest_console(logged.vm, logged.device)))
		return true;
	if (!cancel && logged.vm)
		term_write("\n", 1);
	log_end_now();
	return false;
}

void console_log(struct vm *vm, enum console_device device)
{
	const struct guest_console *console = guest_console(vm, device);

	if (!console)
		return;
	log_at = 0;
	log_end = console->written;
	logged.vm = vm;
	logged.device = device;
	guest_console_listen(&logged);
	shell_job(log_step, INTERVAL_NS);
}
