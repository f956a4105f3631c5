/* SPDX-License-Identifier: BSD-2-Clause */
/* The Multiboot 1 header, the kernel's image, the way from QEMU through main() to the kernel. */

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00000003 /* modules on page boundaries, memory map */
#define MB2_BOOT  0x36d76289 /* in EAX, at the kernel's entry */

	.section .header, "a"
	.balign 4
	.long MB1_MAGIC
	.long MB1_FLAGS
	.long -(MB1_MAGIC + MB1_FLAGS)

	.text
	.globl start
start:
	cld
	movl $stack_end, %esp
	pushl %ebx
	call main
	movl %eax, %ecx
	movl $MB2_BOOT, %eax
	movl $info2, %ebx
	jmp *%ecx

	.section .rodata
	.balign 8
	.globl kernel
kernel:
	.incbin "build/sampo.elf"

	.bss
	.balign 16
	.skip 4096
stack_end:
	.section .note.GNU-stack, "", @progbits
