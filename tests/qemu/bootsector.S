/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A boot sector that uses a PC's firmware: the screen (INT 10h), the disk (INT 13h, from where the
 * second sector comes), the keyboard (INT 16h). After a key it resets the CPU and goes on behind the
 * reset, as programs of protected mode once did. The reset is the whole machine's, so no tick comes
 * from the PIC then, and the sector turns the machine off.
 */
	.code16
	.globl _start
_start:
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	movb %dl, drive
	movw $hello, %si
	call say
	movb $0x42, %ah			/* read by LBA */
	movb drive, %dl
	movw $packet, %si
	int $0x13
	jc failed
	movw $second, %si
	call say
	movw $ask, %si
	call say
	xorw %ax, %ax			/* wait for a key */
	int $0x16

/* 40:67 says where the firmware is to jump to when the reset's reason is 0x0a. */
	cli
	movw $again, 0x467
	movw $0, 0x469
	movb $0x0f, %al
	outb %al, $0x70
	movb $0x0a, %al
	outb %al, $0x71
	movb $0xfe, %al
	outb %al, $0x64
halt:
	hlt
	jmp halt
again:
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	movw $back, %si
	call say
	movw $0x604, %dx		/* PM1 control: S5 */
	movw $0x2000, %ax
	outw %ax, %dx
	jmp halt

failed:
	movw $broken, %si
	call say
	jmp halt

say:
	lodsb
	testb %al, %al
	jz 1f
	movb $0x0e, %ah			/* teletype */
	movw $7, %bx
	int $0x10
	jmp say
1:	ret

hello:	.asciz "the first sector runs\r\n"
ask:	.asciz "a key?\r\n"
back:	.asciz "behind the reset\r\n"
broken:	.asciz "INT 13h failed\r\n"
drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
	.word 1, second, 0
	.long 1, 0

	.org 510
	.word 0xaa55
second:
	.asciz "the second sector was read\r\n"
	.org 1024
