/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real mode: prints the segment of the extended BIOS data area, calls a BIOS that is not there, and jumps
 * to ffff:0, which resets the machine, so that all of it comes again.
 */
#define COM1    0x3f8
#define EBDA    0x40e
#define STACK   0x7000

	.code16
	.section .text
	.globl _start
_start:
	cli
	movw $STACK, %sp
	movw EBDA, %bx
	movw $4, %cx
1:	rolw $4, %bx
	movb %bl, %al
	andb $0xf, %al
	cmpb $10, %al
	jb 2f
	addb $('a' - '0' - 10), %al
2:	addb $'0', %al
	call put
	loop 1b

	/* A call fails with the carry flag, and comes back. */
	clc
	movw $0xe820, %ax
	int $0x15
	movb $'c', %al
	jc 3f
	movb $'-', %al
3:	call put
	movb $'\n', %al
	call put
	ljmp $0xffff, $0

put:
	movw $COM1, %dx
	outb %al, %dx
	ret

	.section .note.GNU-stack, "", @progbits
