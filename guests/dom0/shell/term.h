/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's console as the operator's terminal: output is gathered and
 * given to the kernel in pieces, no faster than leaves half of dom0's time to
 * the guests (a serial line takes longer for a byte than a guest for a disk
 * request); input comes with the console event.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * input is called from the event loop with the typed bytes, and returns how many of the bytes it
 * takes: the others come again. log is called when the kernel has written to the log, whose lines
 * are this side's to show from now on.
 */
void term_start(size_t (*input)(const uint8_t *bytes, size_t n), void (*log)(void));

/* Lines end with \n or \r\n. Output beyond the room waits for the terminal. */
void term_write(const char *text, size_t bytes);
void term_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many bytes term_write takes without waiting. */
size_t term_room(void);

/* Wait until everything is out. */
void term_flush(void);
