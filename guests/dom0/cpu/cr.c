/* SPDX-License-Identifier: BSD-2-Clause */
/* MOV to and from control registers, CLTS, LMSW and SMSW, where the kernel has
 * not decoded them. The checks are those of APM volume 2, section 3.1. */
#include "guests/dom0/cpu/operand.h"

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

#define LEAF_ADDRESSES 0x80000008u

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

/* Of CR4: the bits that every CPU with a 64-bit mode has, and those of features (SDM 3A 2.5). */
#define CR4_BASIC 0x7ffull
static const struct {
	uint32_t leaf, bit;
	uint8_t reg; /* 1: EBX, 2: ECX */
	uint8_t cr4; /* number of the bit */
} features[] = {
	{7, 2, 2, 11},  /* UMIP */
	{7, 16, 2, 12}, /* LA57 */
	{7, 0, 1, 16},  /* FSGSBASE */
	{1, 17, 2, 17}, /* PCIDE */
	{1, 26, 2, 18}, /* OSXSAVE */
	{7, 7, 1, 20},  /* SMEP */
	{7, 20, 1, 21}, /* SMAP */
	{7, 3, 2, 22},  /* PKE */
	{7, 7, 2, 23},  /* CET */
};

/* The guest's own answer, as dom0 has given it to the kernel. */
static const struct sampo_cpuid *leaf(const struct vcpu *v, uint32_t number)
{
	static const struct sampo_cpuid none;

	for (uint64_t i = 0; i < v->page->cpuids && i < SAMPO_CPUIDS; i++)
		if (v->page->cpuid[i].key == (uint64_t)number << 32)
			return &v->page->cpuid[i];
	return &none;
}

static uint64_t reserved_cr4(const struct vcpu *v)
{
	uint64_t allowed = CR4_BASIC;

	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct sampo_cpuid *a = leaf(v, features[i].leaf);
		uint32_t value = features[i].reg == 1 ? a->ebx : a->ecx;

		allowed |= (uint64_t)(value >> features[i].bit & 1) << features[i].cr4;
	}
	return ~allowed;
}

/* Above the width of physical addresses; bit 63 is none of the register's. */
static uint64_t reserved_cr3(const struct vcpu *v)
{
	return ~0ull << (leaf(v, LEAF_ADDRESSES)->eax & 0x3f) & ~CR3_NO_FLUSH;
}

bool control_invalid(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	bool fault;
	const struct insn *insn = insn_fetch(v, &fault);
	uint64_t value, reserved;

	exit->dirty = SAMPO_DIRTY_NONE;
	if (!insn || insn->op != OP_MOV_CR_WRITE || (insn->control != 3 && insn->control != 4))
		return false;
	value = gpr_read(exit, insn->reg, insn->reg_size, false);
	reserved = insn->control == 4 ? reserved_cr4(v) : reserved_cr3(v);
	if (!(value & reserved) && write_control(exit, insn->control, value))
		return false;
	vcpu_exception(exit, EXCEPTION_GP, 0);
	return true;
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
