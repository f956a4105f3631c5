/* SPDX-License-Identifier: BSD-2-Clause */
/* The words that lwIP needs of the compiler and the C library. */
#pragma once

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif

#define BYTE_ORDER       LITTLE_ENDIAN
#define LWIP_NO_UNISTD_H 1

#define LWIP_PLATFORM_DIAG(x) \
	do {                  \
		printf x;     \
	} while (0)
#define LWIP_PLATFORM_ASSERT(x)                                      \
	do {                                                         \
		printf("lwip: %s (%s:%d)\n", x, __FILE__, __LINE__); \
		abort();                                             \
	} while (0)

#define LWIP_RAND() ((u32_t)arc4random())
