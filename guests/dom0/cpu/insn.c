/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of guests, by way of Zydis. A guest that talks to a device does
 * so from few places, so decoded instructions are kept by their bytes: most accesses
 * cost a fetch and a comparison.
 */
#include "guests/dom0/cpu/insn.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define CACHE        256 /* a power of two */
#define PAGE_MASK    0xfffull
#define RFLAGS_TF    0x100ull
#define RFLAGS_RF    0x10000ull
#define DR6_HITS     0xfull
#define DR6_BS       0x4000ull
#define DEBUGCTL_BTF 0x2ull

struct cached {
	uint64_t key[2]; /* the bytes; the last one is the mode + 1 */
	struct insn insn;
};
static struct cached cache[CACHE];

static const struct {
	ZydisMnemonic mnemonic;
	enum insn_op op;
} ops[] = {
	{ZYDIS_MNEMONIC_MOV, OP_MOV},         {ZYDIS_MNEMONIC_MOVNTI, OP_MOV},
	{ZYDIS_MNEMONIC_MOVZX, OP_MOVZX},     {ZYDIS_MNEMONIC_MOVSX, OP_MOVSX},
	{ZYDIS_MNEMONIC_MOVSXD, OP_MOVSX},    {ZYDIS_MNEMONIC_MOVSB, OP_MOVS},
	{ZYDIS_MNEMONIC_MOVSW, OP_MOVS},      {ZYDIS_MNEMONIC_MOVSD, OP_MOVS},
	{ZYDIS_MNEMONIC_MOVSQ, OP_MOVS},      {ZYDIS_MNEMONIC_STOSB, OP_STOS},
	{ZYDIS_MNEMONIC_STOSW, OP_STOS},      {ZYDIS_MNEMONIC_STOSD, OP_STOS},
	{ZYDIS_MNEMONIC_STOSQ, OP_STOS},      {ZYDIS_MNEMONIC_LODSB, OP_LODS},
	{ZYDIS_MNEMONIC_LODSW, OP_LODS},      {ZYDIS_MNEMONIC_LODSD, OP_LODS},
	{ZYDIS_MNEMONIC_LODSQ, OP_LODS},      {ZYDIS_MNEMONIC_CMPSB, OP_CMPS},
	{ZYDIS_MNEMONIC_CMPSW, OP_CMPS},      {ZYDIS_MNEMONIC_CMPSD, OP_CMPS},
	{ZYDIS_MNEMONIC_CMPSQ, OP_CMPS},      {ZYDIS_MNEMONIC_SCASB, OP_SCAS},
	{ZYDIS_MNEMONIC_SCASW, OP_SCAS},      {ZYDIS_MNEMONIC_SCASD, OP_SCAS},
	{ZYDIS_MNEMONIC_SCASQ, OP_SCAS},      {ZYDIS_MNEMONIC_AND, OP_AND},
	{ZYDIS_MNEMONIC_OR, OP_OR},           {ZYDIS_MNEMONIC_XOR, OP_XOR},
	{ZYDIS_MNEMONIC_ADD, OP_ADD},         {ZYDIS_MNEMONIC_ADC, OP_ADC},
	{ZYDIS_MNEMONIC_SUB, OP_SUB},         {ZYDIS_MNEMONIC_SBB, OP_SBB},
	{ZYDIS_MNEMONIC_CMP, OP_CMP},         {ZYDIS_MNEMONIC_TEST, OP_TEST},
	{ZYDIS_MNEMONIC_BT, OP_BT},           {ZYDIS_MNEMONIC_BTS, OP_BTS},
	{ZYDIS_MNEMONIC_BTR, OP_BTR},         {ZYDIS_MNEMONIC_BTC, OP_BTC},
	{ZYDIS_MNEMONIC_XCHG, OP_XCHG},       {ZYDIS_MNEMONIC_XADD, OP_XADD},
	{ZYDIS_MNEMONIC_CMPXCHG, OP_CMPXCHG}, {ZYDIS_MNEMONIC_INC, OP_INC},
	{ZYDIS_MNEMONIC_DEC, OP_DEC},         {ZYDIS_MNEMONIC_NOT, OP_NOT},
	{ZYDIS_MNEMONIC_NEG, OP_NEG},         {ZYDIS_MNEMONIC_INSB, OP_INS},
	{ZYDIS_MNEMONIC_INSW, OP_INS},        {ZYDIS_MNEMONIC_INSD, OP_INS},
	{ZYDIS_MNEMONIC_OUTSB, OP_OUTS},      {ZYDIS_MNEMONIC_OUTSW, OP_OUTS},
	{ZYDIS_MNEMONIC_OUTSD, OP_OUTS},      {ZYDIS_MNEMONIC_CLTS, OP_CLTS},
	{ZYDIS_MNEMONIC_LMSW, OP_LMSW},       {ZYDIS_MNEMONIC_SMSW, OP_SMSW},
};

