/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of the oldest kind: real mode, the PIT's tick through the PIC and
 * the interrupt table at address 0, the time from the RTC, the power off at
 * the ACPI port. It never touches a local APIC.
 */
#define MULTIBOOT_MAGIC 0x1badb002
#define LOW 0x8000 /* where the 16-bit code runs */
#define CR0_PE 1
#define COM1 0x3f8
#define PIC 0x20
#define VECTOR 8 /* IRQ 0, where a PC has it in real mode */
#define PIT_100_HZ 11932
#define TICKS 10
#define PM1_CONTROL 0x604
#define SLEEP_S5 0x2000

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
	lidt LOW + idt_pointer - low_begin
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

	movw $(LOW + tick - low_begin), VECTOR * 4
	movw $0, VECTOR * 4 + 2

	/* ICW1 to ICW4, all masked but IRQ 0. */
	movb $0x11, %al
	outb %al, $PIC
	movb $VECTOR, %al
	outb %al, $(PIC + 1)
	movb $0x04, %al
	outb %al, $(PIC + 1)
	movb $0x01, %al
	outb %al, $(PIC + 1)
	movb $0xfe, %al
	outb %al, $(PIC + 1)

	/* Channel 0, rate generator. */
	movb $0x34, %al
	outb %al, $0x43
	movb $(PIT_100_HZ & 0xff), %al
	outb %al, $0x40
	movb $(PIT_100_HZ >> 8), %al
	outb %al, $0x40

	xorw %bx, %bx
1:	sti
	hlt
	cli
	cmpw $TICKS, %bx
	jb 1b

	movw $(LOW + text - low_begin), %si
	call print

	/* The year, as two BCD digits each. */
	movb $0x32, %al
	call print_cmos
	movb $0x09, %al
	call print_cmos
	movb $'\n', %al
	call putc

	movw $PM1_CONTROL, %dx
	movw $SLEEP_S5, %ax
	outw %ax, %dx
2:	hlt
	jmp 2b

tick:
	incw %bx
	pushw %ax
	movb $'.', %al
	call putc
	movb $0x20, %al
	outb %al, $PIC
	popw %ax
	iret

print_cmos:
	outb %al, $0x70
	inb $0x71, %al
	movb %al, %cl
	shrb $4, %al
	addb $'0', %al
	call putc
	movb %cl, %al
	andb $0x0f, %al
	addb $'0', %al
putc:
	pushw %dx
	movw $COM1, %dx
	outb %al, %dx
	popw %dx
	ret

print:
	lodsb
	testb %al, %al
	jz 3f
	call putc
	jmp print
3:	ret

text:
	.asciz " ten ticks, the year is "
	.align 4
idt_pointer:
	.word 0x3ff
	.long 0
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
