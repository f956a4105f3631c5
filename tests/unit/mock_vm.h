/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest without a kernel under it, for tests of device code: time stands
 * until a test moves it, and what devices do to the outside is recorded. */
#pragma once

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/bus.h"
#include "guests/dom0/vm/memory.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define MOCK_RAM   (2u << 20)
#define MOCK_MSIS  64
#define MOCK_SHOWN 8

extern struct vm mock_vm;
extern struct vm_config mock_config;
extern struct machine_state mock_state;

extern struct mock_seen {
	struct {
		uint64_t address;
		uint32_t data;
	} msi[MOCK_MSIS]; /* the last ones, by count % MOCK_MSIS */
	unsigned msis;
	bool extint;      /* level of the wire from the PIC, */
	unsigned extints; /* and how often it was told */
	unsigned requests;
	enum vm_request request; /* the last one */
	unsigned output;
	uint8_t text[256]; /* the first bytes of the output */
	unsigned timers_fired;
	/* Where the guest reaches memory of its devices; size 0: an entry that is not in use. */
	struct {
		uint64_t gpa, size, offset;
		const struct vm_memory *memory;
		bool tracked;
	} shown[MOCK_SHOWN];
	bool no_room;     /* vm_memory_show fails */
	uint64_t written; /* the guest-physical page of such memory that the guest has written, */
	bool is_written;  /* if it has one */
	unsigned dirty_reads;
	unsigned logs;
	char log[256]; /* the last line */
} mock_seen;

/* The byte that the guest reaches at an address without dom0, NULL: none. */
uint8_t *mock_reach(uint64_t gpa);

/* A machine as platform_part makes it, everything forgotten before; for firmware if that is set. */
extern bool mock_firmware;
struct vm *mock_power_on(void);
void mock_power_off(void);

uint64_t mock_now(void);
void mock_set_wall(uint64_t unix_seconds);
/* Lets time pass, with the timers that are set. */
void mock_advance(uint64_t ns);
/* Bounded number of timer events within that time: false if there were more. */
bool mock_advance_bounded(uint64_t ns, unsigned events);

static inline uint8_t in8(uint16_t port)
{
	return (uint8_t)bus_read(&mock_vm, BUS_PIO, port, 1);
}

static inline uint16_t in16(uint16_t port)
{
	return (uint16_t)bus_read(&mock_vm, BUS_PIO, port, 2);
}

static inline uint32_t in32(uint16_t port)
{
	return (uint32_t)bus_read(&mock_vm, BUS_PIO, port, 4);
}

static inline void out8(uint16_t port, uint8_t value)
{
	bus_write(&mock_vm, BUS_PIO, port, 1, value);
}

static inline void out16(uint16_t port, uint16_t value)
{
	bus_write(&mock_vm, BUS_PIO, port, 2, value);
}

static inline void out32(uint16_t port, uint32_t value)
{
	bus_write(&mock_vm, BUS_PIO, port, 4, value);
}

static inline uint32_t read32(uint64_t address)
{
	return (uint32_t)bus_read(&mock_vm, BUS_MMIO, address, 4);
}

static inline void write32(uint64_t address, uint32_t value)
{
	bus_write(&mock_vm, BUS_MMIO, address, 4, value);
}
