/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that may fault, for check.h: each notes where to go on before
 * it tries. The exception's handler puts its vector in fault_vector and
 * returns there; the stack is as it was before.
 */
	.section .text
	.code64

	.macro attempt
	movq $-1, fault_vector
	movq $9f, fault_resume
	.endm

	/* 9: is where both ways meet. */
	.macro finish
9:	movq $0, fault_resume
	movq fault_vector, %rax
	ret
	.endm

	.globl try_rdmsr
try_rdmsr:
	movl %edi, %ecx
	movq %rsi, %r8
	xorl %eax, %eax
	xorl %edx, %edx
	attempt
	rdmsr
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, (%r8)
	finish

	.globl try_wrmsr
try_wrmsr:
	movl %edi, %ecx
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
	attempt
	wrmsr
	finish

	.globl try_write_cr
try_write_cr:
	attempt
	cmpl $0, %edi
	je 1f
	cmpl $3, %edi
	je 2f
	cmpl $4, %edi
	je 3f
	movq %rsi, %cr8
	jmp 9f
1:	movq %rsi, %cr0
	jmp 9f
2:	movq %rsi, %cr3
	jmp 9f
3:	movq %rsi, %cr4
	finish

	.globl try_read_cr
try_read_cr:
	attempt
	cmpl $0, %edi
	je 1f
	cmpl $2, %edi
	je 2f
	cmpl $3, %edi
	je 3f
	cmpl $4, %edi
	je 4f
	movq %cr8, %rax
	jmp 5f
1:	movq %cr0, %rax
	jmp 5f
2:	movq %cr2, %rax
	jmp 5f
3:	movq %cr3, %rax
	jmp 5f
4:	movq %cr4, %rax
5:	movq %rax, (%rsi)
	finish

	.globl try_xsetbv
try_xsetbv:
	movl %edi, %ecx
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
	attempt
	xsetbv
	finish

	.globl try_read
try_read:
	attempt
	movq (%rdi), %rax
	movq %rax, (%rsi)
	finish

	.globl try_write
try_write:
	attempt
	movq %rsi, (%rdi)
	finish

	/* The fault may come with anything on the stack and in registers. */
	.globl try_call
try_call:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, saved_stack
	attempt
	call *%rdi
9:	movq saved_stack, %rsp
	pushq $2 /* flags: all clear, interrupts off, no single steps */
	popfq
	movq $0, fault_resume
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	movq fault_vector, %rax
	ret

	.section .bss
	.align 8
	.globl fault_resume
fault_resume:
	.skip 8
	.globl fault_vector
fault_vector:
	.skip 8
saved_stack:
	.skip 8

	.section .note.GNU-stack, "", @progbits
