/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/console.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "kernel/domain.h"
#include "kernel/event.h"
#include "kernel/log.h"

#define INPUT_SIZE   1024u
#define DEBUG_ESCAPE 0x1e /* Ctrl-^ */

static char input[INPUT_SIZE];
static uint32_t head, tail;
static struct domain *listener;
static unsigned listener_bit;
static bool escaped;
static char debug; /* key that waits */

void console_listen(struct domain *domain, unsigned bit)
{
	const struct ioapic_line *line = &acpi.isa[CONSOLE_IRQ];

	listener = domain;
	listener_bit = bit;
	if (!console_uart.port || !ioapic_route(line, VECTOR_CONSOLE, apic_id()))
		return;
	ioapic_mask(line->gsi, false);
	uart_rx_interrupt(&console_uart, true);
}

void console_interrupt(void)
{
	int c;

	lock(&log_lock);
	while ((c = uart_read(&console_uart)) >= 0) {
		if (escaped || c == DEBUG_ESCAPE) {
			escaped = !escaped;
			debug = (char)c;
			if (!escaped) /* not here, in the middle of whatever prints */
				apic_send(apic_id(), VECTOR_DEBUG);
			continue;
		}
		/* A full ring drops what comes: the terminal's problem. */
		if (head - tail < INPUT_SIZE)
			input[head++ % INPUT_SIZE] = (char)c;
	}
	if (listener && head != tail)
		event_set_bit(listener, listener_bit);
	unlock(&log_lock);
}

void console_debug(void)
{
	debug_key(debug);
}

size_t console_read(char *to, size_t size)
{
	size_t n = 0;

	lock(&log_lock);
	while (n < size && tail != head)
		to[n++] = input[tail++ % INPUT_SIZE];
	unlock(&log_lock);
	return n;
}
