/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The classic first guest of the KVM API: 16-bit code that adds 2 and 2,
 * prints the digit on the serial port and halts. A multiboot loader enters in
 * 32-bit protected mode, so first the code goes below 1 MiB, and the CPU back
 * to real mode (SDM 3A, 9.9.2).
 */
#define MULTIBOOT_MAGIC 0x1badb002
#define LOW 0x8000 /* where the 16-bit code runs */
#define CR0_PE 1
#define COM1 0x3f8

	.section .text
	.align 4
	.long MULTIBOOT_MAGIC
	.long 0
	.long -MULTIBOOT_MAGIC

	.code32
	.globl _start
_start:
	cli
	cld
	movl $low_begin, %esi
	movl $LOW, %edi
	movl $(low_end - low_begin), %ecx
	rep movsb
	lgdt gdt_pointer
	ljmp $0x08, $LOW

	/* Below here all addresses are relative to low_begin. */
	.code16
low_begin:
	movw $0x10, %ax /* segments with 16-bit limits */
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl %cr0, %eax
	andl $~CR0_PE, %eax
	movl %eax, %cr0
	ljmp $0, $(LOW + real - low_begin)
real:
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $LOW, %sp

	movb $2, %al
	movb $2, %bl
	movw $COM1, %dx
	addb %bl, %al
	addb $'0', %al
	outb %al, %dx
	movb $'\n', %al
	outb %al, %dx
	hlt
low_end:

	.align 8
gdt:
	.quad 0
	.quad 0x00009b000000ffff /* 0x08: 16-bit code */
	.quad 0x000093000000ffff /* 0x10: 16-bit data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt

	.section .note.GNU-stack, "", @progbits
