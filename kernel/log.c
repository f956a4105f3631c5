/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/log.h"

#include "kernel/console.h"
#include "kernel/percpu.h"
#include "kernel/print.h"

#define LOG_SIZE  65536u
#define UART_FIFO 16u

struct uart console_uart;
struct text console_text;

struct lock log_lock = {.rank = LOCK_LOG};

static char ring[LOG_SIZE];
static uint64_t end; /* absolute position of the next byte */

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

void log_bytes(const char *text, size_t length)
{
	lock(&log_lock);
	for (size_t i = 0; i < length; i++)
		ring[end++ % LOG_SIZE] = text[i];
	console_bytes(text, length);
	unlock(&log_lock);
}

void log_break_lock(void)
{
	log_lock = (struct lock){.rank = LOCK_LOG};
	this_cpu()->locks = 0;
}

void log_print(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	log_bytes(line, print_args(line, sizeof(line), format, args));
	va_end(args);
}

size_t log_read(uint64_t *position, char *to, size_t size)
{
	size_t n = 0;

	lock(&log_lock);
	if (*position > end)
		*position = end;
	if (end - *position > LOG_SIZE)
		*position = end - LOG_SIZE;
	while (n < size && *position < end)
		to[n++] = ring[(*position)++ % LOG_SIZE];
	unlock(&log_lock);
	return n;
}
