/* SPDX-License-Identifier: BSD-2-Clause */
/* MOV to and from control registers, CLTS, LMSW and SMSW, where the kernel has
 * not decoded them. The checks are those of APM volume 2, section 3.1. */
#include "guests/dom0/operand.h"

#define CR0_PE       0x1ull
#define CR0_MP_EM_TS 0xeull
#define CR0_TS       0x8ull
#define CR0_ET       0x10ull
#define CR0_NW       0x20000000ull
#define CR0_CD       0x40000000ull
#define CR0_PG       0x80000000ull
#define CR0_DEFINED  0xe005003full
#define CR4_PAE      0x20ull
#define CR4_DEFINED  0x00f71fffull
#define EFER_LME     0x100ull
#define EFER_LMA     0x400ull
#define SEGMENT_L    0x200u
#define CR3_NO_FLUSH (1ull << 63)
#define CR3_LONG     0x000fffffffffffffull

static bool write_cr0(struct sampo_exit *exit, uint64_t value)
{
	bool pg = value & CR0_PG;

	if (value >> 32 || (pg && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
		return false;
	if (pg && !(exit->cr0 & CR0_PG) && exit->efer & EFER_LME) {
		if (!(exit->cr4 & CR4_PAE) || exit->seg[SAMPO_CS].attrib & SEGMENT_L)
			return false;
		exit->efer |= EFER_LMA;
	}
	if (!pg && exit->cr0 & CR0_PG) {
		if (cpu_mode(exit) == MODE_64)
			return false;
		exit->efer &= ~EFER_LMA;
	}
	exit->cr0 = (value & CR0_DEFINED) | CR0_ET;
	return true;
}

static bool write_cr4(struct sampo_exit *exit, uint64_t value)
{
	if (value & ~CR4_DEFINED || (exit->efer & EFER_LMA && !(value & CR4_PAE)))
		return false;
	exit->cr4 = value;
	return true;
}

static bool write_cr3(struct sampo_exit *exit, uint64_t value)
{
	if (exit->efer & EFER_LMA) {
		value &= ~CR3_NO_FLUSH;
		if (value & ~CR3_LONG)
			return false;
	}
	exit->cr3 = value;
	return true;
}

static bool write_control(struct sampo_exit *exit, unsigned number, uint64_t value)
{
	switch (number) {
	case 0:
		return write_cr0(exit, value);
	case 2:
		exit->cr2 = value;
		return true;
	case 3:
		return write_cr3(exit, value);
	case 4:
		return write_cr4(exit, value);
	default:
		if (value > 15)
			return false;
		exit->cr8 = value;
		return true;
	}
}

static uint64_t read_control(const struct sampo_exit *exit, unsigned number)
{
	switch (number) {
	case 0:
		return exit->cr0;
	case 2:
		return exit->cr2;
	case 3:
		return exit->cr3;
	case 4:
		return exit->cr4;
	default:
		return exit->cr8;
	}
}

static bool known(unsigned number)
{
	return number == 0 || (number >= 2 && number <= 4) || number == 8;
}

/* The operand of LMSW and SMSW may be in memory. */
static enum operand_result machine_status(struct vcpu *v, const struct insn *insn, bool *valid)
{
	struct sampo_exit *exit = v->exit;
	bool write = insn->op == OP_SMSW;
	enum operand_result result = OPERAND_OK;
	struct operand o;
	uint64_t value;

	if (insn->has_memory)
		result = operand_find(v, operand_linear(exit, insn), insn->segment, 2,
				      write ? WALK_WRITE : 0, &o);
	if (result != OPERAND_OK)
		return result;
	if (write) {
		if (insn->has_memory)
			operand_write(v, &o, exit->cr0 & 0xffff);
		else
			gpr_write(exit, insn->reg, insn->reg_size, false, exit->cr0);
		return OPERAND_OK;
	}
	value = insn->has_memory ? operand_read(v, &o) : exit->gpr[insn->reg];
	/* LMSW can set PE but not clear it. */
	*valid = write_cr0(exit, (exit->cr0 & ~CR0_MP_EM_TS) | (value & (CR0_MP_EM_TS | CR0_PE)));
	return OPERAND_OK;
}

bool control_exit(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	enum operand_result result = OPERAND_OK;
	bool fault, valid = true;
	const struct insn *insn = insn_fetch(v, &fault);

	if (!insn)
		return fault;
	switch (insn->op) {
	case OP_MOV_CR_WRITE:
		if (!known(insn->control))
			return false;
		valid = write_control(exit, insn->control,
				      gpr_read(exit, insn->reg, insn->reg_size, false));
		break;
	case OP_MOV_CR_READ:
		if (!known(insn->control))
			return false;
		gpr_write(exit, insn->reg, insn->reg_size, false,
			  read_control(exit, insn->control));
		break;
	case OP_CLTS:
		exit->cr0 &= ~CR0_TS;
		break;
	case OP_LMSW:
	case OP_SMSW:
		result = machine_status(v, insn, &valid);
		break;
	default:
		return false;
	}
	if (result != OPERAND_OK)
		return result == OPERAND_FAULT;
	if (!valid) {
		vcpu_exception(exit, EXCEPTION_GP, 0);
		return true;
	}
	exit->dirty |= SAMPO_DIRTY_SYSTEM;
	insn_finish(exit, insn);
	return true;
}
