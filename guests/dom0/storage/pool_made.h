/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the search for groups (find.c), pools as they are (pool.c) and their changes. */
#pragma once

#include "guests/dom0/storage/pool.h"

/* Finds the group's devices among `devices`, and makes block devices of its volumes. Returns false
 * if memory is exhausted. */
bool pool_bind(struct pool *pool, struct pool_device *devices);
/* Gives the pool another description of the same group, from metadata that its devices have by now.
 * Volumes that have not changed or have grown stay the block devices that they are. */
bool pool_replace(struct pool *pool, struct lvm_group *group);
/* Takes its block devices off the list and frees it. None of its volumes is in use. */
void pool_free(struct pool *pool);
/* The pool's devices are its own from now on. Returns the reason why they are not, or NULL. */
const char *pool_hold(struct pool *pool);

void pools_add(struct pool *pool);
void pools_add_device(struct pool_device *device);
/* Forgets what was on the device or on its partitions, pools too. */
void pools_drop_device(const struct blkdev *dev);
