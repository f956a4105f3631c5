/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address decoder of a guest's machine: which device answers at a port or
 * at a memory address. Reads that nobody claims give all ones, writes vanish.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

enum bus_space { BUS_PIO, BUS_MMIO, BUS_SPACES };

/*
 * `instance` tells devices of one kind apart (an index into machine_state);
 * `offset` is relative to the range's base; size is 1, 2, 4 or 8 bytes (8:
 * MMIO only). An access never crosses the end of the range.
 */
struct io_ops {
	uint64_t (*read)(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size);
	void (*write)(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		      uint64_t value);
};

/* The `write` of what can only be read. */
void bus_ignore(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size, uint64_t value);

#define BUS_RANGES 96 /* the board, and of each PCI slot two BARs of a kind */
struct bus_range {
	uint64_t base, size;
	const struct io_ops *ops;
	uint32_t instance;
};

struct bus {
	struct bus_range range[BUS_SPACES][BUS_RANGES]; /* sorted by base */
	unsigned count[BUS_SPACES];
	/* Where the latest access went; NULL: nowhere. */
	const struct bus_range *hit[BUS_SPACES];
};

/* Returns 0, or -1 if the table is full or the range overlaps another. */
int bus_add(struct vm *vm, enum bus_space space, uint64_t base, uint64_t size,
	    const struct io_ops *ops, uint32_t instance);
void bus_remove(struct vm *vm, enum bus_space space, uint64_t base);

uint64_t bus_read(struct vm *vm, enum bus_space space, uint64_t addr, unsigned size);
void bus_write(struct vm *vm, enum bus_space space, uint64_t addr, unsigned size, uint64_t value);
