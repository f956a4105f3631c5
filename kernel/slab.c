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
	uint64_t used; /* objects */
} __attribute__((aligned(16)));

static void put(struct slab_page *page, struct object *object)
{
	object->next = page->free;
	page->free = object;
}

static struct slab_page *add_page(struct slab *slab)
{
	struct slab_page *page = page_alloc();
	uint32_t stride = (slab->size + 15) & ~15u;

	ASSERT(slab->size && slab->size <= SLAB_MAX);
	if (!page)
		return NULL;
	page->slab = slab;
	for (uint64_t at = sizeof(*page); at + stride <= FRAME_PAGE; at += stride)
		put(page, (struct object *)((char *)page + at));
	list_add(&slab->partial, &page->list);
	return page;
}

void *slab_alloc(struct slab *slab)
{
	struct slab_page *page = slab->partial ? (void *)slab->partial : add_page(slab);
	struct object *object;

	if (!page)
		return NULL;
	object = page->free;
	page->free = object->next;
	page->used++;
	if (!page->free)
		list_remove(&slab->partial, &page->list);
	return __builtin_memset(object, 0, slab->size);
}

void slab_free(struct slab *slab, void *freed)
{
	struct slab_page *page = (void *)((uintptr_t)freed & ~(uintptr_t)(FRAME_PAGE - 1));

	ASSERT(page->slab == slab && page->used);
	if (!page->free)
		list_add(&slab->partial, &page->list);
	put(page, freed);
	if (--page->used)
		return;
	list_remove(&slab->partial, &page->list);
	page_free(page);
}
