/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial console and the screen: what is shown there, input for dom0, and the kernel's debug
 * keys. */
#pragma once

#include "kernel/base/types.h"
#include "kernel/console/text.h"
#include "kernel/console/uart.h"

struct domain;

#define VECTOR_CONSOLE 0xf2u
#define CONSOLE_IRQ    4     /* of COM1 on the ISA bus */
#define VECTOR_DEBUG   0xf3u /* by itself: a debug key waits */

/* Where the log is shown; all zero: not there. */
extern struct uart console_uart;
extern struct text console_text;

/* Raw bytes, to both. */
void console_bytes(const char *text, size_t length);
/* The UART takes UART_FIFO bytes, a line's end counting as two, without a wait. */
#define UART_FIFO 16u
bool console_ready(void);

/* The event page bit of `domain` that tells of input, and of the log's lines by console_tell. */
void console_listen(struct domain *domain, unsigned bit);
void console_interrupt(void);
void console_tell(void);
/* The listener has read the input up to that byte: a full ring takes more. False: there is no such
 * byte. */
bool console_taken(uint64_t position);

/*
 * After Ctrl-^ on the serial console: what the kernel shows of itself, and does. console_debug
 * serves the key that was read last; it is called with no lock held.
 *
 * A key that acts on the machine wants a word typed behind it, which debug_word returns (NULL:
 * the key wants none). debug_key with `typed` NULL asks for that word.
 */
void console_debug(void);
const char *debug_word(char key);
void debug_key(char key, const char *typed);
