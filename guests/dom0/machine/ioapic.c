/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 82093AA I/O APIC (Intel data sheet 290566). An interrupt leaves it as the
 * message of an MSI (SDM volume 3, "Message Signalled Interrupts").
 */
#include "guests/dom0/machine/ioapic.h"

#include "guests/dom0/machine/pci.h"
#include "guests/dom0/machine/pit.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define REG_SELECT 0x00u
#define REG_WINDOW 0x10u

#define INDEX_ID          0x00u
#define INDEX_VERSION     0x01u
#define INDEX_ARBITRATION 0x02u
#define INDEX_TABLE       0x10u

#define VERSION  0x11u
#define PCI_PINS 16u /* the first of those of PCI's interrupt lines */

/* Bits of a redirection entry. */
#define ENTRY_VECTOR             0xffull
#define ENTRY_MODE(entry)        ((entry) >> 8 & 7)
#define ENTRY_LOGICAL            (1ull << 11)
#define ENTRY_REMOTE_IRR         (1ull << 14)
#define ENTRY_LEVEL              (1ull << 15)
#define ENTRY_MASKED             (1ull << 16)
#define ENTRY_DESTINATION(entry) ((entry) >> 56)
#define ENTRY_WRITABLE           0xff0000000001afffull

#define MODE_FIXED  0u
#define MODE_LOWEST 1u

/* A line that stays up interrupts again at each EOI, before the guest comes to
 * do anything else. On a real board the message takes its time; here the guest
 * gets some after so many of them. */
#define STORM          1000u
#define STORM_DELAY_NS 1000000u

#define MSI_ADDRESS 0xfee00000ull
#define MSI_LOGICAL 0x4ull
#define MSI_ASSERT  0x4000u
#define MSI_LEVEL   0x8000u

static bool is_level(uint64_t entry)
{
	/* Only these two are acknowledged by an end of interrupt. */
	return entry & ENTRY_LEVEL &&
	       (ENTRY_MODE(entry) == MODE_FIXED || ENTRY_MODE(entry) == MODE_LOWEST);
}

static void deliver(struct vm *vm, unsigned pin)
{
	struct ioapic_state *s = &vm->state->ioapic;
	uint64_t entry = s->entry[pin];
	uint64_t address = MSI_ADDRESS | ENTRY_DESTINATION(entry) << 12;
	uint32_t data = (uint32_t)(entry & 0x7ff) | MSI_ASSERT;

	if (entry & ENTRY_LOGICAL)
		address |= MSI_LOGICAL;
	if (is_level(entry)) {
		data |= MSI_LEVEL;
		s->entry[pin] |= ENTRY_REMOTE_IRR;
	}
	vm_msi(vm, address, data);
}

/* A level-triggered pin whose line is up and that nobody serves. */
static void deliver_level(struct vm *vm, unsigned pin)
{
	struct ioapic_state *s = &vm->state->ioapic;
	uint64_t entry = s->entry[pin];

	if (is_level(entry) && !(entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) && s->line >> pin & 1)
		deliver(vm, pin);
}

void ioapic_set(struct vm *vm, unsigned pin, bool level)
{
	struct ioapic_state *s = &vm->state->ioapic;

	if (pin >= IOAPIC_PINS || (s->line >> pin & 1) == level)
		return;
	s->line ^= 1u << pin;
	if (!level) {
		s->repeats = 0;
		return;
	}
	if (is_level(s->entry[pin]))
		deliver_level(vm, pin);
	else if (!(s->entry[pin] & ENTRY_MASKED))
		deliver(vm, pin); /* edges of masked pins are lost */
}

bool ioapic_masked(struct vm *vm, unsigned pin)
{
	return vm->state->ioapic.entry[pin] & ENTRY_MASKED;
}

static void storm_is_over(struct timer *timer)
{
	struct platform *platform = timer->context;
	struct ioapic_state *s = &platform->vm->state->ioapic;
	uint32_t delayed = s->delayed;

	s->delayed = 0;
	s->repeats = 0;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		if (delayed >> pin & 1)
			deliver_level(platform->vm, pin);
}

