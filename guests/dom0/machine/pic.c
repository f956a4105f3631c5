/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 8259A (Intel data sheet 231468), twice, the second one behind input 2 of the
 * first, with the edge/level registers of PCI chip sets.
 */
#include "guests/dom0/machine/pic.h"

#include "guests/dom0/machine/pci.h"
#include "guests/dom0/machine/pit.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define CASCADE 2u
#define NONE    (-1)

#define ICW1              0x10u
#define ICW1_ICW4         0x01u
#define ICW1_SINGLE       0x02u
#define ICW1_LEVEL        0x08u
#define ICW4_AUTO_EOI     0x02u
#define ICW4_FULLY_NESTED 0x10u
#define OCW3              0x08u
#define OCW3_POLL         0x04u

/* Inputs that may be switched to level: not the timer, keyboard, cascade and
 * clock ones. */
static const uint8_t elcr_mask[2] = {0xf8, 0xde};

static struct pic_chip *chip_of(struct vm *vm, unsigned n)
{
	return &vm->state->pic.chip[n];
}

/* The input of `set` with the highest priority, as its distance from it. */
static unsigned distance(const struct pic_chip *c, uint8_t set)
{
	unsigned first = (c->lowest + 1u) & 7;
	unsigned turned = (set | (unsigned)set << 8) >> first;

	return (unsigned)__builtin_ctz(turned);
}

static unsigned input_at(const struct pic_chip *c, unsigned far)
{
	return (c->lowest + 1u + far) & 7;
}

/* The input to be served now, or NONE. */
static int pending(const struct pic_chip *c, bool master)
{
	uint8_t requests = c->irr & (uint8_t)~c->imr;
	uint8_t served = c->isr;
	unsigned far;

	if (requests == 0)
		return NONE;
	if (c->special_mask)
		served &= (uint8_t)~c->imr;
	/* The slave may interrupt itself with something more important. */
	if (master && c->fully_nested)
		served &= (uint8_t) ~(1u << CASCADE);
	far = distance(c, requests);
	if (served != 0 && distance(c, served) <= far)
		return NONE;
	return (int)input_at(c, far);
}

static void update(struct vm *vm)
{
	struct pic_state *s = &vm->state->pic;
	uint8_t intr;

	if (pending(&s->chip[1], false) != NONE)
		s->chip[0].irr |= 1u << CASCADE;
	else
		s->chip[0].irr &= (uint8_t) ~(1u << CASCADE);
	intr = pending(&s->chip[0], true) != NONE;
	if (intr == s->intr)
		return;
	s->intr = intr;
	vm_extint(vm, intr);
}

static bool is_level(const struct pic_chip *c, unsigned input)
{
	return c->level_all || (c->elcr >> input & 1);
}

void pic_set(struct vm *vm, unsigned irq, bool level)
{
	struct pic_chip *c = chip_of(vm, irq >> 3 & 1);
	uint8_t bit = (uint8_t)(1u << (irq & 7));
	bool was = c->line & bit;

	if (irq == CASCADE || level == was)
		return;
	c->line ^= bit;
	if (level)
		c->irr |= bit;
	else if (is_level(c, irq & 7))
		c->irr &= (uint8_t)~bit;
	else
		return; /* an edge stays latched until it is served */
	update(vm);
}

static void serve(struct pic_chip *c, unsigned input)
{
	uint8_t bit = (uint8_t)(1u << input);

	if (!is_level(c, input))
		c->irr &= (uint8_t)~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto_eoi)
		c->lowest = (uint8_t)input;
}

int pic_ack(struct vm *vm)
{
	struct pic_chip *master = chip_of(vm, 0), *slave = chip_of(vm, 1);
	int input = pending(master, true), vector;

	if (input == NONE) {
		vector = master->base + 7; /* spurious: nothing is in service */
	} else if (input != (int)CASCADE) {
		serve(master, (unsigned)input);
		vector = master->base + input;
	} else {
		serve(master, CASCADE);
		input = pending(slave, false);
		if (input != NONE)
			serve(slave, (unsigned)input);
		vector = slave->base + (input == NONE ? 7 : input);
	}
	update(vm);
	return vector & 0xff;
}

static void end_of_interrupt(struct pic_chip *c, uint8_t ocw2)
{
	bool specific = ocw2 & 0x40, rotate = ocw2 & 0x80;
	uint8_t served = c->isr;
	unsigned input = ocw2 & 7;

	if (!specific) {
		/* Masked ones are left alone in special mask mode. */
		if (c->special_mask)
			served &= (uint8_t)~c->imr;
		if (served == 0)
			return;
		input = input_at(c, distance(c, served));
	}
	c->isr &= (uint8_t) ~(1u << input);
	if (rotate)
		c->lowest = (uint8_t)input;
}

static void write_ocw2(struct pic_chip *c, uint8_t value)
{
	switch (value >> 5) {
	case 0:
	case 4:
		c->rotate_auto_eoi = value >> 7;
		break;
	case 6:
		c->lowest = value & 7;
		break;
	case 2:
		break;
	default:
		end_of_interrupt(c, value);
		break;
	}
}

static void write_ocw3(struct pic_chip *c, uint8_t value)
{
	if (value & 0x40)
		c->special_mask = value >> 5 & 1;
	if (value & OCW3_POLL)
		c->poll = 1;
	else if (value & 0x02)
		c->read_isr = value & 1;
}

