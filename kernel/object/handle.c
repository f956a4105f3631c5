/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/handle.h"

#include "kernel/abi.h"
#include "kernel/base/step.h"
#include "kernel/object/domain.h"

uint32_t handle_count;

static struct handle *entry_at(struct handle_table *table, uint64_t index)
{
	struct handle *page;

	if (index >= HANDLE_PAGES * HANDLES_PER_PAGE)
		return NULL;
	page = __atomic_load_n(&table->page[index / HANDLES_PER_PAGE], __ATOMIC_ACQUIRE);
	return page ? page + index % HANDLES_PER_PAGE : NULL;
}

static struct object *object_of(uint64_t word)
{
	return word & HANDLE_FREE ? NULL : (struct object *)(word & ((1ull << HANDLE_RIGHTS) - 1));
}

/*
 * Domains that only name themselves, or that only objects of their own keep, would run for ever
 * with nobody to end them. So handles that name a domain from outside of it are counted, and the
 * domain ends with the last of them.
 */
static void count_name(const struct domain *holder, struct object *object, uint32_t change)
{
	struct domain *named = CONTAINER_OF(object, struct domain, object);

	if (object->type != SAMPO_T_DOMAIN || named == holder)
		return;
	named->names += change;
	if (!named->names)
		domain_destroy(named);
}

/* The next one that has never been used, or NULL. */
static struct handle *new_entry(struct domain *domain)
{
	struct handle_table *table = &domain->handles;
	struct handle **page;

	if (table->made == HANDLE_PAGES * HANDLES_PER_PAGE)
		return NULL;
	page = &table->page[table->made / HANDLES_PER_PAGE];
	if (!*page)
		__atomic_store_n(page, domain_page_alloc(domain), __ATOMIC_RELEASE);
	if (!*page)
		return NULL;
	table->made++;
	return entry_at(table, table->made - 1);
}

int64_t handle_add(struct domain *domain, struct object *object, uint32_t rights)
{
	struct handle_table *table = &domain->handles;
	uint32_t index = table->free ? table->free - 1 : table->made;
	struct handle *entry = table->free ? entry_at(table, index) : new_entry(domain);

	if (!entry)
		return SAMPO_ENOMEM;
	if (table->free)
		table->free = (uint32_t)(READ_ONCE(entry->word) >> 1);
	object_get(object);
	__atomic_store_n(&entry->word, (uint64_t)object | (uint64_t)rights << HANDLE_RIGHTS,
			 __ATOMIC_RELEASE);
	table->used++;
	handle_count++;
	count_name(domain, object, 1);
	return index + 1;
}

struct object *handle_find(struct domain *domain, uint64_t handle, uint32_t type, uint32_t *rights,
			   int64_t *status)
{
	const struct handle *entry = entry_at(&domain->handles, handle - 1);
	uint32_t needed = *rights;
	struct object *object;
	uint64_t word;

	*status = SAMPO_EHANDLE;
	if (!entry)
		return NULL;
	word = __atomic_load_n(&entry->word, __ATOMIC_ACQUIRE);
	object = object_of(word);
	if (!object || (type != SAMPO_T_ANY && object->type != type))
		return NULL;
	*rights = (uint32_t)(word >> HANDLE_RIGHTS);
	*status = (*rights & needed) == needed ? SAMPO_OK : SAMPO_ERIGHT;
	return *status ? NULL : object;
}

/*
 * A free entry holds the index of the next free one above the bit HANDLE_FREE: the list of free
 * entries takes no memory of its own.
 */
static void remove(struct domain *domain, struct handle *entry, uint32_t index)
{
	struct handle_table *table = &domain->handles;
	struct object *object = object_of(READ_ONCE(entry->word));

	__atomic_store_n(&entry->word, (uint64_t)table->free << 1 | HANDLE_FREE, __ATOMIC_RELEASE);
	table->free = index + 1;
	table->used--;
	handle_count--;
	count_name(domain, object, -1u);
	object_put(object);
}

void handle_remove(struct domain *domain, uint64_t handle)
{
	remove(domain, entry_at(&domain->handles, handle - 1), (uint32_t)handle - 1);
}

bool handle_remove_some(struct domain *domain)
{
	struct handle_table *table = &domain->handles;
	unsigned left = STEP_PARTS;

	for (uint32_t p = 0; p < HANDLE_PAGES; p++) {
		if (!table->page[p])
			continue;
		for (uint32_t i = 0; i < HANDLES_PER_PAGE && left; i++) {
			if (!object_of(READ_ONCE(table->page[p][i].word)))
				continue;
			remove(domain, &table->page[p][i], 0);
			left--;
		}
		if (!left)
			return true;
		domain_page_free(domain, table->page[p]);
		table->page[p] = NULL;
		return true;
	}
	return false;
}
