/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration mechanism #1 and the functions of bus 0 (PCI Local Bus
 * Specification 3.0, sections 3.2.2.3.2 and 6).
 */
#include "guests/dom0/machine/pci.h"

#include <string.h>

#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/msix.h"
#include "guests/dom0/machine/pci_regs.h"
#include "guests/dom0/machine/pic.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BITS   0x80fffffcu
#define PORT_ADDRESS   0u /* offsets from 0xcf8 */
#define PORT_RESET     1u
#define PORT_DATA      4u

/* Where BARs are at first: in the root bridge's windows of the DSDT. */
#define IO_FIRST   0xc000u
#define IO_END     0x10000ull
#define MMIO_FIRST 0xfe000000u
#define MMIO_END   0xfec00000ull

#define ADDRESS_END 0x100000000ull /* BARs of 32 bits */
#define LAPIC_BASE  0xfee00000ull
#define LAPIC_END   0xfee01000ull

#define GSI_FIRST 16u /* of the slots' pins, four of them in turn */
#define ISA_FIRST 10u /* the same interrupts at the PICs: 10 and 11 */

struct pci_function *pci_slot(struct vm *vm, unsigned slot)
{
	struct pci_function *f;

	if (slot >= PCI_SLOTS)
		return NULL;
	f = &vm->state->pci.function[slot];
	return f->present ? f : NULL;
}

static const struct platform *runtime(const struct vm *vm)
{
	return vm->platform;
}

static uint32_t get(const uint8_t *config, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	memcpy(&value, config + offset, size);
	return value;
}

static void put(uint8_t *config, unsigned offset, unsigned size, uint32_t value)
{
	memcpy(config + offset, &value, size);
}

static unsigned bar_offset(unsigned bar)
{
	return PCI_BAR0 + 4 * bar;
}

static bool bar_is_io(const struct pci_function *f, unsigned bar)
{
	return f->config[bar_offset(bar)] & PCI_BAR_IO;
}

/* Memory where neither RAM nor the local APIC answers before a BAR does. */
static bool mmio_free(const struct vm *vm, uint64_t base, uint64_t size)
{
	uint64_t ram = vm->ram_bytes < VM_RAM_BELOW_4G ? vm->ram_bytes : VM_RAM_BELOW_4G;

	return base >= ram && base + size <= ADDRESS_END &&
	       (base + size <= LAPIC_BASE || base >= LAPIC_END);
}

/*
 * Where the registers want the BAR to be decoded, or PCI_NO_BASE: anywhere in the 64 KiB of ports
 * or below 4 GiB, also outside of the windows of _CRS.
 */
static uint64_t bar_wanted(const struct vm *vm, const struct pci_function *f, unsigned bar)
{
	uint32_t command = get(f->config, PCI_COMMAND, 2), size = f->bar_size[bar];
	uint32_t value = get(f->config, bar_offset(bar), 4);
	uint64_t base;

	if (size == 0)
		return PCI_NO_BASE;
	base = value & ~(size - 1);
	if (value & PCI_BAR_IO) {
		if (!(command & PCI_COMMAND_IO) || base == 0 || base + size > IO_END)
			return PCI_NO_BASE;
	} else if (!(command & PCI_COMMAND_MEMORY) || !mmio_free(vm, base, size)) {
		return PCI_NO_BASE;
	}
	return base;
}

/* A BAR of ports that is being sized: it has all the bits that can be written, and no such ports.
 */
static bool being_sized(const struct pci_function *f, unsigned bar)
{
	uint32_t mask = get(f->writable, bar_offset(bar), 4);

	return bar_is_io(f, bar) && (get(f->config, bar_offset(bar), 4) & mask) == mask;
}

/*
 * The bits of the command register that are on although a BAR of theirs is not decoded, since it
 * lies on RAM, on a device of the board, on another BAR or beyond the addresses that there are. The
 * guest reads them as off.
 */
static uint32_t not_decoded(const struct pci_function *f)
{
	uint32_t command = get(f->config, PCI_COMMAND, 2), off = 0;

	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (f->bar_size[bar] != 0 && f->bar_base[bar] == PCI_NO_BASE &&
		    !being_sized(f, bar))
			off |= bar_is_io(f, bar) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	return command & off;
}

/* Says once that a BAR cannot be decoded where the guest has put it. */
static void complain(struct vm *vm, unsigned slot)
{
	struct pci_function *f = &vm->state->pci.function[slot];
	uint8_t off = (uint8_t)not_decoded(f);

	if (off & ~f->complained)
		vm_log(vm, "PCI 00:%02x.0: a BAR for %s lies where something else is, and is off",
		       slot, off & ~f->complained & PCI_COMMAND_IO ? "ports" : "memory");
	f->complained = off;
}

