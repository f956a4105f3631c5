/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing to a ring that somebody reads meanwhile: guests/lib/ring.h. */
#pragma once

#include "kernel/base/types.h"

/* In this order for the reader, who tells by the end which bytes it may have: each store is
 * seen after all stores before it. */
static inline void ring_put(char *ring, size_t size, uint64_t *end, char c)
{
	__atomic_store_n(&ring[*end % size], c, __ATOMIC_RELEASE);
	__atomic_store_n(end, *end + 1, __ATOMIC_RELEASE);
}
