/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/cpu/operand.h"

#include <string.h>

#include "guests/dom0/cpu/startup.h"
#include "guests/dom0/machine/ioapic.h"
#include "guests/lib/sampo.h"

#define PAGE            4096u
#define CANONICAL_SHIFT 16 /* 48-bit linear addresses */
#define APIC_ENABLED    0x800ull
#define APIC_X2         0x400ull
#define APIC_FRAME      0x000ffffffffff000ull
#define CR4_LA57        0x1000ull

uint64_t linear_address(const struct sampo_exit *exit, unsigned segment, uint64_t offset,
			unsigned address_size)
{
	uint64_t base = exit->seg[segment].base;

	if (address_size == 2)
		offset = (uint16_t)offset;
	else if (address_size == 4)
		offset = (uint32_t)offset;
	if (cpu_mode(exit) != MODE_64)
		return (uint32_t)(base + offset);
	return segment == SAMPO_FS || segment == SAMPO_GS ? base + offset : offset;
}

/* BT and its kin with a register: the bit may be far from the operand. */
static uint64_t bit_displacement(const struct sampo_exit *exit, const struct insn *insn)
{
	unsigned shift = insn->size == 8 ? 6 : insn->size == 4 ? 5 : 4;
	uint64_t raw = exit->gpr[insn->reg];
	int64_t bit = insn->size == 8   ? (int64_t)raw
		      : insn->size == 4 ? (int32_t)raw
					: (int16_t)raw;

	return (uint64_t)(bit >> shift) * insn->size;
}

uint64_t operand_linear(const struct sampo_exit *exit, const struct insn *insn)
{
	uint64_t offset = (uint64_t)insn->displacement;

	if (insn->base == INSN_RIP)
		offset += exit->rip + insn->length;
	else if (insn->base < 16)
		offset += exit->gpr[insn->base];
	if (insn->index < 16)
		offset += exit->gpr[insn->index] * insn->scale;
	if (insn->op >= OP_BT && insn->op <= OP_BTC && insn->other == OTHER_REGISTER)
		offset += bit_displacement(exit, insn);
	return linear_address(exit, insn->segment, offset, insn->address_size);
}

static bool canonical(const struct sampo_exit *exit, uint64_t linear)
{
	unsigned shift = exit->cr4 & CR4_LA57 ? 7 : CANONICAL_SHIFT;

	return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}

static enum operand_result translate(struct vcpu *v, uint64_t linear, unsigned access,
				     uint64_t *gpa)
{
	uint32_t code;

	switch (walk(v->vm, v->exit, linear, access, gpa, &code)) {
	case WALK_OK:
		return OPERAND_OK;
	case WALK_FAULT:
		vcpu_page_fault(v->exit, linear, code);
		return OPERAND_FAULT;
	default:
		return OPERAND_BROKEN;
	}
}

enum operand_result operand_find(struct vcpu *v, uint64_t linear, unsigned segment, unsigned size,
				 unsigned access, struct operand *operand)
{
	unsigned room = PAGE - (unsigned)(linear & (PAGE - 1));
	enum operand_result result;

	if (cpu_mode(v->exit) == MODE_64 &&
	    (!canonical(v->exit, linear) || !canonical(v->exit, linear + size - 1))) {
		vcpu_exception(v->exit, segment == SAMPO_SS ? EXCEPTION_SS : EXCEPTION_GP, 0);
		return OPERAND_FAULT;
	}
	operand->size = size;
	operand->bytes[0] = size < room ? size : room;
	operand->bytes[1] = size - operand->bytes[0];
	result = translate(v, linear, access, &operand->gpa[0]);
	if (result == OPERAND_OK && operand->bytes[1])
		result = translate(v, linear + operand->bytes[0], access, &operand->gpa[1]);
	return result;
}

static bool is_apic(const struct sampo_exit *exit, uint64_t gpa)
{
	return (gpa & APIC_FRAME) == (exit->apic_base & APIC_FRAME) &&
	       (exit->apic_base & (APIC_ENABLED | APIC_X2)) == APIC_ENABLED;
}

/* Registers are 32 bits wide, 16 bytes apart. */
static uint64_t apic_read(struct vcpu *v, unsigned offset, unsigned size)
{
	uint64_t value = 0;

	if ((offset & 15) + size > 4)
		return 0;
	sampo_vcpu_lapic(v->handle, offset & ~15u, false, 0, &value);
	return (uint32_t)value >> (offset & 3) * 8;
}

static void apic_write(struct vcpu *v, unsigned offset, unsigned size, uint64_t value)
{
	uint64_t reason = SAMPO_EXIT_NONE;

	if (offset & 15 || size != 4)
		return;
	sampo_vcpu_lapic(v->handle, offset, true, (uint32_t)value, &reason);
	if (reason == SAMPO_EXIT_EOI)
		ioapic_eoi(v->vm, (uint8_t)v->exit->qualification);
	else if (reason == SAMPO_EXIT_STARTUP)
		startup_sent(v);
}

/* Sizes that no device knows (3, 5...: what is left at a page's end) are done
 * bytewise. */
static bool bytewise(unsigned size)
{
	return size & (size - 1);
}

static uint64_t piece_read(struct vcpu *v, uint64_t gpa, unsigned size)
{
	uint64_t value = 0;

	if (vm_read(v->vm, gpa, &value, size))
		return value;
	if (is_apic(v->exit, gpa))
		return apic_read(v, (unsigned)(gpa & (PAGE - 1)), size);
	if (!bytewise(size))
		return bus_read(v->vm, BUS_MMIO, gpa, size);
	for (unsigned i = 0; i < size; i++)
		value |= bus_read(v->vm, BUS_MMIO, gpa + i, 1) << i * 8;
	return value;
}

static void piece_write(struct vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
	if (vm_write(v->vm, gpa, &value, size))
		return;
	if (is_apic(v->exit, gpa)) {
		apic_write(v, (unsigned)(gpa & (PAGE - 1)), size, value);
		return;
	}
	if (!bytewise(size)) {
		bus_write(v->vm, BUS_MMIO, gpa, size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		bus_write(v->vm, BUS_MMIO, gpa + i, 1, value >> i * 8 & 0xff);
}

uint64_t operand_read(struct vcpu *v, const struct operand *o)
{
	uint64_t value = piece_read(v, o->gpa[0], o->bytes[0]);

	if (__builtin_expect(o->bytes[1] != 0, 0)) {
		value &= (1ull << o->bytes[0] * 8) - 1;
		value |= piece_read(v, o->gpa[1], o->bytes[1]) << o->bytes[0] * 8;
	}
	return o->size == 8 ? value : value & ((1ull << o->size * 8) - 1);
}

void operand_write(struct vcpu *v, const struct operand *o, uint64_t value)
{
	piece_write(v, o->gpa[0], o->bytes[0], value);
	if (__builtin_expect(o->bytes[1] != 0, 0))
		piece_write(v, o->gpa[1], o->bytes[1], value >> o->bytes[0] * 8);
}
