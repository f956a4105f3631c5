/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's log: a ring in memory, shown on the serial port and the screen. */
#pragma once

#include "drivers/console/text.h"
#include "drivers/console/uart.h"
#include "kernel/lock.h"

/* The lock of the log and the consoles, input included. */
extern struct lock log_lock;
/* Before a panic: others have stopped, whatever they held. */
void log_break_lock(void);

/* Where it is shown; all zero: not there. */
extern struct uart console_uart;
extern struct text console_text;

/* One line or more; the text ends with a newline. */
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Raw bytes: to the ring and the consoles, or to the consoles alone. */
void log_bytes(const char *text, size_t length);
void console_bytes(const char *text, size_t length);

/*
 * Copies up to `size` bytes of the ring from absolute position *position on;
 * moves *position behind them (and first to the oldest byte kept, if what was
 * asked for has been overwritten). Returns the number copied.
 */
size_t log_read(uint64_t *position, char *to, size_t size);
