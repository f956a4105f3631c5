/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first level of exceptions: one stub for each vector pushes an error code
 * if the CPU has not, and the vector; then all registers as struct exception
 * in exceptions.h has them.
 */
	.section .text
	.code64

	.globl exception_stubs
	.align 16
exception_stubs:
	.set index, 0
	.rept 32
	.align 16
	/* SDM 3A, table 6-1: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX */
	.if ((0x60227d00 >> index) & 1) == 0
	pushq $0
	.endif
	pushq $index
	jmp common
	.set index, index + 1
	.endr

common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %rdi
	movq %rsp, %rbx
	andq $-16, %rsp
	cld
	call exception_entry
	movq %rbx, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