static enum insn_op find_op(ZydisMnemonic mnemonic)
{
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].mnemonic == mnemonic)
			return ops[i].op;
	return OP_NONE;
}

/* A general register's number, as enum sampo_gpr counts. */
static uint8_t gpr_number(ZydisRegister reg)
{
	ZydisRegister whole;

	if (reg == ZYDIS_REGISTER_NONE)
		return INSN_NONE;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return INSN_RIP;
	whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
	if (ZydisRegisterGetClass(whole) != ZYDIS_REGCLASS_GPR64)
		return INSN_NONE;
	return (uint8_t)ZydisRegisterGetId(whole);
}

static uint8_t segment_number(ZydisRegister reg)
{
	switch (reg) {
	case ZYDIS_REGISTER_ES:
		return SAMPO_ES;
	case ZYDIS_REGISTER_CS:
		return SAMPO_CS;
	case ZYDIS_REGISTER_SS:
		return SAMPO_SS;
	case ZYDIS_REGISTER_FS:
		return SAMPO_FS;
	case ZYDIS_REGISTER_GS:
		return SAMPO_GS;
	default:
		return SAMPO_DS;
	}
}

/* Of a string instruction with two, the one at rSI counts: the segment of rDI is always ES. */
static void take_memory(struct insn *insn, const ZydisDecodedOperand *o, bool first)
{
	if (insn->has_memory && gpr_number(o->mem.base) != SAMPO_RSI)
		return;
	insn->has_memory = true;
	insn->memory_first = first;
	insn->size = (uint8_t)(o->size / 8);
	insn->segment = segment_number(o->mem.segment);
	insn->base = gpr_number(o->mem.base);
	insn->index = gpr_number(o->mem.index);
	insn->scale = o->mem.scale;
	insn->displacement = o->mem.disp.has_displacement ? o->mem.disp.value : 0;
}

static bool take_register(struct insn *insn, const ZydisDecodedOperand *o)
{
	ZydisRegister reg = o->reg.value;

	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_CONTROL) {
		insn->control = (uint8_t)ZydisRegisterGetId(reg);
		return true;
	}
	insn->other = OTHER_REGISTER;
	insn->reg = gpr_number(reg);
	insn->reg_size = (uint8_t)(o->size / 8);
	insn->reg_high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
	return insn->reg < 16;
}

static bool take_operand(struct insn *insn, const ZydisDecodedOperand *o, bool first)
{
	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (o->mem.type != ZYDIS_MEMOP_TYPE_MEM || !o->size || o->size > 64)
			return false;
		take_memory(insn, o, first);
		return true;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return take_register(insn, o);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		insn->other = OTHER_IMMEDIATE;
		insn->immediate = o->imm.value.u;
		return true;
	default:
		return false;
	}
}

