/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/slab.h"
#include "kernel/frame.h"
#include "kernel/panic.h"

struct object {
	struct object *next;
};

/* At the start of each page; the objects follow. */
struct slab_page {
	struct list list; /* in slab->partial */
	struct slab *slab;
	struct object *free;
	uint32_t used, untouched; /* objects; those never yet given out, at the end */
};

static uint32_t stride(const struct slab *slab)
{
	return (slab->size + 15) & ~15u;
}

static struct slab_page *add_page(struct slab *slab)
{
	struct slab_page *page = page_alloc();

	if (!page)
		return NULL;
	page->slab = slab;
	page->untouched = (uint32_t)(FRAME_PAGE - sizeof(*page)) / stride(slab);
	slab->pages++;
	list_add(&slab->partial, &page->list);
	return page;
}

void *slab_alloc(struct slab *slab)
{
	struct slab_page *page = slab->partial ? (void *)slab->partial : add_page(slab);
	struct object *object;

	ASSERT(slab->size && slab->size <= SLAB_MAX);
	if (!page)
		return NULL;
	object = page->free;
	if (object)
		page->free = object->next;
	else
		object = (void *)((char *)page + FRAME_PAGE - page->untouched-- * stride(slab));
	page->used++;
	if (!page->free && !page->untouched)
		list_remove(&slab->partial, &page->list);
	slab->count++;
	__builtin_memset(object, 0, slab->size);
	return object;
}

void slab_free(struct slab *slab, void *freed)
{
	struct slab_page *page = (void *)((uintptr_t)freed & ~(uintptr_t)(FRAME_PAGE - 1));
	struct object *object = freed;

	ASSERT(page->slab == slab && page->used);
	if (!page->free && !page->untouched)
		list_add(&slab->partial, &page->list);
	object->next = page->free;
	page->free = object;
	slab->count--;
	if (--page->used)
		return;
	list_remove(&slab->partial, &page->list);
	slab->pages--;
	page_free(page);
}
