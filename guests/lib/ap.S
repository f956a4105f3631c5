/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a CPU begins after a start-up IPI: copied to a page below 1 MiB, whose
 * number is the vector. From real mode straight to long mode, by what smp.c has
 * written behind the code.
 */
#define CR0_PE 0x1
#define CR0_ET 0x10
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define EFER_NXE 0x800

	.section .rodata
	.globl ap_begin, ap_end, ap_block
	.code16
ap_begin:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl (gdt - ap_begin)
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl (cr3 - ap_begin), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	xorl %edx, %edx
	movl $(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_ET | CR0_PE), %eax
	movl %eax, %cr0
	ljmpl *(far - ap_begin)

	.align 8
ap_block: /* struct ap_block */
gdt:
	.skip 16
idt:
	.skip 16
cr3:
	.quad 0
stack:
	.quad 0
entry:
	.quad 0
id:
	.quad 0
far:
	.long ap_long
	.word 0x08
ap_end:

	.section .text
	.code64
	.globl ap_at
ap_long:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq ap_at, %rbx
	leaq (ap_block - ap_begin)(%rbx), %rbx
	lidt (idt - ap_block)(%rbx)
	movq (stack - ap_block)(%rbx), %rsp
	movq (id - ap_block)(%rbx), %rdi
	xorl %ebp, %ebp
	call *(entry - ap_block)(%rbx)
1:	cli
	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
