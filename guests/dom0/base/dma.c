/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that devices reach: one contiguous piece, given out in granules of
 * 256 bytes, first fit at the alignment that a size asks for. Drivers take
 * theirs once at their start, so searching may be slow.
 */
#include "guests/dom0/base/dma.h"

#include <string.h>

#include "drivers/env.h"

#define GRANULE  256u
#define GRANULES 262144u /* 64 MiB at most */

static uint8_t *pool;
static uint64_t pool_bus;
static size_t pool_granules, granules_used;
static uint64_t taken[GRANULES / 64];

void dma_init(void *memory, uint64_t bytes, uint64_t bus)
{
	pool = memory;
	pool_bus = bus;
	pool_granules = bytes / GRANULE < GRANULES ? bytes / GRANULE : GRANULES;
	granules_used = 0;
	memset(taken, 0, sizeof(taken));
}

uint64_t dma_used(void)
{
	return (uint64_t)granules_used * GRANULE;
}

static size_t granules(size_t bytes)
{
	return (bytes + GRANULE - 1) / GRANULE;
}

static size_t power_of_two(size_t n)
{
	size_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static bool is_free(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (taken[i / 64] & 1ull << i % 64)
			return false;
	return true;
}

static void mark(size_t first, size_t n, bool take)
{
	for (size_t i = first; i < first + n; i++) {
		if (take)
			taken[i / 64] |= 1ull << i % 64;
		else
			taken[i / 64] &= ~(1ull << i % 64);
	}
}

void *dma_alloc(size_t bytes, uint64_t *bus)
{
	size_t n = granules(bytes), step = power_of_two(n);

	if (!bytes || n > pool_granules)
		return NULL;
	for (size_t at = 0; at + n <= pool_granules; at += step) {
		if (!is_free(at, n))
			continue;
		mark(at, n, true);
		granules_used += n;
		*bus = pool_bus + (uint64_t)at * GRANULE;
		return memset(pool + at * GRANULE, 0, n * GRANULE);
	}
	return NULL;
}

void dma_free(void *memory, size_t bytes)
{
	size_t at, n = granules(bytes);

	if (!memory)
		return;
	at = (size_t)((uint8_t *)memory - pool) / GRANULE;
	if (at + n > pool_granules)
		return;
	mark(at, n, false);
	granules_used -= n;
}