static void bar_move(struct vm *vm, unsigned slot, unsigned bar, uint64_t to)
{
	struct pci_function *f = &vm->state->pci.function[slot];
	const struct pci_ops *ops = runtime(vm)->pci_ops[slot];
	uint32_t instance = runtime(vm)->pci_instance[slot];
	enum bus_space space = bar_is_io(f, bar) ? BUS_PIO : BUS_MMIO;
	uint64_t from = f->bar_base[bar];
	int status;

	if (to == PCI_NO_BASE) {
		bus_remove(vm, space, from);
	} else {
		if (f->msix_cap && bar == f->msix_bar)
			status = bus_add(vm, space, to, f->bar_size[bar], &msix_ops, slot);
		else if (ops && ops->bar[bar])
			status = bus_add(vm, space, to, f->bar_size[bar], ops->bar[bar], instance);
		else
			return;
		if (status != 0)
			return; /* on top of something: tried again later */
	}
	f->bar_base[bar] = to;
	if (ops && ops->bar_moved)
		ops->bar_moved(vm, instance, bar, from, to);
}

/* Brings the decoders in line with the registers: what moves goes away first,
 * so that BARs can take each other's places. */
static void update_bars(struct vm *vm)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < PCI_SLOTS * PCI_BARS; i++) {
			unsigned slot = i / PCI_BARS, bar = i % PCI_BARS;
			struct pci_function *f = pci_slot(vm, slot);
			uint64_t wanted;

			if (!f || f->bar_size[bar] == 0)
				continue;
			wanted = bar_wanted(vm, f, bar);
			if (wanted == f->bar_base[bar])
				continue;
			if (pass == 0 && f->bar_base[bar] != PCI_NO_BASE)
				bar_move(vm, slot, bar, PCI_NO_BASE);
			else if (pass == 1)
				bar_move(vm, slot, bar, wanted);
		}
	}
}

/* The lines are shared: up as long as one function asserts its pin. */
static void update_intx(struct vm *vm)
{
	struct pci_state *s = &vm->state->pci;
	uint32_t level = 0, changed;

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		const struct pci_function *f = &s->function[slot];

		if (f->present && f->intx &&
		    !(get(f->config, PCI_COMMAND, 2) & PCI_COMMAND_NO_INTX) && !msix_is_enabled(f))
			level |= 1u << slot % 4;
	}
	changed = level ^ s->gsi_level;
	s->gsi_level = level;
	for (unsigned n = 0; n < 4; n++)
		if (changed >> n & 1)
			vm_irq(vm, GSI_FIRST + n, level >> n & 1);
	if (changed & 5)
		pic_set(vm, ISA_FIRST, level & 5);
	if (changed & 10)
		pic_set(vm, ISA_FIRST + 1, level & 10);
}

void pci_intx(struct vm *vm, unsigned slot, bool level)
{
	struct pci_function *f = pci_slot(vm, slot);
	uint32_t status;

	if (!f || f->intx == level)
		return;
	f->intx = level;
	status = get(f->config, PCI_STATUS, 2) & ~PCI_STATUS_INTERRUPT;
	put(f->config, PCI_STATUS, 2, status | (level ? PCI_STATUS_INTERRUPT : 0));
	update_intx(vm);
}

static bool overlaps(unsigned offset, unsigned size, unsigned first, unsigned bytes)
{
	return offset < first + bytes && first < offset + size;
}

static uint32_t config_read(struct vm *vm, unsigned offset, unsigned size)
{
	uint32_t address = vm->state->pci.address;
	unsigned slot = address >> 11 & 31;
	const struct pci_ops *ops;
	struct pci_function *f;

	/* Only bus 0, only function 0 of each slot. */
	if (!(address & ADDRESS_ENABLE) || address & 0xff0700)
		return UINT32_MAX;
	f = pci_slot(vm, slot);
	if (!f)
		return UINT32_MAX;
	offset += address & 0xfc;
	ops = runtime(vm)->pci_ops[slot];
	if (ops && ops->config_read)
		ops->config_read(vm, runtime(vm)->pci_instance[slot], offset, size);
	if (offset == PCI_COMMAND)
		return get(f->config, offset, size) & ~not_decoded(f);
	return get(f->config, offset, size);
}

