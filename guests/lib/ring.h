/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the rings of struct sampo_log, which the kernel writes meanwhile. */
#pragma once

#include <stdint.h>
#include <string.h>

/* The first byte that is not being overwritten. */
static inline uint64_t ring_oldest(uint64_t end, uint64_t size)
{
	return end < size ? 0 : end - size + 1;
}

/*
 * Copies up to `bytes` bytes from *position on and moves that behind them. What
 * has been overwritten, even while it was copied, is left out. Returns how many
 * bytes; 0: there are no more.
 */
static inline uint64_t ring_read(const char *ring, uint64_t size, const uint64_t *end,
				 uint64_t *position, void *to, uint64_t bytes)
{
	uint64_t from, n, oldest, lost;
	char *text = to;

	do {
		n = __atomic_load_n(end, __ATOMIC_ACQUIRE);
		oldest = ring_oldest(n, size);
		from = *position > oldest ? *position : oldest;
		n = n - from < bytes ? n - from : bytes;
		for (uint64_t i = 0; i < n; i++)
			text[i] = __atomic_load_n(&ring[(from + i) % size], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		oldest = ring_oldest(__atomic_load_n(end, __ATOMIC_RELAXED), size);
		lost = oldest > from ? oldest - from : 0;
	} while (n && lost >= n);
	if (!n)
		return 0;
	*position = from + n;
	memmove(text, text + lost, n - lost);
	return n - lost;
}