static void write_icw1(struct pic_chip *c, uint8_t value)
{
	*c = (struct pic_chip){
		.line = c->line,
		.elcr = c->elcr,
		.base = c->base,
		.lowest = 7,
		.icw_next = 2,
		.icw4 = value & ICW1_ICW4,
		.single = (value & ICW1_SINGLE) != 0,
		.level_all = (value & ICW1_LEVEL) != 0,
	};
	/* Edges are forgotten; levels that are up ask again. */
	c->irr = c->line & (c->level_all ? 0xff : c->elcr);
}

/* Port 1: the initialization words in turn, then the mask. */
static void write_mask(struct pic_chip *c, uint8_t value)
{
	uint8_t last = c->icw4 ? 4 : 0;

	switch (c->icw_next) {
	case 2:
		c->base = value & 0xf8;
		c->icw_next = c->single ? last : 3;
		break;
	case 3: /* the wiring is fixed */
		c->icw_next = last;
		break;
	case 4:
		c->auto_eoi = (value & ICW4_AUTO_EOI) != 0;
		c->fully_nested = (value & ICW4_FULLY_NESTED) != 0;
		c->icw_next = 0;
		break;
	default:
		c->imr = value;
		break;
	}
}

static uint8_t poll(struct pic_chip *c, bool master)
{
	int input = pending(c, master);

	c->poll = 0;
	if (input == NONE)
		return 0;
	serve(c, (unsigned)input);
	return (uint8_t)(0x80 | input);
}

static uint8_t read_byte(struct vm *vm, uint32_t n, uint64_t offset)
{
	struct pic_chip *c = chip_of(vm, n);
	uint8_t value;

	if (c->poll) {
		value = poll(c, n == 0);
		update(vm);
		return value;
	}
	if (offset == 1)
		return c->imr;
	if (n == 0)
		pit_sync(vm); /* it sleeps while its interrupt is masked */
	return c->read_isr ? c->isr : c->irr;
}

/* Interrupts of the second chip have ended. PCI's lines lead to its inputs 2 and 3.
 */
static void tell_pci(struct vm *vm, unsigned ended)
{
	if (ended & 1u << 2)
		pci_intx_ended(vm, PCI_ISA_10);
	if (ended & 1u << 3)
		pci_intx_ended(vm, PCI_ISA_11);
}

static void write_byte(struct vm *vm, uint32_t n, uint64_t offset, uint8_t value)
{
	struct pic_chip *c = chip_of(vm, n);
	bool timer_masked = c->imr & 1;
	uint8_t served = c->isr;

	if (offset == 1)
		write_mask(c, value);
	else if (value & ICW1)
		write_icw1(c, value);
	else if (value & OCW3)
		write_ocw3(c, value);
	else
		write_ocw2(c, value);
	if (n == 1)
		tell_pci(vm, served & (uint8_t)~c->isr);
	update(vm);
	if (n == 0 && timer_masked && !(c->imr & 1))
		pit_sync(vm);
}

static uint64_t pic_read(struct vm *vm, uint32_t n, uint64_t offset, unsigned size)
{
	uint64_t value = read_byte(vm, n, offset);

	if (size > 1)
		value |= (uint64_t)read_byte(vm, n, offset + 1) << 8;
	return value;
}

static void pic_write(struct vm *vm, uint32_t n, uint64_t offset, unsigned size, uint64_t value)
{
	write_byte(vm, n, offset, (uint8_t)value);
	if (size > 1)
		write_byte(vm, n, offset + 1, (uint8_t)(value >> 8));
}

static uint64_t elcr_read(struct vm *vm, uint32_t n, uint64_t offset, unsigned size)
{
	uint64_t value = chip_of(vm, n + (unsigned)offset)->elcr;

	if (size > 1)
		value |= (uint64_t)chip_of(vm, 1)->elcr << 8;
	return value;
}

static void write_elcr(struct vm *vm, unsigned n, uint8_t value)
{
	struct pic_chip *c = chip_of(vm, n);

	c->elcr = value & elcr_mask[n];
	/* An input that is level-triggered now requests what its line says. */
	c->irr = (uint8_t)((c->irr & ~c->elcr) | (c->line & c->elcr));
	update(vm);
}

static void elcr_write(struct vm *vm, uint32_t n, uint64_t offset, unsigned size, uint64_t value)
{
	write_elcr(vm, n + (unsigned)offset, (uint8_t)value);
	if (size > 1)
		write_elcr(vm, 1, (uint8_t)(value >> 8));
}

static const struct io_ops pic_ops = {pic_read, pic_write};
static const struct io_ops elcr_ops = {elcr_read, elcr_write};

void pic_reset(struct vm *vm)
{
	struct pic_state *s = &vm->state->pic;

	/* As firmware leaves them: initialized, all but the cascade masked,
	 * the interrupts of PCI level-triggered. */
	*s = (struct pic_state){
		.chip = {{.base = 0x08, .imr = 0xfb, .lowest = 7},
			 {.base = 0x70, .imr = 0xff, .lowest = 7, .elcr = 0x0e}},
	};
	vm_extint(vm, false);
}

int pic_resume(struct vm *vm)
{
	/* The wire may not have been told the last change. */
	vm_extint(vm, vm->state->pic.intr);
	if (bus_add(vm, BUS_PIO, 0x20, 2, &pic_ops, 0) != 0 ||
	    bus_add(vm, BUS_PIO, 0xa0, 2, &pic_ops, 1) != 0)
		return -1;
	return bus_add(vm, BUS_PIO, 0x4d0, 2, &elcr_ops, 0);
}

int pic_init(struct vm *vm)
{
	pic_reset(vm);
	return pic_resume(vm);
}
