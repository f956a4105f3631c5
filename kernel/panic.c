/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/panic.h"

#include "arch/cpu.h"
#include "kernel/log.h"
#include "kernel/print.h"
#include "kernel/smp.h"

static void __attribute__((noreturn)) stop(const char *what, const char *format, va_list args)
{
	char text[256];

	smp_stop_others();
	log_break_lock();
	print_args(text, sizeof(text), format, args);
	log_print("\n%s: %s\n", what, text);
	uart_drain(&console_uart);
	cpu_cli();
	for (;;)
		cpu_hlt();
}

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	stop("Sampo panic", format, args);
}

void refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	stop("Sampo cannot start", format, args);
}
