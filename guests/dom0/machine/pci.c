/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of bus 0 (PCI Local Bus Specification 3.0, section 6). pci_config.c has the ways
 * by which the guest reaches their configuration space.
 */
#include "guests/dom0/machine/pci.h"

#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/msix.h"
#include "guests/dom0/machine/pci_config.h"
#include "guests/dom0/machine/pci_regs.h"
#include "guests/dom0/machine/pic.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

/* Where BARs are at first: in the root bridge's windows of the DSDT. Large ones are in front of
 * those of emulated devices, and above 4 GiB. */
#define IO_FIRST    0xc000u
#define IO_END      0x10000ull
#define LARGE_FIRST VM_RAM_BELOW_4G
#define LARGE_END   0xfe000000ull
#define MMIO_FIRST  0xfe000000u
#define MMIO_END    0xfec00000ull

#define FOUR_GIB    0x100000000ull
#define ADDRESS_END (1ull << 48)
#define LAPIC_BASE  0xfee00000ull
#define LAPIC_END   0xfee01000ull

#define WIDE_LOW_MOST 0x10000000ull /* a larger BAR of 64 bits is above 4 GiB at first */

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

static uint8_t isa_line(unsigned slot)
{
	return (uint8_t)(PCI_ISA_10 >> slot % 4 & 1 ? ISA_FIRST : ISA_FIRST + 1);
}

/* 1, 2 or 4 bytes. */
static uint32_t get(const uint8_t *config, unsigned offset, unsigned size)
{
	const uint8_t *at = config + offset;
	uint32_t value;
	uint16_t half;

	if (size == sizeof(value)) {
		memcpy(&value, at, sizeof(value));
		return value;
	}
	if (size == sizeof(half)) {
		memcpy(&half, at, sizeof(half));
		return half;
	}
	return *at;
}

static void put(uint8_t *config, unsigned offset, unsigned size, uint32_t value)
{
	memcpy(config + offset, &value, size);
}

static unsigned bar_offset(unsigned bar)
{
	return bar == PCI_ROM ? PCI_ROM_BASE : PCI_BAR0 + 4 * bar;
}

/* Bit 0 of the ROM's register says that the ROM is decoded. */
static bool bar_is_io(const struct pci_function *f, unsigned bar)
{
	return bar != PCI_ROM && f->config[bar_offset(bar)] & PCI_BAR_IO;
}

/* A memory BAR of 64 bits, whose upper half is in the register behind it. */
static bool bar_is_wide(const struct pci_function *f, unsigned bar)
{
	return bar != PCI_ROM &&
	       (f->config[bar_offset(bar)] & (PCI_BAR_IO | PCI_BAR_KIND)) == PCI_BAR_WIDE;
}

static uint64_t get_bar(const struct pci_function *f, const uint8_t *from, unsigned bar)
{
	uint64_t value = get(from, bar_offset(bar), 4);

	if (bar_is_wide(f, bar))
		value |= (uint64_t)get(from, bar_offset(bar + 1), 4) << 32;
	return value;
}

static void put_bar(struct pci_function *f, uint8_t *to, unsigned bar, uint64_t value)
{
	put(to, bar_offset(bar), 4, (uint32_t)value);
	if (bar_is_wide(f, bar))
		put(to, bar_offset(bar + 1), 4, (uint32_t)(value >> 32));
}

/* Memory where neither RAM nor the local APIC answers before a BAR does. */
static bool mmio_free(const struct vm *vm, uint64_t base, uint64_t size)
{
	uint64_t ram = vm->ram_bytes < VM_RAM_BELOW_4G ? vm->ram_bytes : VM_RAM_BELOW_4G;
	uint64_t end = base + size;

	if (base < ram || end > ADDRESS_END || end < base)
		return false;
	if (end <= FOUR_GIB)
		return end <= LAPIC_BASE || base >= LAPIC_END;
	return base >= FOUR_GIB + (vm->ram_bytes - ram);
}

/*
 * Where the registers want the BAR to be decoded, or PCI_NO_BASE: anywhere in the 64 KiB of ports
 * or in memory that is not RAM, also outside of the windows of _CRS.
 */
