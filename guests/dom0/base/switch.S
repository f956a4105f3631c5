/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void slow_switch(uint64_t **from, uint64_t *to): from one stack to another (slow.c). The registers
 * that a function keeps for its caller (System V ABI, 3.2.1) stay on the stack that is left.
 */
	.text
	.globl slow_switch
slow_switch:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.section .note.GNU-stack, "", @progbits
