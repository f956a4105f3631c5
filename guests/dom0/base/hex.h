/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Returns the value of a hexadecimal digit, -1 if the character is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
