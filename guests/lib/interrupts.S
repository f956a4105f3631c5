/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of interrupt vectors 0x20 to 0xff: count, EOI, back. */
#define X2APIC_EOI 0x80b

	.section .text
	.code64

	.align 16
	.globl interrupt_stubs
interrupt_stubs:
	.set vector, 0x20
	.rept 0xe0
	.align 16
	lock incq interrupt_count + vector * 8
	.if vector == 0xff /* spurious: no EOI */
	iretq
	.else
	jmp end_of_interrupt
	.endif
	.set vector, vector + 1
	.endr

end_of_interrupt:
	btrl $0, interrupt_eoi
	jc 2f
	cmpb $0, interrupts_xapic
	jne 1f
	pushq %rax
	pushq %rcx
	pushq %rdx
	movl $X2APIC_EOI, %ecx
	xorl %eax, %eax
	xorl %edx, %edx
	wrmsr
	popq %rdx
	popq %rcx
	popq %rax
	iretq
1:	pushq %rdi
	movl $0xfee000b0, %edi
	movl $0, (%rdi)
	popq %rdi
	iretq

2:	incl interrupt_eoi_saved
	iretq

	.section .bss
	.balign 4
	.globl interrupt_eoi, interrupt_eoi_saved
interrupt_eoi:
	.skip 4
interrupt_eoi_saved:
	.skip 4
	.globl interrupts_xapic
interrupts_xapic:
	.skip 1
	.align 8
	.globl interrupt_count
interrupt_count:
	.skip 256 * 8

	.section .note.GNU-stack, "", @progbits
