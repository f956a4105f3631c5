/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory operands of instructions that dom0 executes for a guest. */
#pragma once

#include "guests/dom0/cpu/insn.h"

enum operand_result {
	OPERAND_OK,
	OPERAND_FAULT,  /* an exception is in the exit page */
	OPERAND_BROKEN, /* it cannot be done */
};

/* Where an operand is: one piece, or two if it crosses a page. */
struct operand {
	uint64_t gpa[2];
	unsigned bytes[2];
	unsigned size;
};

/* Effective address in its segment, made linear. */
uint64_t linear_address(const struct sampo_exit *exit, unsigned segment, uint64_t offset,
			unsigned address_size);
/* The linear address of the memory operand. */
uint64_t operand_linear(const struct sampo_exit *exit, const struct insn *insn);

/* Translates for `access` (WALK_*). */
enum operand_result operand_find(struct vcpu *v, uint64_t linear, unsigned segment, unsigned size,
				 unsigned access, struct operand *operand);

/* RAM, the local APIC or a device on the bus. */
uint64_t operand_read(struct vcpu *v, const struct operand *operand);
void operand_write(struct vcpu *v, const struct operand *operand, uint64_t value);
