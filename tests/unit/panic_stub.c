/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's panic, for parts of it that run on the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/panic.h"

jmp_buf *panic_expected;

void stop(const char *what, const char *format, ...)
{
	va_list args;

	if (panic_expected)
		longjmp(*panic_expected, 1);
	va_start(args, format);
	fprintf(stderr, "%s: ", what);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}
