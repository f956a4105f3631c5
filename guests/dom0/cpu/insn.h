/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest addresses and instructions: page walks, segments, and instructions decoded for the
 * emulation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/cpu/exits.h"
#include "guests/dom0/vm/vcpu.h"

/* --- Addresses (walk.c) --- */

#define WALK_WRITE    0x1u
#define WALK_FETCH    0x2u
#define WALK_IMPLICIT 0x4u /* by the CPU itself: supervisor at any CPL */

enum walk_result {
	WALK_OK,
	WALK_FAULT,  /* #PF with *code */
	WALK_BROKEN, /* the page tables are not in RAM */
};

/*
 * Translates a linear address as the CPU would, with the guest's registers of
 * the exit page (system part filled), and sets accessed and dirty bits.
 */
enum walk_result walk(struct vm *vm, const struct sampo_exit *exit, uint64_t linear,
		      unsigned access, uint64_t *gpa, uint32_t *code);

enum cpu_mode { MODE_16, MODE_32, MODE_64 };
enum cpu_mode cpu_mode(const struct sampo_exit *exit);

/* --- Instructions (insn.c) --- */

#define INSN_MAX  15
#define INSN_NONE 0xff /* no register */
#define INSN_RIP  16

enum insn_op {
	OP_NONE, /* not one that we execute */
	OP_MOV,
	OP_MOVZX,
	OP_MOVSX,
	OP_MOVS, /* to OP_OUTS: string instructions */
	OP_STOS,
	OP_LODS,
	OP_CMPS,
	OP_SCAS,
	OP_INS,
	OP_OUTS,
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_ADD,
	OP_ADC,
	OP_SUB,
	OP_SBB,
	OP_CMP,
	OP_TEST,
	OP_BT,
	OP_BTS,
	OP_BTR,
	OP_BTC,
	OP_XCHG,
	OP_XADD,
	OP_CMPXCHG,
	OP_INC,
	OP_DEC,
	OP_NOT,
	OP_NEG,
	OP_MOV_CR_WRITE,
	OP_MOV_CR_READ,
	OP_CLTS,
	OP_LMSW,
	OP_SMSW,
};

static inline bool insn_is_string(enum insn_op op)
{
	return op >= OP_MOVS && op <= OP_OUTS;
}

enum insn_other { OTHER_NONE, OTHER_REGISTER, OTHER_IMMEDIATE };

struct insn {
	uint8_t op; /* enum insn_op */
	uint8_t length;
	uint8_t size; /* bytes of the memory operand */
	uint8_t rep;  /* 1: REP or REPE, 2: REPNE */
	/* The memory operand. */
	uint8_t has_memory, memory_first; /* it is the destination */
	uint8_t segment;                  /* enum sampo_sreg */
	uint8_t base, index, scale;       /* GPRs; base may be INSN_RIP */
	uint8_t address_size;             /* bytes */
	/* The other operand. */
	uint8_t other;    /* enum insn_other */
	uint8_t reg;      /* GPR; of MOV CR the general one */
	uint8_t reg_high; /* AH, CH, DH, BH */
	uint8_t reg_size;
	uint8_t control; /* number of the control register */
	int64_t displacement;
	uint64_t immediate;
};

/*
 * Decodes an instruction from `count` bytes (INSN_MAX at most); the rest of
 * `bytes` is zero. NULL: not one that we execute, or one of more bytes. The result stays valid
 * until the next call.
 */
const struct insn *insn_decode(const uint8_t bytes[16], unsigned count, enum cpu_mode mode);

/*
 * Fetches and decodes the instruction at RIP. NULL if there is none that we
 * know (*fault false) or if an exception is to be injected instead, which is
 * then in the exit page (*fault true).
 */
const struct insn *insn_fetch(struct vcpu *v, bool *fault);

/* Ends an instruction, or one repetition of it: marks the registers as changed, and if RFLAGS.TF is
 * set, injects the trap of a single step. Returns true if it has injected the trap. */
bool insn_stop(struct sampo_exit *exit);
/* Moves RIP past the instruction, then does the same. */
void insn_finish(struct sampo_exit *exit, const struct insn *insn);

/* A register as an operand; writes of 4 bytes clear the upper half. */
uint64_t gpr_read(const struct sampo_exit *exit, unsigned reg, unsigned size, bool high);
void gpr_write(struct sampo_exit *exit, unsigned reg, unsigned size, bool high, uint64_t value);

/* --- Execution --- */

/* flags.c: the result of an operation of two operands of `size` bytes, and
 * RFLAGS after it. */
uint64_t alu(enum insn_op op, unsigned size, uint64_t a, uint64_t b, uint64_t *rflags);

/* mmio.c: the access of a MEMORY exit. String I/O and control registers: the
 * instruction at RIP. False: it cannot be executed, the guest has to end. */
bool mmio_exit(struct vcpu *v);
bool string_io_exit(struct vcpu *v);
bool control_exit(struct vcpu *v);
/* The instruction at RIP moves what is reserved to CR3 or CR4, for which QEMU's CPU ends the
 * guest's run as if the state had been invalid at the entry: #GP. False: it is another. */
bool control_invalid(struct vcpu *v);

/* task.c: the hardware task switch of a TASK exit. False: as above. */
bool task_exit(struct vcpu *v);
