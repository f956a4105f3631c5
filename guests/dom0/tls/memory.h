/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mbedTLS's memory. Its arithmetic asks for some at each step, so that this is the place where a
 * long computation pauses (base/slow.h), and where one that nobody wants any more comes to its end:
 * it gets none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Before anything else of mbedTLS's. */
void tls_memory_start(void);

/* Between these there is no pause: for what several computations share. */
void tls_memory_hold(void);
void tls_memory_release(void);

/* Overwrites memory that has had keys, and frees it; NULL: nothing happens. */
void tls_memory_free(void *secret, size_t bytes);
