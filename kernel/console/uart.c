/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/console/uart.h"

#include "arch/cpu.h"

/* Registers of a 16550 (PC16550D data sheet, section 8), from its port. */
enum { DATA, INTERRUPTS, FIFO, LINE, MODEM, STATUS, MODEM_STATUS, SCRATCH };

#define FIFO_ON         0x07u /* and both emptied */
#define LINE_8N1        0x03u
#define LINE_DIVISOR    0x80u
#define MODEM_ON        0x0bu /* DTR, RTS, and OUT2, which gates the interrupt */
#define MODEM_RTS       0x02u
#define STATUS_RECEIVED 0x01u
#define STATUS_TX_EMPTY 0x20u
#define STATUS_IDLE     0x40u
#define FIFO_BYTES      16u
#define PATIENCE        200000u /* reads of the status, about a microsecond each */

static uint8_t get(const struct uart *uart, uint16_t reg)
{
	return port_in8((uint16_t)(uart->port + reg));
}

static void put(const struct uart *uart, uint16_t reg, uint8_t value)
{
	port_out8((uint16_t)(uart->port + reg), value);
}

static bool scratch_keeps(const struct uart *uart, uint8_t value)
{
	put(uart, SCRATCH, value);
	return get(uart, SCRATCH) == value;
}

bool uart_init(struct uart *uart, uint16_t port)
{
	*uart = (struct uart){.port = port};
	if (!scratch_keeps(uart, 0x5a) || !scratch_keeps(uart, 0xa5)) {
		uart->port = 0;
		return false;
	}
	put(uart, INTERRUPTS, 0);
	put(uart, LINE, LINE_DIVISOR | LINE_8N1);
	put(uart, DATA, 1); /* 115200 */
	put(uart, INTERRUPTS, 0);
	put(uart, LINE, LINE_8N1);
	put(uart, FIFO, FIFO_ON);
	put(uart, MODEM, MODEM_ON);
	return true;
}

/* All ones: it has gone. */
static bool received(uint8_t status)
{
	return status & STATUS_RECEIVED && status != 0xff;
}

/* One that has been found stuck is only looked at. */
static bool wait(struct uart *uart, uint8_t wanted)
{
	for (unsigned i = uart->stuck ? 1 : PATIENCE; i; i--) {
		uint8_t status = get(uart, STATUS);

		if (received(status) && uart->early_in - uart->early_out < UART_EARLY)
			uart->early[uart->early_in++ % UART_EARLY] = get(uart, DATA);
		if (status & wanted) {
			uart->stuck = false;
			return true;
		}
		cpu_pause();
	}
	uart->stuck = true;
	return false;
}

bool uart_empty(const struct uart *uart)
{
	return !uart->port || uart->stuck || get(uart, STATUS) & STATUS_TX_EMPTY;
}

void uart_write(struct uart *uart, const char *text, size_t bytes)
{
	unsigned room = 0;

	for (size_t i = 0; i < bytes && uart->port; i++) {
		if (room < 2) {
			if (!wait(uart, STATUS_TX_EMPTY))
				return;
			room = FIFO_BYTES;
		}
		if (text[i] == '\n') {
			put(uart, DATA, '\r');
			room--;
		}
		put(uart, DATA, (uint8_t)text[i]);
		room--;
	}
}

void uart_drain(struct uart *uart)
{
	if (uart->port)
		wait(uart, STATUS_IDLE);
}

int uart_read(struct uart *uart)
{
	if (uart->early_out != uart->early_in)
		return uart->early[uart->early_out++ % UART_EARLY];
	return uart->port && received(get(uart, STATUS)) ? get(uart, DATA) : -1;
}

void uart_hold(struct uart *uart, bool hold)
{
	if (uart->port)
		put(uart, MODEM, hold ? MODEM_ON & ~MODEM_RTS : MODEM_ON);
}

void uart_rx_interrupt(struct uart *uart, bool on)
{
	if (uart->port)
		put(uart, INTERRUPTS, on);
}
