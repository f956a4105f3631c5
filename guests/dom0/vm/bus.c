/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/vm/bus.h"

#include <string.h>

#include "guests/dom0/vm/vm.h"

/* All bits of an access of so many bytes. */
static const uint64_t ones[9] = {
	[1] = 0xff,
	[2] = 0xffff,
	[4] = 0xffffffff,
	[8] = UINT64_MAX,
};

/* The first range that ends after addr; count if there is none. */
static unsigned search(const struct bus *bus, enum bus_space space, uint64_t addr)
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

static inline bool holds(const struct bus_range *r, uint64_t addr, unsigned size)
{
	uint64_t offset = addr - r->base; /* huge if below the base */

	return offset < r->size && r->size - offset >= size;
}

/* Does the access at least touch the range, the first that ends after it? */
static bool touches(const struct bus *bus, enum bus_space space, unsigned i, uint64_t addr,
		    unsigned size)
{
	const struct bus_range *r = &bus->range[space][i];

	return i < bus->count[space] && (r->base <= addr || r->base - addr < size);
}

/* Not where the access before went. Bytes that are only partly claimed go one
 * by one. */
static __attribute__((noinline)) uint64_t read_elsewhere(struct vm *vm, enum bus_space space,
							 uint64_t addr, unsigned size)
{
	struct bus *bus = &vm->bus;
	unsigned i = search(bus, space, addr);
	const struct bus_range *r = &bus->range[space][i];
	uint64_t value = 0;

	if (!touches(bus, space, i, addr, size))
		return ones[size];
	if (holds(r, addr, size)) {
		bus->hit[space] = r;
		return r->ops->read(vm, r->instance, addr - r->base, size) & ones[size];
	}
	for (i = 0; i < size; i++)
		value |= bus_read(vm, space, addr + i, 1) << i * 8;
	return value;
}

static __attribute__((noinline)) void write_elsewhere(struct vm *vm, enum bus_space space,
						      uint64_t addr, unsigned size, uint64_t value)
{
	struct bus *bus = &vm->bus;
	unsigned i = search(bus, space, addr);
	const struct bus_range *r = &bus->range[space][i];

	if (!touches(bus, space, i, addr, size))
		return;
	if (holds(r, addr, size)) {
		bus->hit[space] = r;
		r->ops->write(vm, r->instance, addr - r->base, size, value & ones[size]);
		return;
	}
	for (i = 0; i < size; i++)
		bus_write(vm, space, addr + i, 1, value >> i * 8);
}

/* Most accesses go where the one before went. */
uint64_t bus_read(struct vm *vm, enum bus_space space, uint64_t addr, unsigned size)
{
	const struct bus_range *r = vm->bus.hit[space];

	if (__builtin_expect(!r || !holds(r, addr, size), 0))
		return read_elsewhere(vm, space, addr, size);
	return r->ops->read(vm, r->instance, addr - r->base, size) & ones[size];
}

void bus_write(struct vm *vm, enum bus_space space, uint64_t addr, unsigned size, uint64_t value)
{
	const struct bus_range *r = vm->bus.hit[space];

	if (__builtin_expect(!r || !holds(r, addr, size), 0)) {
		write_elsewhere(vm, space, addr, size, value);
		return;
	}
	r->ops->write(vm, r->instance, addr - r->base, size, value & ones[size]);
}

void bus_ignore(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size, uint64_t value)
{
	(void)vm;
	(void)instance;
	(void)offset;
	(void)size;
	(void)value;
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
	table[at] = (struct bus_range){base, size, ops, instance};
	bus->count[space] = n + 1;
	bus->hit[space] = NULL;
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
	bus->hit[space] = NULL;
}
