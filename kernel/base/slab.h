/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of one size, carved from kernel pages; zeroed when allocated and
 * aligned to 16 bytes. Freed objects stay with their slab: each keeps the
 * memory of as many objects as there ever were at a time. */
#pragma once

#include "kernel/base/types.h"

struct slab_object;

struct slab {
	uint32_t size; /* of an object, at most a page */
	struct slab_object *free;
};

#define SLAB_INIT(type)                            \
	{                                          \
		.size = (sizeof(type) + 15) & ~15u \
	}

void *slab_alloc(struct slab *slab); /* NULL: no memory */
void slab_free(struct slab *slab, void *object);
