/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/console.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "kernel/domain.h"
#include "kernel/event.h"
#include "kernel/log.h"
#include "kernel/ring.h"

#define DEBUG_ESCAPE 0x1e /* Ctrl-^ */

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
		ring_put(log_rings.input, sizeof(log_rings.input), &log_rings.input_end, (char)c);
		if (listener)
			event_set_bit(listener, listener_bit);
	}
	unlock(&log_lock);
}

void console_debug(void)
{
	debug_key(debug);
}
