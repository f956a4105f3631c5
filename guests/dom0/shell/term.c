/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/term.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/lib/ring.h"
#include "guests/lib/sampo.h"

#define OUTPUT  16384u
#define PIECE   512u
#define HELD_NS 5000000u /* until input is offered again that nobody could take */

static char output[OUTPUT]; /* a ring */
static size_t head, count;  /* of its oldest byte; bytes in it */
static struct timer pump_timer, held_timer;
static uint64_t input_position;
static size_t (*input_handler)(const uint8_t *bytes, size_t n);
static void (*log_handler)(void);

static void pump_piece(void)
{
	size_t n = OUTPUT - head;

	if (n > count)
		n = count;
	if (n > PIECE)
		n = PIECE;
	sampo_log(boot->machine, SAMPO_LOG_CONSOLE, output + head, n);
	head = (head + n) % OUTPUT;
	count -= n;
}

/* After a piece, pause for as long as it took. */
static void pump(struct timer *timer)
{
	uint64_t begin = clock_ns(), end;

	if (!count)
		return;
	pump_piece();
	end = clock_ns();
	if (count)
		timer_set(timer, end + (end - begin));
}

static void put(char c)
{
	if (count == OUTPUT)
		pump_piece();
	output[(head + count) % OUTPUT] = c;
	count++;
}

/* The kernel puts a carriage return before each newline. */
void term_write(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\n' && count && output[(head + count - 1) % OUTPUT] == '\r')
			count--;
		put(text[i]);
	}
	if (count && !pump_timer.deadline)
		timer_set(&pump_timer, clock_ns());
}

void term_printf(const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n <= 0)
		return;
	term_write(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

size_t term_room(void)
{
	return OUTPUT - count;
}

void term_flush(void)
{
	while (count)
		pump_piece();
}

/* Input without a taker stays in the kernel's ring, which then fills and holds the sender back.
 */
static void read_input(void)
{
	const struct sampo_log *log = (const struct sampo_log *)(uintptr_t)boot->log;
	uint8_t bytes[64];
	uint64_t n, taken;

	do {
		n = ring_read(log->input, sizeof(log->input), &log->input_end, &input_position,
			      bytes, sizeof(bytes));
		taken = n ? input_handler(bytes, n) : 0;
		input_position -= n - taken;
	} while (n && taken == n);
	if (n)
		timer_set(&held_timer, clock_ns() + HELD_NS);
	sampo_log_taken(boot->machine, input_position);
}

static void try_again(struct timer *timer)
{
	(void)timer;
	read_input();
}

static void console_event(void *context)
{
	(void)context;
	log_handler();
	read_input();
}

void term_start(size_t (*input)(const uint8_t *bytes, size_t n), void (*log)(void))
{
	input_handler = input;
	log_handler = log;
	timer_init(&pump_timer, pump, NULL);
	timer_init(&held_timer, try_again, NULL);
	event_claim(boot->console_event, console_event, NULL);
	console_event(NULL); /* what was typed before */
}
