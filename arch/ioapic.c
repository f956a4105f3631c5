/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/ioapic.h"

#include "arch/cpu.h"
#include "arch/paging.h"
#include "kernel/base/lock.h"
#include "kernel/base/log.h"

/* 82093AA data sheet, chapter 3 */
#define SELECT      0x00u
#define WINDOW      0x10u
#define REG_VERSION 0x01u
#define REG_TABLE   0x10u
#define PIN_LOW     0x2000u /* active low */
#define PIN_WAITS   0x4000u /* remote IRR: for the end of the interrupt */
#define PIN_LEVEL   0x8000u
#define PIN_MASKED  0x10000u

struct ioapic {
	volatile uint8_t *page;
	uint32_t id, gsi_base, pins;
};

static struct ioapic ioapic[ACPI_IOAPICS];
static unsigned ioapics;
static struct lock ioapic_lock = {.rank = LOCK_IRQ}; /* a register takes two accesses */

static uint32_t read(const struct ioapic *io, uint32_t reg)
{
	mmio_write32(io->page + SELECT, reg);
	return mmio_read32(io->page + WINDOW);
}

static void write(const struct ioapic *io, uint32_t reg, uint32_t value)
{
	mmio_write32(io->page + SELECT, reg);
	mmio_write32(io->page + WINDOW, value);
}

/* The one that has this line, and the first of the line's two registers. */
static const struct ioapic *find(uint32_t gsi, uint32_t *reg)
{
	for (const struct ioapic *io = ioapic; io < ioapic + ioapics; io++) {
		*reg = REG_TABLE + 2 * (gsi - io->gsi_base);
		if (gsi - io->gsi_base < io->pins)
			return io;
	}
	return NULL;
}

bool ioapic_id(uint32_t gsi, uint32_t *id)
{
	uint32_t reg;
	const struct ioapic *io = find(gsi, &reg);

	*id = io ? io->id : 0;
	return io;
}

void ioapic_setup(void)
{
	for (unsigned i = 0; i < acpi.ioapics; i++) {
		struct ioapic *io = &ioapic[ioapics];

		io->page = phys_map(acpi.ioapic[i].address, 4096, MAP_DEVICE);
		if (!io->page)
			continue;
		io->id = acpi.ioapic[i].id;
		io->gsi_base = acpi.ioapic[i].gsi_base;
		io->pins = (read(io, REG_VERSION) >> 16 & 0xff) + 1;
		for (uint32_t pin = 0; pin < io->pins; pin++)
			write(io, REG_TABLE + 2 * pin, PIN_MASKED);
		log_print("ioapic: %u at %x, GSI %u to %u\n", acpi.ioapic[i].id,
			  acpi.ioapic[i].address, io->gsi_base, io->gsi_base + io->pins - 1);
		ioapics++;
	}
}

/*
 * The entry of a pin is two registers (82093AA, 3.2.4): it is masked while the two change, and
 * stays masked, so that no interrupt goes to half an address.
 */
bool ioapic_route(const struct ioapic_line *line, uint64_t entry)
{
	uint32_t reg;
	const struct ioapic *io = find(line->gsi, &reg);

	if (!io)
		return false;
	lock(&ioapic_lock);
	write(io, reg, PIN_MASKED);
	write(io, reg + 1, (uint32_t)(entry >> 32));
	write(io, reg,
	      PIN_MASKED | (uint32_t)entry | (line->active_low ? PIN_LOW : 0) |
		      (line->level ? PIN_LEVEL : 0));
	unlock(&ioapic_lock);
	return true;
}

/*
 * The end of a level-triggered interrupt reaches the pin by the vector in its entry. An AMD IOMMU
 * has an index there, so that the pin would wait for the end for ever. A masked pin that still
 * waits is made one of edges for a moment, which ends the wait (82093AA 3.2.4), before it is
 * unmasked.
 */
void ioapic_mask(uint32_t gsi, bool masked)
{
	uint32_t reg, value;
	const struct ioapic *io = find(gsi, &reg);

	if (!io)
		return;
	lock(&ioapic_lock);
	value = read(io, reg) | PIN_MASKED;
	if (!masked && value & PIN_WAITS) {
		write(io, reg, value & ~PIN_LEVEL);
		write(io, reg, value);
	}
	write(io, reg, masked ? value : value & ~PIN_MASKED);
	unlock(&ioapic_lock);
}

/* 8259A data sheet: ICW1-4, then all lines masked. */
void pic_disable(void)
{
	static const struct {
		uint8_t port, value;
	} sequence[] = {
		{0x20, 0x11}, {0xa0, 0x11}, {0x21, PIC_VECTOR}, {0xa1, PIC_VECTOR + 8},
		{0x21, 4},    {0xa1, 2},    {0x21, 1},          {0xa1, 1},
		{0x21, 0xff}, {0xa1, 0xff},
	};

	for (unsigned i = 0; i < COUNT_OF(sequence); i++)
		port_out8(sequence[i].port, sequence[i].value);
}
