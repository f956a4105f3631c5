/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KERNEL_PRINT_H
#define KERNEL_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * printf into a buffer of `size` bytes, always terminated. Knows %s %d %u %x,
 * the length modifier l, a width, '0' and '-', and a precision for %s. Returns
 * the number of characters written, without the terminator.
 */
size_t print_args(char *buffer, size_t size, const char *format, va_list args);

#endif