/* MOV to or from a control register: which way? */
static void classify_mov(struct insn *insn, const ZydisDecodedOperand *operands)
{
	for (unsigned i = 0; i < 2; i++)
		if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_CONTROL)
			insn->op = i ? OP_MOV_CR_READ : OP_MOV_CR_WRITE;
}

/* Is it one that we execute, in this form? */
static bool complete(const struct insn *insn)
{
	switch (insn->op) {
	case OP_NONE:
		return false;
	case OP_CLTS:
		return true;
	case OP_MOV_CR_READ:
	case OP_MOV_CR_WRITE:
		return insn->reg < 16;
	case OP_LMSW:
	case OP_SMSW:
		return insn->has_memory || insn->reg < 16;
	default:
		break;
	}
	return insn->has_memory && insn->size && !(insn->size & (insn->size - 1)) &&
	       (insn->base < 16 || insn->base == INSN_RIP || insn->base == INSN_NONE);
}

static bool translate(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands,
		      struct insn *insn)
{
	unsigned count = z->operand_count_visible;

	insn->op = (uint8_t)find_op(z->mnemonic);
	/* MOVSD is also the name of an instruction on XMM registers. */
	if (insn_is_string(insn->op) && z->meta.category != ZYDIS_CATEGORY_STRINGOP &&
	    z->meta.category != ZYDIS_CATEGORY_IOSTRINGOP)
		return false;
	insn->length = z->length;
	insn->address_size = (uint8_t)(z->address_width / 8);
	insn->base = insn->index = insn->reg = INSN_NONE;
	if (z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		insn->rep = 1;
	else if (z->attributes & ZYDIS_ATTRIB_HAS_REPNE)
		insn->rep = 2;
	/* The operands of string instructions are implied. */
	if (insn_is_string(insn->op))
		count = z->operand_count < 2 ? z->operand_count : 2;
	if (count > 2)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!take_operand(insn, &operands[i], i == 0) &&
		    !(insn_is_string(insn->op) && insn->has_memory))
			return false;
	if (insn->op == OP_MOV)
		classify_mov(insn, operands);
	return complete(insn);
}

static bool decode(const uint8_t *bytes, unsigned count, enum cpu_mode mode, struct insn *insn)
{
	static const ZydisMachineMode modes[] = {
		[MODE_16] = ZYDIS_MACHINE_MODE_LEGACY_16,
		[MODE_32] = ZYDIS_MACHINE_MODE_LEGACY_32,
		[MODE_64] = ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth widths[] = {
		[MODE_16] = ZYDIS_STACK_WIDTH_16,
		[MODE_32] = ZYDIS_STACK_WIDTH_32,
		[MODE_64] = ZYDIS_STACK_WIDTH_64,
	};
	static ZydisDecodedInstruction z;
	static ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecoder decoder;

	memset(insn, 0, sizeof(*insn));
	ZydisDecoderInit(&decoder, modes[mode], widths[mode]);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, count, &z, operands)))
		return false;
	if (translate(&z, operands, insn))
		return true;
	insn->op = OP_NONE;
	return false;
}

static struct cached *slot(const uint64_t key[2])
{
	uint64_t h = (key[0] ^ key[1] >> 7) * 0x9e3779b97f4a7c15ull;

	return &cache[h >> 56 & (CACHE - 1)];
}

const struct insn *insn_decode(const uint8_t bytes[16], unsigned count, enum cpu_mode mode)
{
	struct cached *c;
	uint64_t key[2];

	memcpy(key, bytes, 16);
	key[1] = (key[1] & ~(0xffull << 56)) | ((uint64_t)mode + 1) << 56;
	c = slot(key);
	if (__builtin_expect(c->key[0] != key[0] || c->key[1] != key[1], 0)) {
		c->key[0] = key[0];
		c->key[1] = key[1];
		decode(bytes, INSN_MAX, mode, &c->insn);
	}
	/* It may have been completed by bytes that are not there. */
	return c->insn.op != OP_NONE && c->insn.length <= count ? &c->insn : NULL;
}

