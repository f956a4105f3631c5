/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uint64_t vmx_enter(uint64_t *gpr, bool launched)
 *
 * IF is 0 here and after the exit. The guest's RSP is in the VMCS; the host's
 * is put there now, and points at `gpr` on the stack when the guest exits.
 * When the CPU refuses the entry, execution goes on behind the instruction.
 */
#include "offsets.h"

	.text
	.balign 64
	.globl vmx_enter
vmx_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	movl $HOST_RSP, %eax
	vmwrite %rsp, %rax
	testb %sil, %sil /* no MOV changes the flags */
	movq GPR_RAX(%rdi), %rax
	movq GPR_RCX(%rdi), %rcx
	movq GPR_RDX(%rdi), %rdx
	movq GPR_RBX(%rdi), %rbx
	movq GPR_RBP(%rdi), %rbp
	movq GPR_RSI(%rdi), %rsi
	movq GPR_R8(%rdi), %r8
	movq GPR_R9(%rdi), %r9
	movq GPR_R10(%rdi), %r10
	movq GPR_R11(%rdi), %r11
	movq GPR_R12(%rdi), %r12
	movq GPR_R13(%rdi), %r13
	movq GPR_R14(%rdi), %r14
	movq GPR_R15(%rdi), %r15
	movq GPR_RDI(%rdi), %rdi
	jnz 1f
	vmlaunch
	jmp 2f
1:	vmresume
2:	popq %rdi
	movl $1, %eax
	jmp 3f

	/* VMCS_HOST_RIP */
	.balign 64
	.globl vmx_exit
vmx_exit:
	pushq %rax
	movq 8(%rsp), %rax
	movq %rdi, GPR_RDI(%rax)
	popq GPR_RAX(%rax)
	addq $8, %rsp
	movq %rcx, GPR_RCX(%rax)
	movq %rdx, GPR_RDX(%rax)
	movq %rbx, GPR_RBX(%rax)
	movq %rbp, GPR_RBP(%rax)
	movq %rsi, GPR_RSI(%rax)
	movq %r8, GPR_R8(%rax)
	movq %r9, GPR_R9(%rax)
	movq %r10, GPR_R10(%rax)
	movq %r11, GPR_R11(%rax)
	movq %r12, GPR_R12(%rax)
	movq %r13, GPR_R13(%rax)
	movq %r14, GPR_R14(%rax)
	movq %r15, GPR_R15(%rax)
	xorl %eax, %eax
	/* Nothing of the guest's in registers that C might speculate with; the
	 * others are written by the very next instructions. */
3:	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

/* void vmx_window(void): physical interrupts are taken between the two. */
	.globl vmx_window
vmx_window:
	sti
	nop
	cli
	ret

/* void vmx_idle(void): sleep until an interrupt; STI's shadow covers the HLT. */
	.globl vmx_idle
vmx_idle:
	sti
	hlt
	cli
	ret

/* void vmx_take_nmi(void): the handler's IRET lets the next one through. */
	.globl vmx_take_nmi
vmx_take_nmi:
	int $2
	ret
	.section .note.GNU-stack, "", @progbits
