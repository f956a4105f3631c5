/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One 16-byte stub for each vector. Ring 0 only, and an IST on Intel only (tss.h): on AMD the task
 * register holds a guest's TSS while the kernel runs, so delivery must not look at it
 * (SDM 3A 6.14.2: no stack switch without a change of privilege or an IST).
 */
	.text
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	.else
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:
	cld
	.irp reg, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	pushq %\reg
	.endr
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $-16, %rsp
	call trap
	movq %rbp, %rsp
	.irp reg, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
	popq %\reg
	.endr
	addq $16, %rsp
	iretq

/* int cpu_rdmsr_safe(uint32_t msr, uint64_t *value): see trap.c for what a #GP does. */
	.globl cpu_rdmsr_safe, rdmsr_at, rdmsr_fault
cpu_rdmsr_safe:
	movl %edi, %ecx
rdmsr_at:
	rdmsr
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, (%rsi)
	xorl %eax, %eax
	ret
rdmsr_fault:
	movl $-1, %eax
	ret

/* int cpu_wrmsr_safe(uint32_t msr, uint64_t value) */
	.globl cpu_wrmsr_safe, wrmsr_at
cpu_wrmsr_safe:
	movl %edi, %ecx
	movq %rsi, %rdx
	movl %esi, %eax
	shrq $32, %rdx
wrmsr_at:
	wrmsr
	xorl %eax, %eax
	ret
	.section .note.GNU-stack, "", @progbits
