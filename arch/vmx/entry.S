/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uint64_t vmx_enter(uint64_t *gpr, bool launched)
 *
 * IF is 0 here and after the exit. The guest's RSP is in the VMCS; the host's
 * is put there now, and points at `gpr` on the stack when the guest exits.
 * When the CPU refuses the entry, execution goes on behind the instruction.
 */
#include "arch/gpr.h"
#include "arch/guard_asm.h"

#define HOST_RSP 0x6c14 /* its VMCS field, SDM 3D B.4 */

	.text
	.balign 64
	.globl vmx_enter
vmx_enter:
	push_saved
	pushq %rdi
	movl $HOST_RSP, %eax
	vmwrite %rsp, %rax
	testb %sil, %sil /* no MOV changes the flags */
	movq (%rdi), %rax
	load_gprs_from_rdi
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
	popq (%rax)
	addq $8, %rsp
	store_gprs_to_rax
	xorl %eax, %eax
3:	clear ecx, edx, esi, edi, r8d, r9d, r10d, r11d
	pop_saved
	ret

/* The same, for a CPU that needs it. An entry that is refused leaves by the other's end: no guest
 * has run. */
	.balign 64
	.globl vmx_enter_guarded
vmx_enter_guarded:
	push_saved
	pushq %rdi
	movl $HOST_RSP, %eax
	vmwrite %rsp, %rax
	guard_entry
	testb %sil, %sil
	movq (%rdi), %rax
	load_gprs_from_rdi
	jnz 4f
	guard_buffers
	vmlaunch
	jmp 5f
4:	guard_buffers
	vmresume
5:	movq (%rsp), %rax
	guard_exit
	jmp 2b

	.balign 64
	.globl vmx_exit_guarded
vmx_exit_guarded:
	pushq %rax
	movq 8(%rsp), %rax
	popq (%rax)
	addq $8, %rsp
	store_gprs_to_rax
	guard_exit
	xorl %eax, %eax
	jmp 3b

/* void vmx_interrupt_window(void): physical interrupts are taken between the two. */
	.globl vmx_interrupt_window
vmx_interrupt_window:
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
