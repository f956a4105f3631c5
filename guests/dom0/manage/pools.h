/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about pools and volumes under libvirt's names. */
#pragma once

#include "guests/dom0/storage/pool.h"

/* libvirt's kind of UUID, made from the group's identity. */
void pool_uuid(uint8_t uuid[16], const struct pool *pool);
void pool_uuid_text(char text[37], const struct pool *pool);
/* By the name, the identity or the UUID as text; NULL: none. */
struct pool *pool_found(const char *text);

struct pool_sizes {
	uint64_t capacity, allocation, available; /* bytes */
};
struct pool_sizes pool_sizes(const struct pool *pool);
/* libvirt's states, and their names: all, some or none of a pool's devices are there. */
enum pool_state { POOL_INACTIVE, POOL_RUNNING = 2, POOL_DEGRADED, POOL_INACCESSIBLE };
enum pool_state pool_state(const struct pool *pool);
const char *pool_state_name(const struct pool *pool);
/* The bytes of so many extents. */
uint64_t pool_bytes(const struct pool *pool, uint64_t extents);

/* A volume by its path or its identity, in any pool. */
bool volume_found(const char *text, struct pool **pool, uint32_t *lv);
