/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/panic.h"

#include "arch/cpu.h"
#include "kernel/base/log.h"
#include "kernel/base/print.h"
#include "kernel/console/console.h"
#include "kernel/cpu/smp.h"

void stop(const char *what, const char *format, ...)
{
	char text[256];
	va_list args;

	smp_stop_others();
	log_break_lock();
	va_start(args, format);
	print_args(text, sizeof(text), format, args);
	log_print("\n%s: %s\n", what, text);
	uart_drain(&console_uart);
	cpu_cli();
	for (;;)
		cpu_hlt();
}
