/* SPDX-License-Identifier: BSD-2-Clause */
/* A 16550 UART at an I/O port: 115200 baud, 8 data bits, no parity. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_COM1 0x3f8u
#define UART_COM2 0x2f8u

#define UART_EARLY 64u

struct uart {
	uint16_t port; /* 0: there is none */
	bool stuck;    /* it did not drain in time; output is then not waited for */
	/* Received during a wait to send: the 16 bytes of the UART would not last. */
	uint8_t early[UART_EARLY];
	uint32_t early_in, early_out; /* so many in all */
};

/* Finds out whether a UART answers at the port and sets it up; interrupts are
 * off. False: there is none, the other calls then do nothing. */
bool uart_init(struct uart *uart, uint16_t port);
/* It takes a FIFO full of bytes without a wait; or it is not there, or has been found stuck. */
bool uart_empty(const struct uart *uart);
/* "\n" goes out as "\r\n". Bounded: a UART that does not drain loses text. */
void uart_write(struct uart *uart, const char *text, size_t bytes);
/* Waits (bounded) until the last character has left the wire. */
void uart_drain(struct uart *uart);
/* The next character received, or -1. */
int uart_read(struct uart *uart);
/* Asks the sender, by RTS, to wait, or to go on. */
void uart_hold(struct uart *uart, bool hold);
void uart_rx_interrupt(struct uart *uart, bool on);
