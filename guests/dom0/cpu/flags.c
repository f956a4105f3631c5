/* SPDX-License-Identifier: BSD-2-Clause */
/* Integer operations with the flags that the CPU would set. */
#include "guests/dom0/cpu/insn.h"

#define CF         0x1ull
#define PF         0x4ull
#define AF         0x10ull
#define ZF         0x40ull
#define SF         0x80ull
#define OF         0x800ull
#define ARITHMETIC (CF | PF | AF | ZF | SF | OF)

struct sum {
	uint64_t result, flags;
};

static uint64_t mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;
}

static bool sign(uint64_t value, unsigned size)
{
	return value >> (size * 8 - 1) & 1;
}

/* PF, ZF and SF, which only depend on the result. */
static uint64_t result_flags(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	if (!(__builtin_popcount((unsigned)(result & 0xff)) & 1))
		flags |= PF;
	if (!result)
		flags |= ZF;
	if (sign(result, size))
		flags |= SF;
	return flags;
}

static struct sum add(uint64_t a, uint64_t b, unsigned carry, unsigned size)
{
	uint64_t result = (a + b + carry) & mask(size);
	uint64_t carries = (a & b) | ((a | b) & ~result);
	struct sum sum = {result, result_flags(result, size)};

	if (sign(carries, size))
		sum.flags |= CF;
	if (carries & 8)
		sum.flags |= AF;
	if (sign((a ^ result) & (b ^ result), size))
		sum.flags |= OF;
	return sum;
}

static struct sum subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned size)
{
	uint64_t result = (a - b - borrow) & mask(size);
	uint64_t borrows = (~a & b) | ((~a | b) & result);
	struct sum sum = {result, result_flags(result, size)};

	if (sign(borrows, size))
		sum.flags |= CF;
	if (borrows & 8)
		sum.flags |= AF;
	if (sign((a ^ b) & (a ^ result), size))
		sum.flags |= OF;
	return sum;
}

static struct sum logic(uint64_t result, unsigned size)
{
	return (struct sum){result, result_flags(result, size)};
}

/* Bit operations: b has been reduced to a bit of the operand. */
static uint64_t bit_operation(enum insn_op op, uint64_t a, uint64_t bit, uint64_t *rflags)
{
	*rflags = (*rflags & ~CF) | (a & bit ? CF : 0);
	switch (op) {
	case OP_BTS:
		return a | bit;
	case OP_BTR:
		return a & ~bit;
	case OP_BTC:
		return a ^ bit;
	default:
		return a;
	}
}

uint64_t alu(enum insn_op op, unsigned size, uint64_t a, uint64_t b, uint64_t *rflags)
{
	uint64_t changes = ARITHMETIC;
	unsigned carry = *rflags & CF;
	struct sum sum;

	a &= mask(size);
	b &= mask(size);
	switch (op) {
	case OP_ADD:
	case OP_XADD:
		sum = add(a, b, 0, size);
		break;
	case OP_ADC:
		sum = add(a, b, carry, size);
		break;
	case OP_CMPXCHG:
	case OP_SUB:
	case OP_CMP:
		sum = subtract(a, b, 0, size);
		break;
	case OP_SBB:
		sum = subtract(a, b, carry, size);
		break;
	case OP_AND:
	case OP_TEST:
		sum = logic(a & b, size);
		break;
	case OP_OR:
		sum = logic(a | b, size);
		break;
	case OP_XOR:
		sum = logic(a ^ b, size);
		break;
	case OP_NEG:
		sum = subtract(0, a, 0, size);
		break;
	case OP_INC:
		sum = add(a, 1, 0, size);
		changes &= ~CF;
		break;
	case OP_DEC:
		sum = subtract(a, 1, 0, size);
		changes &= ~CF;
		break;
	case OP_NOT:
		return ~a & mask(size);
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
		return bit_operation(op, a, 1ull << (b & (size * 8 - 1)), rflags);
	default:
		return b;
	}
	*rflags = (*rflags & ~changes) | (sum.flags & changes);
	return sum.result;
}
