/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/base/types.h"

#include <stdarg.h>

/*
 * printf into a buffer of `size` bytes, always terminated. Knows %s %d %u %x,
 * the length modifier l, a width and '0'. Returns the number of characters
 * written, without the terminator.
 */
size_t print_args(char *buffer, size_t size, const char *format, va_list args);

bool text_equal(const char *a, const char *b);
