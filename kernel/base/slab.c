/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/base/slab.h"
#include "kernel/base/frame.h"

struct slab_object {
	struct slab_object *next;
};

void slab_free(struct slab *slab, void *freed)
{
	struct slab_object *object = freed;

	object->next = slab->free;
	slab->free = object;
}

void *slab_alloc(struct slab *slab)
{
	char *page = slab->free ? NULL : page_alloc();
	struct slab_object *object;

	for (uint32_t at = 0; page && at + slab->size <= FRAME_PAGE; at += slab->size)
		slab_free(slab, page + at);
	object = slab->free;
	if (!object)
		return NULL;
	slab->free = object->next;
	return __builtin_memset(object, 0, slab->size);
}
