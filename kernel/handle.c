/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/handle.h"

#include "kernel/abi.h"
#include "kernel/domain.h"

static struct handle *entry_at(struct handle_table *table, uint64_t index)
{
	struct handle *page = index < HANDLE_PAGES * HANDLES_PER_PAGE
				      ? table->page[index / HANDLES_PER_PAGE]
				      : NULL;

	return page ? page + index % HANDLES_PER_PAGE : NULL;
}

int64_t handle_add(struct domain *domain, struct object *object, uint32_t rights)
{
	struct handle_table *table = &domain->handles;
	uint32_t index = table->free_hint;
	struct handle *entry;

	while ((entry = entry_at(table, index)) && entry->object)
		index++;
	if (!entry) {
		if (index >= HANDLE_PAGES * HANDLES_PER_PAGE)
			return SAMPO_ENOMEM;
		table->page[index / HANDLES_PER_PAGE] = domain_page_alloc(domain);
		entry = entry_at(table, index);
		if (!entry)
			return SAMPO_ENOMEM;
	}
	object_get(object);
	*entry = (struct handle){object, rights, index};
	table->used++;
	table->free_hint = index + 1;
	return index + 1;
}

struct handle *handle_find(struct domain *domain, uint64_t handle, uint32_t type, uint32_t rights,
			   int64_t *status)
{
	struct handle *entry = entry_at(&domain->handles, handle - 1);

	*status = SAMPO_EHANDLE;
	if (!entry || !entry->object)
		return NULL;
	if (type != SAMPO_T_ANY && entry->object->type != type)
		return NULL;
	*status = SAMPO_ERIGHT;
	if ((entry->rights & rights) != rights)
		return NULL;
	*status = SAMPO_OK;
	return entry;
}

void handle_remove(struct domain *domain, struct handle *entry)
{
	struct handle_table *table = &domain->handles;
	struct object *object = entry->object;

	entry->object = NULL;
	table->used--;
	if (entry->index < table->free_hint)
		table->free_hint = entry->index;
	object_put(object);
}

void handle_remove_all(struct domain *domain)
{
	struct handle_table *table = &domain->handles;

	for (uint32_t p = 0; p < HANDLE_PAGES; p++) {
		if (!table->page[p])
			continue;
		for (uint32_t i = 0; i < HANDLES_PER_PAGE; i++)
			if (table->page[p][i].object)
				handle_remove(domain, &table->page[p][i]);
		domain_page_free(domain, table->page[p]);
		table->page[p] = NULL;
	}
	table->free_hint = 0;
}
