/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of one size, carved from kernel pages; zeroed when allocated and
 * aligned to 16 bytes. */
#pragma once

#include "kernel/list.h"

#define SLAB_MAX 4048u /* bytes of the largest object */

struct slab {
	uint32_t size; /* of an object, at most SLAB_MAX */
	struct list *partial; /* pages with free objects */
};

#define SLAB_INIT(type) { .size = sizeof(type) }

void *slab_alloc(struct slab *slab); /* NULL: no memory */
void slab_free(struct slab *slab, void *object);
