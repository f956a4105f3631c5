/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/panic.h"

#include "arch/cpu.h"
#include "kernel/base/log.h"
#include "kernel/base/print.h"

void (*stop_others)(void);

void stop(const char *what, const char *format, ...)
{
	char text[256];
	va_list args;

	if (stop_others)
		stop_others();
	lock_break(&log_lock);
	WRITE_ONCE(log_left, false);
	va_start(args, format);
	print_args(text, sizeof(text), format, args);
	log_print("\n%s: %s\n", what, text);
	log_sink->drain();
	cpu_cli();
	for (;;)
		cpu_hlt();
}
