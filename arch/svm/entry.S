/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void svm_enter(uint64_t *gpr, uint64_t vmcb_pa)
 *
 * GIF is 0 and IF is 1 here: with V_INTR_MASKING, IF=1 lets physical
 * interrupts end the guest (APM 2 15.21.1); #VMEXIT clears GIF again. RAX and
 * RSP of the guest are in the VMCB; the host's are kept in VM_HSAVE_PA.
 */
#include "arch/gpr.h"
#include "arch/guard_asm.h"

	.text
	.balign 64
	.globl svm_enter
svm_enter:
	push_saved
	pushq %rdi
	movq %rsi, %rax
	load_gprs_from_rdi
	vmrun %rax
	popq %rax
	store_gprs_to_rax
	clear r8d, r9d, r10d, r11d
	pop_saved
	ret

/* The same, for a CPU that needs it. */
	.balign 64
	.globl svm_enter_guarded
svm_enter_guarded:
	push_saved
	pushq %rdi
	guard_entry
	movq %rsi, %rax
	load_gprs_from_rdi
	guard_buffers
	vmrun %rax
	popq %rax
	store_gprs_to_rax
	guard_exit
	clear ecx, edx, esi, edi, r8d, r9d, r10d, r11d
	pop_saved
	ret

/* void svm_vmload(uint64_t pa), void svm_vmsave(uint64_t pa) */
	.globl svm_vmload
svm_vmload:
	movq %rdi, %rax
	vmload %rax
	ret
	.globl svm_vmsave
svm_vmsave:
	movq %rdi, %rax
	vmsave %rax
	ret

/* void svm_interrupt_window(void): physical interrupts are taken between the two. */
	.globl svm_interrupt_window
svm_interrupt_window:
	stgi
	nop
	clgi
	ret

/*
 * void svm_idle(void): sleep until an interrupt. With IF=0 a pending
 * interrupt still ends HLT only once IF is 1, so: GIF on with IF off, then
 * STI, whose shadow covers the HLT.
 */
	.globl svm_idle
svm_idle:
	cli
	stgi
	sti
	hlt
	clgi
	ret
	.section .note.GNU-stack, "", @progbits
