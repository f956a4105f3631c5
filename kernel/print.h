/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KERNEL_PRINT_H
#define KERNEL_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * printf into a buffer of `size` bytes, always terminated. Knows %s %c %d %u
 * %x %p %%, the length modifiers l, ll and z, a width, '0' and '-'. Returns the
 * number of characters written, without the terminator.
 */
size_t print_to(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t print_args(char *buffer, size_t size, const char *format, va_list args);

#endif
