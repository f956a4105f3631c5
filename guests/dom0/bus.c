/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/bus.h"

#include <string.h>

#include "guests/dom0/vm.h"

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << size * 8) - 1;
}

/* The first range that ends after addr; count if there is none. */
static unsigned search(const struct bus *bus, enum bus_space space,
		       uint64_t addr)
{
	unsigned low = 0, high = bus->count[space];

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct bus_range *r = &bus->range[space][middle];

		if (addr >= r->base && addr - r->base >= r->size)
			low = middle + 1;
		else if (addr < r->base)
			high = middle;
		else
			return middle;
	}
	return low;
}

static bool holds(const struct bus_range *r, uint64_t addr, unsigned size)
{
	return addr >= r->base && addr - r->base < r->size &&
	       r->size - (addr - r->base) >= size;
}

/* The range that holds the access whole, or NULL. Most accesses go where the
 * one before went. */
static inline const struct bus_range *find(struct bus *bus,
					   enum bus_space space, uint64_t addr,
					   unsigned size)
{
	const struct bus_range *r = &bus->range[space][bus->last[space]];
	unsigned i;

	if (__builtin_expect(holds(r, addr, size), 1))
		return r;
	i = search(bus, space, addr);
	if (i == bus->count[space] || !holds(&bus->range[space][i], addr, size))
		return NULL;
	bus->last[space] = i;
	return &bus->range[space][i];
}

/* Part of the access may be claimed: some range begins or ends within it. */
static bool partly(const struct bus *bus, enum bus_space space, uint64_t addr,
		   unsigned size)
{
	unsigned i = search(bus, space, addr);

	if (i == bus->count[space])
		return false;
	return bus->range[space][i].base <= addr ||
	       bus->range[space][i].base - addr < size;
}

uint64_t bus_read(struct vm *vm, enum bus_space space, uint64_t addr,
		  unsigned size)
{
	const struct bus_range *r = find(&vm->bus, space, addr, size);
	uint64_t value = 0;

	if (r)
		return r->ops->read(vm, r->instance, addr - r->base, size) &
		       ones(size);
	if (size == 1 || !partly(&vm->bus, space, addr, size))
		return ones(size);
	for (unsigned i = 0; i < size; i++)
		value |= bus_read(vm, space, addr + i, 1) << i * 8;
	return value;
}

void bus_write(struct vm *vm, enum bus_space space, uint64_t addr,
	       unsigned size, uint64_t value)
{
	const struct bus_range *r = find(&vm->bus, space, addr, size);

	if (r) {
		r->ops->write(vm, r->instance, addr - r->base, size,
			      value & ones(size));
		return;
	}
	if (size == 1 || !partly(&vm->bus, space, addr, size))
		return;
	for (unsigned i = 0; i < size; i++)
		bus_write(vm, space, addr + i, 1, value >> i * 8);
}

int bus_add(struct vm *vm, enum bus_space space, uint64_t base, uint64_t size,
	    const struct io_ops *ops, uint32_t instance)
{
	struct bus *bus = &vm->bus;
	struct bus_range *table = bus->range[space];
	unsigned n = bus->count[space], at;

	if (!size || base + size - 1 < base || n == BUS_RANGES)
		return -1;
	at = search(bus, space, base);
	if (at < n && (table[at].base <= base || table[at].base - base < size))
		return -1;
	memmove(&table[at + 1], &table[at], (n - at) * sizeof(table[0]));
	table[at] = (struct bus_range){ base, size, ops, instance };
	bus->count[space] = n + 1;
	bus->last[space] = at;
	return 0;
}

void bus_remove(struct vm *vm, enum bus_space space, uint64_t base)
{
	struct bus *bus = &vm->bus;
	struct bus_range *table = bus->range[space];
	unsigned n = bus->count[space], at = search(bus, space, base);

	if (at == n || table[at].base != base)
		return;
	memmove(&table[at], &table[at + 1], (n - at - 1) * sizeof(table[0]));
	memset(&table[n - 1], 0, sizeof(table[0]));
	bus->count[space] = n - 1;
	bus->last[space] = 0;
}
