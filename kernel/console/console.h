/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial console and the screen: the log is shown there; input goes to dom0, or is a debug key
 * of the kernel. */
#pragma once

#include "kernel/base/types.h"
#include "kernel/console/text.h"
#include "kernel/console/uart.h"

#define VECTOR_CONSOLE 0xf2u
#define CONSOLE_IRQ    4     /* of COM1 on the ISA bus */
#define VECTOR_DEBUG   0xf3u /* by itself: a debug key waits */

/* The rooms above the console, as functions; set once, at its start. */
struct console_above {
	void (*tell)(void); /* the listener: there is input, or a line of the log */
	/*
	 * The kernel's debug keys. A key that acts on the machine wants a word typed behind it,
	 * which `word` returns (NULL: the key wants none). `serve` with `typed` NULL asks for that
	 * word.
	 */
	const char *(*word)(char key);
	void (*serve)(char key, const char *typed);
};

/* Where the log is shown; all zero: not there. */
extern struct uart console_uart;
extern struct text console_text;

/* Raw bytes, to both. */
void console_bytes(const char *text, size_t length);
/* The UART takes UART_FIFO bytes, a line's end counting as two, without a wait. */
#define UART_FIFO 16u
bool console_ready(void);

/* From here on the log is shown. console_listen: from there on each typed byte interrupts this CPU.
 */
void console_init(const struct console_above *above);
void console_listen(void);
void console_interrupt(void);
/* The listener has read the input up to that byte: a full ring takes more. False: there is no such
 * byte. */
bool console_taken(uint64_t position);

/* The key that was read last behind Ctrl-^ on the serial console is served; no lock is held. */
void console_debug(void);