static uint64_t bar_wanted(const struct vm *vm, const struct pci_function *f, unsigned bar)
{
	uint32_t command = get(f->config, PCI_COMMAND, 2);
	uint64_t size = f->bar_size[bar], value = get_bar(f, f->config, bar), base;

	if (size == 0)
		return PCI_NO_BASE;
	if (bar == PCI_ROM && !(value & PCI_ROM_ENABLE))
		return PCI_NO_BASE;
	base = value & ~(size - 1);
	if (bar_is_io(f, bar)) {
		if (!(command & PCI_COMMAND_IO) || base == 0 || base + size > IO_END)
			return PCI_NO_BASE;
	} else if (!(command & PCI_COMMAND_MEMORY) || !mmio_free(vm, base, size)) {
		return PCI_NO_BASE;
	}
	return base;
}

/* A BAR of ports, or of memory above 4 GiB, that is being sized: it has all the bits that can be
 * written, and there are no such addresses. */
static bool being_sized(const struct pci_function *f, unsigned bar)
{
	uint64_t mask = get_bar(f, f->writable, bar);

	return (bar_is_io(f, bar) || bar_is_wide(f, bar)) &&
	       (get_bar(f, f->config, bar) & mask) == mask;
}

/*
 * The bits of the command register that are on although a BAR of theirs is not decoded, since it
 * lies on RAM, on a device of the board, on another BAR or beyond the addresses that there are. The
 * guest reads them as off.
 */
static uint32_t not_decoded(const struct pci_function *f)
{
	uint32_t command = get(f->config, PCI_COMMAND, 2), off = 0;

	for (unsigned bar = 0; bar < PCI_BARS; bar++) /* the ROM has a bit of its own */
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
		for (unsigned i = 0; i < PCI_SLOTS * PCI_RANGES; i++) {
			unsigned slot = i / PCI_RANGES, bar = i % PCI_RANGES;
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
	if (changed & PCI_ISA_10)
		pic_set(vm, ISA_FIRST, level & PCI_ISA_10);
	if (changed & PCI_ISA_11)
		pic_set(vm, ISA_FIRST + 1, level & PCI_ISA_11);
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

void pci_intx_ended(struct vm *vm, unsigned lines)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		const struct pci_function *f = pci_slot(vm, slot);
		const struct pci_ops *ops = runtime(vm)->pci_ops[slot];

		if (f && f->intx && lines >> slot % 4 & 1 && ops && ops->intx_ended)
			ops->intx_ended(vm, runtime(vm)->pci_instance[slot]);
	}
}

static bool overlaps(unsigned offset, unsigned size, unsigned first, unsigned bytes)
{
	return offset < first + bytes && first < offset + size;
}

uint32_t pci_slot_read(struct vm *vm, unsigned slot, unsigned offset, unsigned size)
{
	const struct pci_function *f = pci_slot(vm, slot);
	const struct pci_ops *ops;

	if (!f)
		return UINT32_MAX;
	ops = runtime(vm)->pci_ops[slot];
	if (offset >= sizeof(f->config) && ops && ops->extended_read)
		return ops->extended_read(vm, runtime(vm)->pci_instance[slot], offset, size);
	if (offset >= sizeof(f->config))
		return 0;
	if (ops && ops->config_read &&
	    !ops->config_read(vm, runtime(vm)->pci_instance[slot], offset, size))
		return UINT32_MAX;
	if (offset == PCI_COMMAND)
		return get(f->config, offset, size) & ~not_decoded(f);
	return get(f->config, offset, size);
}

void pci_slot_write(struct vm *vm, unsigned slot, unsigned offset, unsigned size, uint32_t value)
{
	struct pci_function *f = pci_slot(vm, slot);
	const struct pci_ops *ops;
	uint32_t mask, old;
	bool command, msix;

	if (!f || offset >= sizeof(f->config))
		return;
	mask = get(f->writable, offset, size);
	old = get(f->config, offset, size);
	put(f->config, offset, size, (old & ~mask) | (value & mask));

	command = overlaps(offset, size, PCI_COMMAND, 2);
	msix = f->msix_cap && overlaps(offset, size, f->msix_cap, 4);
	if (command || overlaps(offset, size, PCI_BAR0, 24) ||
	    overlaps(offset, size, PCI_ROM_BASE, 4)) {
		update_bars(vm);
		complain(vm, slot);
	}
	if (msix)
		msix_control_written(vm, slot);
	if (command || msix)
		update_intx(vm);
	ops = runtime(vm)->pci_ops[slot];
	if (ops && ops->config_written)
		ops->config_written(vm, runtime(vm)->pci_instance[slot], offset, size, value);
}