/* Bytes of one page at a linear address; false: exception or open bus. */
static bool fetch(struct vcpu *v, uint64_t linear, uint8_t *to, unsigned count)
{
	struct sampo_exit *exit = v->exit;
	uint64_t gpa;
	uint32_t code;

	switch (walk(v->vm, exit, linear, WALK_FETCH, &gpa, &code)) {
	case WALK_FAULT:
		vcpu_page_fault(exit, linear, code);
		return false;
	case WALK_BROKEN:
		return false;
	case WALK_OK:
		break;
	}
	if (vm_read(v->vm, gpa, to, count))
		return true;
	/* Nobody answers on the bus there: all ones, which is no instruction. */
	vcpu_exception(exit, EXCEPTION_UD, -1);
	return false;
}

const struct insn *insn_fetch(struct vcpu *v, bool *fault)
{
	struct sampo_exit *exit = v->exit;
	enum cpu_mode mode = cpu_mode(exit);
	uint64_t linear = exit->rip;
	uint8_t bytes[16] = {0};
	unsigned first, have;
	const struct insn *insn;

	*fault = false;
	if (mode != MODE_64)
		linear = (uint32_t)(exit->seg[SAMPO_CS].base + exit->rip);
	if (exit->insn_len == INSN_MAX) {
		memcpy(bytes, exit->insn, INSN_MAX);
		return insn_decode(bytes, INSN_MAX, mode);
	}
	first = (unsigned)(PAGE_MASK + 1 - (linear & PAGE_MASK));
	have = first < INSN_MAX ? first : INSN_MAX;
	if (!fetch(v, linear, bytes, have)) {
		*fault = exit->dirty & SAMPO_DIRTY_INJECT;
		return NULL;
	}
	insn = insn_decode(bytes, have, mode);
	if (insn || have == INSN_MAX)
		return insn;
	if (!fetch(v, linear + have, bytes + have, INSN_MAX - have)) {
		*fault = exit->dirty & SAMPO_DIRTY_INJECT;
		return NULL;
	}
	return insn_decode(bytes, INSN_MAX, mode);
}

bool insn_stop(struct sampo_exit *exit)
{
	exit->rflags &= ~RFLAGS_RF;
	exit->interruptibility &= ~1ull;
	exit->dirty |= SAMPO_DIRTY_RIP;
	if (!(exit->rflags & RFLAGS_TF) || exit->debugctl & DEBUGCTL_BTF)
		return false;
	exit->dr6 = (exit->dr6 & ~DR6_HITS) | DR6_BS;
	exit->debugctl = 0;
	exit->dirty |= SAMPO_DIRTY_SYSTEM;
	vcpu_exception(exit, EXCEPTION_DB, -1);
	return true;
}

void insn_finish(struct sampo_exit *exit, const struct insn *insn)
{
	enum cpu_mode mode = cpu_mode(exit);
	uint64_t rip = exit->rip + insn->length;

	exit->rip = mode == MODE_64 ? rip : mode == MODE_32 ? (uint32_t)rip : (uint16_t)rip;
	insn_stop(exit);
}

uint64_t gpr_read(const struct sampo_exit *exit, unsigned reg, unsigned size, bool high)
{
	uint64_t value = exit->gpr[reg];

	if (high)
		return value >> 8 & 0xff;
	return size == 8 ? value : value & ((1ull << size * 8) - 1);
}

void gpr_write(struct sampo_exit *exit, unsigned reg, unsigned size, bool high, uint64_t value)
{
	uint64_t *to = &exit->gpr[reg];

	if (high)
		*to = (*to & ~0xff00ull) | (value & 0xff) << 8;
	else if (size == 1)
		*to = (*to & ~0xffull) | (value & 0xff);
	else if (size == 2)
		*to = (*to & ~0xffffull) | (value & 0xffff);
	else if (size == 4)
		*to = (uint32_t)value;
	else
		*to = value;
}
