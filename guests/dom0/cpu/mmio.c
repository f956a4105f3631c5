/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to addresses where nothing is mapped: dom0 executes the instruction
 * in the CPU's place. The kernel has no decoder on purpose; this is where it is.
 */
#include "guests/dom0/cpu/operand.h"

#define PAGE_MASK 0xfffull
#define RFLAGS_ZF 0x40ull
#define RFLAGS_DF 0x400ull
#define REPNE     2 /* insn.rep */
/* Of a repeated instruction, before the guest may take an interrupt. */
#define REP_AT_ONCE 4096u

static uint64_t other_value(const struct sampo_exit *exit, const struct insn *insn)
{
	if (insn->other == OTHER_IMMEDIATE)
		return insn->immediate;
	if (insn->other == OTHER_REGISTER)
		return gpr_read(exit, insn->reg, insn->reg_size, insn->reg_high);
	return 0;
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* --- One memory operand --- */

static bool writes_memory(const struct insn *insn)
{
	switch (insn->op) {
	case OP_CMP:
	case OP_TEST:
	case OP_BT:
		return false;
	case OP_XCHG:
		return true;
	default:
		return insn->memory_first;
	}
}

/* The hardware has found the operand already: it is all at the address of the
 * exit unless it crosses a page. */
static enum operand_result find_operand(struct vcpu *v, const struct insn *insn, struct operand *o)
{
	const struct sampo_exit *exit = v->exit;
	uint64_t linear = operand_linear(exit, insn);
	uint64_t in_page = linear & PAGE_MASK;

	if (in_page == (exit->gpa & PAGE_MASK) && in_page + insn->size <= PAGE_MASK + 1) {
		o->gpa[0] = exit->gpa;
		o->bytes[0] = o->size = insn->size;
		o->bytes[1] = 0;
		return OPERAND_OK;
	}
	return operand_find(v, linear, insn->segment, insn->size,
			    writes_memory(insn) ? WALK_WRITE : 0, o);
}

static void execute_cmpxchg(struct vcpu *v, const struct insn *insn, const struct operand *o)
{
	struct sampo_exit *exit = v->exit;
	uint64_t old = operand_read(v, o);
	uint64_t expected = gpr_read(exit, SAMPO_RAX, insn->size, false);

	alu(OP_CMPXCHG, insn->size, expected, old, &exit->rflags);
	if (old == expected) {
		operand_write(v, o, other_value(exit, insn));
		return;
	}
	operand_write(v, o, old);
	gpr_write(exit, SAMPO_RAX, insn->size, false, old);
}

static void execute_alu(struct vcpu *v, const struct insn *insn, const struct operand *o)
{
	struct sampo_exit *exit = v->exit;
	uint64_t memory = operand_read(v, o);
	uint64_t other = other_value(exit, insn);
	uint64_t result;

	if (insn->memory_first)
		result = alu(insn->op, insn->size, memory, other, &exit->rflags);
	else
		result = alu(insn->op, insn->size, other, memory, &exit->rflags);
	if (insn->op == OP_CMP || insn->op == OP_TEST || insn->op == OP_BT)
		return;
	if (!insn->memory_first) {
		gpr_write(exit, insn->reg, insn->reg_size, insn->reg_high, result);
		return;
	}
	operand_write(v, o, result);
	if (insn->op == OP_XADD)
		gpr_write(exit, insn->reg, insn->reg_size, insn->reg_high, memory);
}

static void execute(struct vcpu *v, const struct insn *insn, const struct operand *o)
{
	struct sampo_exit *exit = v->exit;
	uint64_t value;

	switch (insn->op) {
	case OP_MOV:
		if (insn->memory_first)
			operand_write(v, o, other_value(exit, insn));
		else
			gpr_write(exit, insn->reg, insn->reg_size, insn->reg_high,
				  operand_read(v, o));
		break;
	case OP_MOVZX:
		gpr_write(exit, insn->reg, insn->reg_size, false, operand_read(v, o));
		break;
	case OP_MOVSX:
		gpr_write(exit, insn->reg, insn->reg_size, false,
			  sign_extend(operand_read(v, o), insn->size));
		break;
	case OP_XCHG:
		value = operand_read(v, o);
		operand_write(v, o, other_value(exit, insn));
		gpr_write(exit, insn->reg, insn->reg_size, insn->reg_high, value);
		break;
	case OP_CMPXCHG:
		execute_cmpxchg(v, insn, o);
		break;
	default:
		execute_alu(v, insn, o);
		break;
	}
}

/* --- String instructions --- */

static bool compares(const struct insn *insn)
{
	return insn->op == OP_CMPS || insn->op == OP_SCAS;
}

static void advance(struct sampo_exit *exit, unsigned reg, const struct insn *insn)
{
	uint64_t step = exit->rflags & RFLAGS_DF ? -(uint64_t)insn->size : insn->size;

	gpr_write(exit, reg, insn->address_size, false,
		  gpr_read(exit, reg, insn->address_size, false) + step);
}

static enum operand_result find_source(struct vcpu *v, const struct insn *insn, struct operand *o)
{
	uint64_t linear =
		linear_address(v->exit, insn->segment, v->exit->gpr[SAMPO_RSI], insn->address_size);

	return operand_find(v, linear, insn->segment, insn->size, 0, o);
}

static enum operand_result find_destination(struct vcpu *v, const struct insn *insn,
					    struct operand *o)
{
	uint64_t linear =
		linear_address(v->exit, SAMPO_ES, v->exit->gpr[SAMPO_RDI], insn->address_size);

	return operand_find(v, linear, SAMPO_ES, insn->size, compares(insn) ? 0 : WALK_WRITE, o);
}

/* Both addresses are found before anything is read: a device must not be read
 * for a value that then cannot be stored. */
static enum operand_result string_once(struct vcpu *v, const struct insn *insn)
{
	struct sampo_exit *exit = v->exit;
	bool has_source = insn->op != OP_STOS && insn->op != OP_SCAS && insn->op != OP_INS;
	bool has_destination = insn->op != OP_LODS && insn->op != OP_OUTS;
	enum operand_result result = OPERAND_OK;
	struct operand from, to;
	uint64_t value;

	if (has_source)
		result = find_source(v, insn, &from);
	if (result == OPERAND_OK && has_destination)
		result = find_destination(v, insn, &to);
	if (result != OPERAND_OK)
		return result;

	if (insn->op == OP_INS)
		value = bus_read(v->vm, BUS_PIO, exit->port, insn->size);
	else
		value = has_source ? operand_read(v, &from) : exit->gpr[SAMPO_RAX];
	if (compares(insn))
		alu(OP_CMP, insn->size, value, operand_read(v, &to), &exit->rflags);
	else if (insn->op == OP_OUTS)
		bus_write(v->vm, BUS_PIO, exit->port, insn->size, value);
	else if (insn->op == OP_LODS)
		gpr_write(exit, SAMPO_RAX, insn->size, false, value);
	else
		operand_write(v, &to, value);

	if (has_source)
		advance(exit, SAMPO_RSI, insn);
	if (has_destination)
		advance(exit, SAMPO_RDI, insn);
	return OPERAND_OK;
}

/* Has the comparison ended a repetition that depends on it? REPNE is REP for all others. */
static bool decided(const struct sampo_exit *exit, const struct insn *insn)
{
	return compares(insn) && !(exit->rflags & RFLAGS_ZF) == (insn->rep != REPNE);
}

/* RIP stays at the instruction while repetitions are left, as in the CPU. */
static enum operand_result string_repeat(struct vcpu *v, const struct insn *insn)
{
	struct sampo_exit *exit = v->exit;
	unsigned size = insn->address_size;

	for (unsigned i = 0; i < REP_AT_ONCE; i++) {
		uint64_t count = gpr_read(exit, SAMPO_RCX, size, false);
		enum operand_result result;

		if (!count) {
			insn_finish(exit, insn);
			return OPERAND_OK;
		}
		result = string_once(v, insn);
		if (result != OPERAND_OK)
			return result;
		gpr_write(exit, SAMPO_RCX, size, false, count - 1);
		if (count == 1 || decided(exit, insn)) {
			insn_finish(exit, insn);
			return OPERAND_OK;
		}
		if (insn_stop(exit))
			return OPERAND_OK;
	}
	return OPERAND_OK;
}

static enum operand_result execute_string(struct vcpu *v, const struct insn *insn)
{
	enum operand_result result;

	if (insn->rep)
		return string_repeat(v, insn);
	result = string_once(v, insn);
	if (result == OPERAND_OK)
		insn_finish(v->exit, insn);
	return result;
}

bool string_io_exit(struct vcpu *v)
{
	bool fault;
	const struct insn *insn = insn_fetch(v, &fault);

	if (!insn)
		return fault;
	if ((insn->op != OP_INS && insn->op != OP_OUTS) || insn->size != v->exit->size)
		return false;
	return execute_string(v, insn) != OPERAND_BROKEN;
}

bool mmio_exit(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	enum operand_result result;
	const struct insn *insn;
	struct operand o;
	bool fault;

	/* Page tables where there is no RAM. */
	if (exit->access & SAMPO_ACCESS_WALK)
		return false;
	insn = insn_fetch(v, &fault);
	if (!insn)
		return fault;
	if (insn_is_string(insn->op))
		return execute_string(v, insn) != OPERAND_BROKEN;
	if (insn->op >= OP_MOV_CR_WRITE)
		return false;
	result = find_operand(v, insn, &o);
	if (result != OPERAND_OK)
		return result == OPERAND_FAULT;
	execute(v, insn, &o);
	insn_finish(exit, insn);
	return true;
}