/* Places `size` bytes, a power of two, from *next on. Returns PCI_NO_BASE if they do not fit below
 * `end`. */
static uint64_t place(uint64_t *next, uint64_t end, uint64_t size, uint64_t step)
{
	uint64_t base = (*next + size - 1) & ~(size - 1);

	if (base < *next || base > end || step > end - base)
		return PCI_NO_BASE;
	*next = base + step;
	return base;
}

/* Does a BAR have a part of the range as its place? */
static bool is_placed(const struct pci_state *s, bool io, uint64_t base, uint64_t end)
{
	for (unsigned i = 0; i < PCI_SLOTS * PCI_RANGES; i++) {
		const struct pci_function *f = &s->function[i / PCI_RANGES];
		uint64_t size = f->bar_size[i % PCI_RANGES], at = f->bar_reset[i % PCI_RANGES];

		if (!f->present || !size || (at & PCI_BAR_IO) != io)
			continue;
		at &= ~(size - 1);
		if (at < end && base < at + size)
			return true;
	}
	return false;
}

/* The first place in steps of `step` that no function has. Nothing shares a step. */
static uint64_t place_small(const struct pci_state *s, bool io, uint64_t size, uint64_t step)
{
	uint64_t end = io ? IO_END : MMIO_END;

	for (uint64_t base = io ? IO_FIRST : MMIO_FIRST; base + step <= end; base += step)
		if (base % size == 0 && !is_placed(s, io, base, base + step))
			return base;
	return PCI_NO_BASE;
}

int pci_add_function(struct vm *vm, unsigned slot, const struct pci_ids *ids,
		     const struct pci_ops *ops, uint32_t instance)
{
	struct platform *platform = vm->platform;
	struct pci_function *f;

	if (slot >= PCI_SLOTS || vm->state->pci.function[slot].present)
		return -1;
	f = &vm->state->pci.function[slot];
	*f = (struct pci_function){.present = 1, .cap_end = PCI_FIRST_CAP};
	for (unsigned bar = 0; bar < PCI_RANGES; bar++)
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
		f->config[PCI_INTERRUPT_LINE] = isa_line(slot);
		f->writable[PCI_INTERRUPT_LINE] = 0xff;
	}
	return 0;
}

static void set_bar(struct pci_function *f, unsigned bar, uint64_t base, uint64_t size,
		    uint32_t kind)
{
	f->bar_size[bar] = size;
	f->bar_reset[bar] = base | kind;
	put(f->config, bar_offset(bar), 4, kind); /* which tells how many registers it has */
	put_bar(f, f->config, bar, f->bar_reset[bar]);
	put_bar(f, f->writable, bar, ~(size - 1));
}

int pci_add_bar(struct vm *vm, unsigned slot, unsigned bar, enum bus_space space, uint32_t size)
{
	struct pci_state *s = &vm->state->pci;
	struct pci_function *f = pci_slot(vm, slot);
	uint32_t least = space == BUS_PIO ? 4 : 16, step;
	uint64_t base;

	if (!f || bar >= PCI_BARS || f->bar_size[bar] != 0 || size < least || size & (size - 1))
		return -1;
	if (space == BUS_PIO && size > 256)
		return -1;
	/* Ports in steps of 256, memory in pages: nothing shares one. */
	step = space == BUS_PIO ? 256 : size < 4096 ? 4096 : size;
	base = place_small(s, space == BUS_PIO, size, step);
	if (base == PCI_NO_BASE)
		return -1;
	set_bar(f, bar, base, size, space == BUS_PIO ? PCI_BAR_IO : 0);
	return 0;
}

