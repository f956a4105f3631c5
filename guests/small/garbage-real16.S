/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs random bytes in 32-bit protected mode ("protected" in the command
 * line) or in real mode, from the seed that is the line's last number. All
 * memory from 1 KiB to 512 KiB is garbage. It ends when it ends.
 */
#define MULTIBOOT_MAGIC 0x1badb002
#define CR0_PE 1
#define FROM 0x400
#define TO 0x80000
#define LOW 0x90000 /* the way to real mode */

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
	movl $stack_top, %esp
	movl 16(%ebx), %esi /* the command line: multiboot 0.6.96, 3.3 */
	xorl %ebp, %ebp     /* "protected" was seen: has a 'p' then 'r' */
	movl $1, %edx       /* the seed */
1:	movzbl (%esi), %eax
	testl %eax, %eax
	jz 4f
	cmpw $0x7270, (%esi) /* "pr" */
	jne 2f
	incl %ebp
2:	subl $'0', %eax
	cmpl $9, %eax
	ja 3f
	imull $10, %edx
	addl %eax, %edx
3:	incl %esi
	jmp 1b

	/* xorshift32 (Marsaglia) */
4:	orl $1, %edx
	movl $FROM, %edi
5:	movl %edx, %eax
	shll $13, %eax
	xorl %eax, %edx
	movl %edx, %eax
	shrl $17, %eax
	xorl %eax, %edx
	movl %edx, %eax
	shll $5, %eax
	xorl %eax, %edx
	movl %edx, (%edi)
	addl $4, %edi
	cmpl $TO, %edi
	jb 5b

	movl $message, %esi
	movw $0x3f8, %dx
	movl $(message_end - message), %ecx
	rep outsb

	testl %ebp, %ebp
	jz real_mode
	pushl $FROM + 0x1000
	ret

real_mode:
	movl $low_begin, %esi
	movl $LOW, %edi
	movl $(low_end - low_begin), %ecx
	rep movsb
	lgdt gdt_pointer
	ljmp $0x08, $0

	.code16
low_begin:
	movw $0x10, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl %cr0, %eax
	andl $~CR0_PE, %eax
	movl %eax, %cr0
	ljmp $0x0100, $0x1000
low_end:

message:
	.ascii "garbage begins\n"
message_end:

	.align 8
gdt:
	.quad 0
	.quad 0x00009b090000ffff /* 0x08: 16-bit code, base 0x90000 */
	.quad 0x000093000000ffff /* 0x10: 16-bit data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt

	.section .bss
	.skip 256
stack_top:

	.section .note.GNU-stack, "", @progbits
