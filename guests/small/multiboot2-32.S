/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 32-bit multiboot2 kernel: prints what it was given - the command line,
 * each module's string and content - and powers off. Multiboot2 3.3, 3.6.
 */
#define HEADER_MAGIC 0xe85250d6
#define BOOT_MAGIC 0x36d76289
#define TAG_END 0
#define TAG_CMDLINE 1
#define TAG_MODULE 3
#define COM1 0x3f8
#define PM1_CONTROL 0x604
#define SLEEP_S5 0x2000

	.section .text
	.balign 8
header:
	.long HEADER_MAGIC, 0, header_end - header, -(HEADER_MAGIC + header_end - header)
	.short 0, 0
	.long 8
header_end:

	.code32
	.globl _start
_start:
	movl $stack_end, %esp
	cmpl $BOOT_MAGIC, %eax
	jne power_off
	leal 8(%ebx), %ebp /* the first tag */
next_tag:
	movl (%ebp), %eax
	cmpl $TAG_END, %eax
	je done
	cmpl $TAG_CMDLINE, %eax
	je cmdline
	cmpl $TAG_MODULE, %eax
	je module
skip:
	movl 4(%ebp), %eax
	addl $7, %eax
	andl $~7, %eax
	addl %eax, %ebp
	jmp next_tag

cmdline:
	movl $cmdline_text, %esi
	call print
	leal 8(%ebp), %esi
	call print
	call newline
	jmp skip

module:
	movl $module_text, %esi
	call print
	leal 16(%ebp), %esi
	call print
	movl $content_text, %esi
	call print
	movl 8(%ebp), %esi
	movl 12(%ebp), %ecx
	subl %esi, %ecx
1:	jecxz 2f
	lodsb
	call put
	decl %ecx
	jmp 1b
2:	call newline
	jmp skip

done:
	movl $done_text, %esi
	call print
	call newline
power_off:
	movw $PM1_CONTROL, %dx
	movw $SLEEP_S5, %ax
	outw %ax, %dx
3:	cli
	hlt
	jmp 3b

print:
	lodsb
	testb %al, %al
	jz 4f
	call put
	jmp print
newline:
	movb $'\n', %al
put:
	movw $COM1, %dx
	outb %al, %dx
4:	ret

cmdline_text:
	.asciz "multiboot2: command line: "
module_text:
	.asciz "multiboot2: module: "
content_text:
	.asciz ": "
done_text:
	.asciz "multiboot2: done"
	.balign 4
	.skip 512
stack_end:
