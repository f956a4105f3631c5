/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/console/console.h"

#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/ioapic.h"
#include "arch/iommu/iommu.h"
#include "arch/tsc.h"
#include "kernel/base/log.h"
#include "kernel/base/options.h"
#include "kernel/base/ring.h"

#define DEBUG_ESCAPE 0x1e /* Ctrl-^ */
#define CONTROL      0x1f /* of a letter's code, Ctrl- and this letter have these bits */
#define NO_ESCAPE    (-1)
#define PATIENCE_NS  10000000000ull
#define WORD_MAX     16u

struct uart console_uart;
struct text console_text;

/* Where the next byte of the serial console goes. */
static enum {
	TO_LISTENER,
	TO_DEBUG_KEY, /* it is one, or the escape again for the listener */
	TO_WORD,      /* it is part of the word that confirms the key */
} input;

static const struct console_above *above;
static uint64_t taken, taken_tsc; /* what the listener has read of the input, and when it said so */
static bool held;
static int escape = DEBUG_ESCAPE;
static char key;             /* the last debug key */
static char typed[WORD_MAX]; /* the word so far, and how long it is */
static unsigned typed_bytes;

/* At 115200 baud as much comes in as goes out: it is taken meanwhile, since the
 * UART holds no more than these bytes. */
void console_bytes(const char *text, size_t length)
{
	lock(&log_lock);
	text_write(&console_text, text, length);
	for (size_t n; length; text += n, length -= n) {
		n = length < UART_FIFO / 2 ? length : UART_FIFO / 2;
		uart_write(&console_uart, text, n);
		console_interrupt();
	}
	unlock(&log_lock);
}

bool console_ready(void)
{
	bool ready;

	lock(&log_lock);
	ready = uart_empty(&console_uart);
	unlock(&log_lock);
	return ready;
}

/* debug-key=off, or ^ and the letter that Ctrl- goes with. */
static void choose_escape(void)
{
	const char *value = option_value(OPTION_DEBUG_KEY);

	if (!value)
		return;
	if (option_is(value, "off"))
		escape = NO_ESCAPE;
	else if (value[0] == '^' && value[1] >= '@' && value[1] <= '_' && option_is(value + 2, ""))
		escape = value[1] & CONTROL;
	else
		log_print("kernel: debug-key is \"off\", or \"^\" and a character from @ to _\n");
}

static void drain(void)
{
	uart_drain(&console_uart);
}

void console_init(const struct console_above *what)
{
	static struct log_sink sink = {.show = console_bytes, .drain = drain};

	above = what;
	sink.tell = above->tell;
	uart_init(&console_uart, UART_COM1);
	log_sink = &sink;
}

void console_listen(void)
{
	static struct iommu_entry entry; /* for good */
	const struct ioapic_line *line = &acpi.isa[CONSOLE_IRQ];
	struct iommu_interrupt to = {apic_id(), VECTOR_CONSOLE, line->level};

	choose_escape();
	if (!console_uart.port || iommu_route_pin(line, &to, &entry))
		return;
	ioapic_mask(line->gsi, false);
	uart_rx_interrupt(&console_uart, true);
}

static void to_listener(char c)
{
	ring_put(log_rings.input, sizeof(log_rings.input), &log_rings.input_end, c);
	above->tell();
}

/* The key is served by an interrupt of its own, not here amid another one's printing. */
static void serve_key(void)
{
	apic_send(apic_id(), VECTOR_DEBUG);
}

static void to_word(char c)
{
	if (c == '\r' || c == '\n') {
		typed[typed_bytes < WORD_MAX ? typed_bytes : 0] = 0;
		input = TO_LISTENER;
		serve_key();
	} else if (typed_bytes < WORD_MAX) {
		typed[typed_bytes++] = c;
	}
}

static void to_debug_key(char c)
{
	input = TO_LISTENER;
	if ((unsigned char)c == escape) {
		to_listener(c);
		return;
	}
	key = c;
	typed_bytes = 0;
	typed[0] = 0;
	if (above->word(key))
		input = TO_WORD;
	serve_key();
}

static void take(char c)
{
	if (input == TO_WORD)
		to_word(c);
	else if (input == TO_DEBUG_KEY)
		to_debug_key(c);
	else if ((unsigned char)c == escape)
		input = TO_DEBUG_KEY;
	else
		to_listener(c);
}

/*
 * Bytes that the listener has no room for stay in the UART, whose flow control holds the sender
 * back. A listener that reads nothing any more must not keep the debug keys from the kernel: after
 * a time its unread input is lost.
 */
static bool has_room(void)
{
	return log_rings.input_end - taken < sizeof(log_rings.input) - 1 ||
	       cpu_rdtsc() - taken_tsc > tsc_from_ns(PATIENCE_NS);
}

void console_interrupt(void)
{
	bool room;

	lock(&log_lock);
	for (room = has_room(); room; room = has_room()) {
		int c = uart_read(&console_uart);

		if (c < 0)
			break;
		take((char)c);
	}
	if (room == held)
		uart_hold(&console_uart, !room);
	held = !room;
	unlock(&log_lock);
}

bool console_taken(uint64_t position)
{
	bool valid;

	lock(&log_lock);
	valid = position <= log_rings.input_end;
	if (valid) {
		taken = position;
		taken_tsc = cpu_rdtsc();
		console_interrupt();
	}
	unlock(&log_lock);
	return valid;
}

void console_debug(void)
{
	WRITE_ONCE(log_debugs, true);
	above->serve(key, input == TO_WORD ? NULL : typed);
	WRITE_ONCE(log_debugs, false);
}