static void config_write(struct vm *vm, unsigned offset, unsigned size, uint32_t value)
{
	uint32_t address = vm->state->pci.address;
	unsigned slot = address >> 11 & 31;
	const struct pci_ops *ops;
	struct pci_function *f;
	uint32_t mask, old;
	bool command, msix;

	if (!(address & ADDRESS_ENABLE) || address & 0xff0700)
		return;
	f = pci_slot(vm, slot);
	if (!f)
		return;
	offset += address & 0xfc;
	mask = get(f->writable, offset, size);
	old = get(f->config, offset, size);
	put(f->config, offset, size, (old & ~mask) | (value & mask));

	command = overlaps(offset, size, PCI_COMMAND, 2);
	msix = f->msix_cap && overlaps(offset, size, f->msix_cap, 4);
	if (command || overlaps(offset, size, PCI_BAR0, 24)) {
		update_bars(vm);
		complain(vm, slot);
	}
	if (msix)
		msix_control_written(vm, slot);
	if (command || msix)
		update_intx(vm);
	ops = runtime(vm)->pci_ops[slot];
	if (ops && ops->config_written)
		ops->config_written(vm, runtime(vm)->pci_instance[slot], offset, size);
}

static uint64_t pci_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	struct pci_state *s = &vm->state->pci;

	(void)instance;
	if (offset >= PORT_DATA)
		return config_read(vm, (unsigned)(offset - PORT_DATA), size);
	if (offset == PORT_ADDRESS && size == 4)
		return s->address;
	if (offset == PORT_RESET && size == 1)
		return vm->state->acpi.reset_control;
	return UINT64_MAX;
}

static void pci_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		      uint64_t value)
{
	(void)instance;
	if (offset >= PORT_DATA)
		config_write(vm, (unsigned)(offset - PORT_DATA), size, (uint32_t)value);
	else if (offset == PORT_ADDRESS && size == 4)
		vm->state->pci.address = (uint32_t)value & ADDRESS_BITS;
	else if (offset == PORT_RESET && size == 1)
		acpi_reset_control(vm, (uint8_t)value);
}

static const struct io_ops pci_io_ops = {pci_read, pci_write};

static const struct pci_ids bridge_ids = {
	.vendor = 0x1b36, /* the generic host bridge of the Red Hat ids */
	.device = 0x0008,
	.subvendor = 0x1af4,
	.subdevice = 0x1100,
	.class_code = 0x060000,
};