static void deliver_again(struct vm *vm, unsigned pin)
{
	struct ioapic_state *s = &vm->state->ioapic;
	struct platform *platform = vm->platform;

	if (!(s->line >> pin & 1))
		return;
	if (++s->repeats < STORM) {
		deliver_level(vm, pin);
		return;
	}
	if (s->delayed == 0)
		timer_set(&platform->ioapic, clock_ns() + STORM_DELAY_NS);
	s->delayed |= 1u << pin;
}

void ioapic_eoi(struct vm *vm, uint8_t vector)
{
	struct ioapic_state *s = &vm->state->ioapic;

	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		if ((s->entry[pin] & (ENTRY_VECTOR | ENTRY_REMOTE_IRR)) !=
		    (vector | ENTRY_REMOTE_IRR))
			continue;
		s->entry[pin] &= ~ENTRY_REMOTE_IRR;
		if (pin >= PCI_PINS)
			pci_intx_ended(vm, 1u << (pin - PCI_PINS));
		deliver_again(vm, pin);
	}
}

static void write_entry(struct vm *vm, unsigned pin, bool high, uint32_t value)
{
	uint64_t *entry = &vm->state->ioapic.entry[pin];
	uint64_t half = high ? 0xffffffff00000000ull : 0xffffffffull;
	uint64_t bits = (high ? (uint64_t)value << 32 : value) & ENTRY_WRITABLE;

	/* The timer needs no events while nobody wants its interrupt. */
	pit_sync(vm);
	*entry = (*entry & ~(half & ENTRY_WRITABLE)) | bits;
	if (!is_level(*entry))
		*entry &= ~ENTRY_REMOTE_IRR;
	deliver_level(vm, pin);
	pit_sync(vm);
}

static uint32_t read_register(struct vm *vm)
{
	struct ioapic_state *s = &vm->state->ioapic;
	unsigned n = s->select - INDEX_TABLE;

	switch (s->select) {
	case INDEX_ID:
	case INDEX_ARBITRATION:
		return (uint32_t)s->id << 24;
	case INDEX_VERSION:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	default:
		if (s->select < INDEX_TABLE || n / 2 >= IOAPIC_PINS)
			return 0;
		return (uint32_t)(s->entry[n / 2] >> (n % 2 * 32));
	}
}

static void write_register(struct vm *vm, uint32_t value)
{
	struct ioapic_state *s = &vm->state->ioapic;
	unsigned n = s->select - INDEX_TABLE;

	if (s->select == INDEX_ID)
		s->id = value >> 24 & 0x0f;
	else if (s->select >= INDEX_TABLE && n / 2 < IOAPIC_PINS)
		write_entry(vm, n / 2, n % 2, value);
}

static uint64_t ioapic_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)instance;
	(void)size;
	if (offset == REG_SELECT)
		return vm->state->ioapic.select;
	return offset == REG_WINDOW ? read_register(vm) : 0;
}

static void ioapic_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)instance;
	(void)size;
	if (offset == REG_SELECT)
		vm->state->ioapic.select = (uint8_t)value;
	else if (offset == REG_WINDOW)
		write_register(vm, (uint32_t)value);
}

static const struct io_ops ioapic_ops = {ioapic_read, ioapic_write};

void ioapic_reset(struct vm *vm)
{
	struct ioapic_state *s = &vm->state->ioapic;
	struct platform *platform = vm->platform;

	timer_cancel(&platform->ioapic);
	*s = (struct ioapic_state){.id = 0};
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		s->entry[pin] = ENTRY_MASKED;
}

int ioapic_resume(struct vm *vm)
{
	struct platform *platform = vm->platform;

	timer_init(&platform->ioapic, storm_is_over, platform);
	if (vm->state->ioapic.delayed)
		timer_set(&platform->ioapic, clock_ns());
	return bus_add(vm, BUS_MMIO, IOAPIC_BASE, 0x1000, &ioapic_ops, 0);
}

int ioapic_init(struct vm *vm)
{
	ioapic_reset(vm);
	return ioapic_resume(vm);
}