int pci_add_large_bar(struct vm *vm, unsigned slot, unsigned bar, uint64_t size, uint32_t kind)
{
	struct pci_state *s = &vm->state->pci;
	struct pci_function *f = pci_slot(vm, slot);
	bool wide = (kind & PCI_BAR_KIND) == PCI_BAR_WIDE;
	uint64_t base = PCI_NO_BASE, step = size < 4096 ? 4096 : size;

	if (!f || bar + wide >= PCI_BARS || f->bar_size[bar] || size < 16 || size & (size - 1))
		return -1;
	if (!wide || size <= WIDE_LOW_MOST)
		base = place(&s->next_large, LARGE_END, size, step);
	if (base == PCI_NO_BASE && wide && pci_has_high_window(vm))
		base = place(&s->next_high, PCI_HIGH_END, size, step);
	if (base == PCI_NO_BASE)
		return -1;
	set_bar(f, bar, base, size, kind);
	return 0;
}

int pci_add_rom(struct vm *vm, unsigned slot, uint32_t size)
{
	struct pci_function *f = pci_slot(vm, slot);
	uint64_t base;

	if (!f || f->bar_size[PCI_ROM] || size < 4096 || size & (size - 1))
		return -1;
	base = place_small(&vm->state->pci, false, size, size);
	if (base == PCI_NO_BASE)
		return -1;
	set_bar(f, PCI_ROM, base, size, 0);
	f->writable[PCI_ROM_BASE] |= PCI_ROM_ENABLE;
	return 0;
}

bool pci_has_high_window(const struct vm *vm)
{
	return vm->ram_bytes <= PCI_HIGH_BASE - (FOUR_GIB - VM_RAM_BELOW_4G);
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
	if (config_has_firmware(vm->config)) {
		pci_reset_function(vm, slot);
		return;
	}
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
	for (unsigned bar = 0; bar < PCI_RANGES; bar++)
		f->bar_base[bar] = PCI_NO_BASE; /* the bus is a new one */
	update_bars(vm);
}

void pci_remove_function(struct vm *vm, unsigned slot)
{
	struct platform *platform = vm->platform;
	struct pci_function *f = pci_slot(vm, slot);

	if (!f)
		return;
	for (unsigned bar = 0; bar < PCI_RANGES; bar++)
		if (f->bar_size[bar] != 0 && f->bar_base[bar] != PCI_NO_BASE)
			bar_move(vm, slot, bar, PCI_NO_BASE);
	pci_intx(vm, slot, false);
	f->present = 0;
	platform->pci_ops[slot] = NULL;
}

unsigned pci_free_slot(struct vm *vm)
{
	unsigned slot = 1;

	while (slot < PCI_SLOTS && pci_slot(vm, slot))
		slot++;
	return slot;
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

/* Registers as a reset of the function leaves them: BARs have no place, and are not decoded. */
static void clear_function(struct pci_function *f, unsigned slot)
{
	for (unsigned i = 0; i < sizeof(f->config); i++)
		f->config[i] &= (uint8_t)~f->writable[i];
	f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (f->config[PCI_INTERRUPT_PIN])
		f->config[PCI_INTERRUPT_LINE] = isa_line(slot);
	f->intx = 0;
	msix_reset(f);
}

void pci_reset_function(struct vm *vm, unsigned slot)
{
	clear_function(&vm->state->pci.function[slot], slot);
	update_bars(vm);
	update_intx(vm);
}

/* ... and as firmware leaves them. */
static void reset_function(struct pci_function *f, unsigned slot)
{
	clear_function(f, slot);
	for (unsigned bar = 0; bar < PCI_RANGES; bar++)
		if (f->bar_size[bar] != 0)
			put_bar(f, f->config, bar, f->bar_reset[bar]);
	f->config[PCI_COMMAND] |= PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
}

void pci_reset(struct vm *vm)
{
	struct pci_state *s = &vm->state->pci;

	s->address = 0;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (s->function[slot].present && config_has_firmware(vm->config))
			clear_function(&s->function[slot], slot);
		else if (s->function[slot].present)
			reset_function(&s->function[slot], slot);
	update_bars(vm);
	update_intx(vm);
}

int pci_resume(struct vm *vm)
{
	return pci_config_attach(vm);
}

int pci_init(struct vm *vm)
{
	struct pci_state *s = &vm->state->pci;

	memset(s, 0, sizeof(*s));
	s->next_large = LARGE_FIRST;
	s->next_high = PCI_HIGH_BASE;
	return pci_resume(vm);
}