int pci_add_function(struct vm *vm, unsigned slot, const struct pci_ids *ids,
		     const struct pci_ops *ops, uint32_t instance)
{
	struct platform *platform = vm->platform;
	struct pci_function *f;

	if (slot >= PCI_SLOTS || vm->state->pci.function[slot].present)
		return -1;
	f = &vm->state->pci.function[slot];
	*f = (struct pci_function){.present = 1, .cap_end = PCI_FIRST_CAP};
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		f->bar_base[bar] = PCI_NO_BASE;
	platform->pci_ops[slot] = ops;
	platform->pci_instance[slot] = instance;

	put(f->config, PCI_VENDOR, 2, ids->vendor);
	put(f->config, PCI_DEVICE, 2, ids->device);
	put(f->config, PCI_REVISION, 4, ids->class_code << 8 | ids->revision);
	put(f->config, PCI_SUBVENDOR, 2, ids->subvendor);
	put(f->config, PCI_SUBDEVICE, 2, ids->subdevice);
	put(f->writable, PCI_COMMAND, 2,
	    PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
	put(f->writable, PCI_CACHE_LINE, 2, 0xffff);
	if (ids->intx) {
		f->config[PCI_INTERRUPT_PIN] = 1;
		f->config[PCI_INTERRUPT_LINE] = (uint8_t)(ISA_FIRST + slot % 2);
		f->writable[PCI_INTERRUPT_LINE] = 0xff;
	}
	return 0;
}

int pci_add_bar(struct vm *vm, unsigned slot, unsigned bar, enum bus_space space, uint32_t size)
{
	struct pci_state *s = &vm->state->pci;
	struct pci_function *f = pci_slot(vm, slot);
	uint64_t end = space == BUS_PIO ? IO_END : MMIO_END;
	uint32_t *next = space == BUS_PIO ? &s->next_io : &s->next_mmio;
	uint32_t least = space == BUS_PIO ? 4 : 16, step;
	uint64_t base;

	if (!f || bar >= PCI_BARS || f->bar_size[bar] != 0 || size < least || size & (size - 1))
		return -1;
	if (space == BUS_PIO && size > 256)
		return -1;
	base = ((uint64_t)*next + size - 1) & ~(uint64_t)(size - 1);
	/* Ports in steps of 256, memory in pages: nothing shares one. */
	step = space == BUS_PIO ? 256 : size < 4096 ? 4096 : size;
	if (base + step > end)
		return -1;
	*next = (uint32_t)(base + step);
	f->bar_size[bar] = size;
	f->bar_reset[bar] = (uint32_t)base | (space == BUS_PIO ? PCI_BAR_IO : 0);
	put(f->config, bar_offset(bar), 4, f->bar_reset[bar]);
	put(f->writable, bar_offset(bar), 4, ~(size - 1));
	return 0;
}

unsigned pci_add_capability(struct vm *vm, unsigned slot, uint8_t id, const void *body,
			    size_t bytes)
{
	struct pci_function *f = pci_slot(vm, slot);
	unsigned at, last = PCI_CAP_POINTER;

	if (!f || bytes > 256 - 2 || f->cap_end + bytes + 2 > 256 || f->cap_end == 0)
		return 0;
	at = f->cap_end;
	/* The list keeps the order of the calls. */
	while (f->config[last] != 0)
		last = f->config[last] + 1u;
	f->config[last] = (uint8_t)at;
	f->config[at] = id;
	f->config[at + 1] = 0;
	memcpy(f->config + at + 2, body, bytes);
	put(f->config, PCI_STATUS, 2, get(f->config, PCI_STATUS, 2) | PCI_STATUS_CAPS);
	f->cap_end = (uint8_t)((at + 2 + bytes + 3) & ~3ull); /* 0: full */
	return at;
}

void pci_enable_bars(struct vm *vm, unsigned slot)
{
	struct pci_function *f = pci_slot(vm, slot);

	if (!f)
		return;
	f->config[PCI_COMMAND] |= PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	update_bars(vm);
}

void pci_resume_function(struct vm *vm, unsigned slot, const struct pci_ops *ops, uint32_t instance)
{
	struct platform *platform = vm->platform;
	struct pci_function *f = pci_slot(vm, slot);

	if (!f)
		return;
	platform->pci_ops[slot] = ops;
	platform->pci_instance[slot] = instance;
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		f->bar_base[bar] = PCI_NO_BASE; /* the bus is a new one */
	update_bars(vm);
}

void pci_remove_function(struct vm *vm, unsigned slot)
{
	struct platform *platform = vm->platform;
	struct pci_function *f = pci_slot(vm, slot);

	if (!f)
		return;
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (f->bar_size[bar] != 0 && f->bar_base[bar] != PCI_NO_BASE)
			bar_move(vm, slot, bar, PCI_NO_BASE);
	pci_intx(vm, slot, false);
	f->present = 0;
	platform->pci_ops[slot] = NULL;
}

uint8_t *pci_config(struct vm *vm, unsigned slot)
{
	struct pci_function *f = pci_slot(vm, slot);

	return f ? f->config : NULL;
}

uint8_t *pci_writable(struct vm *vm, unsigned slot)
{
	struct pci_function *f = pci_slot(vm, slot);

	return f ? f->writable : NULL;
}

bool pci_bus_master(struct vm *vm, unsigned slot)
{
	const struct pci_function *f = pci_slot(vm, slot);

	return f && f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

static void reset_function(struct pci_function *f, unsigned slot)
{
	for (unsigned i = 0; i < sizeof(f->config); i++)
		f->config[i] &= (uint8_t)~f->writable[i];
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (f->bar_size[bar] != 0)
			put(f->config, bar_offset(bar), 4, f->bar_reset[bar]);
	f->config[PCI_COMMAND] |= PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (f->config[PCI_INTERRUPT_PIN])
		f->config[PCI_INTERRUPT_LINE] = (uint8_t)(ISA_FIRST + slot % 2);
	f->intx = 0;
	msix_reset(f);
}

void pci_reset(struct vm *vm)
{
	struct pci_state *s = &vm->state->pci;

	s->address = 0;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (s->function[slot].present)
			reset_function(&s->function[slot], slot);
	update_bars(vm);
	update_intx(vm);
}

int pci_resume(struct vm *vm)
{
	return bus_add(vm, BUS_PIO, 0xcf8, 8, &pci_io_ops, 0);
}

int pci_init(struct vm *vm)
{
	struct pci_state *s = &vm->state->pci;

	memset(s, 0, sizeof(*s));
	s->next_io = IO_FIRST;
	s->next_mmio = MMIO_FIRST;
	if (pci_add_function(vm, 0, &bridge_ids, NULL, 0) != 0)
		return -1;
	pci_enable_bars(vm, 0);
	return pci_resume(vm);
}
