/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's first instructions of Sampo: the multiboot2 header and the way
 * from 32-bit protected mode (paging off) to 64-bit C, on identity page tables
 * of the first 4 GiB that live until arch/paging.c builds the real ones.
 */

#define MB2_MAGIC    0xe85250d6

#define CR0_PE       0x00000001
#define CR0_MP       0x00000002
#define CR0_NE       0x00000020
#define CR0_WP       0x00010000
#define CR0_PG       0x80000000
#define CR4_PAE      0x00000020
#define MSR_EFER     0xc0000080
#define EFER_LME     0x00000100
#define EFER_NXE     0x00000800
#define PTE_PW       0x003
#define PTE_PW_LARGE 0x083

	.section .boot.header, "a"
	.balign 8
mb2_header:
	.long MB2_MAGIC
	.long 0 /* i386 protected mode */
	.long mb2_end - mb2_header
	.long -(MB2_MAGIC + (mb2_end - mb2_header))
	/* Modules on page boundaries (multiboot2 3.1.11). */
	.balign 8
	.short 6, 0
	.long 8
	/* A text console or a linear framebuffer, whatever is there (3.1.10). */
	.balign 8
	.short 5, 1
	.long 20
	.long 0, 0, 0
	.balign 8
	.short 0, 0
	.long 8
mb2_end:

/* Paging and long mode, on the boot's page tables. The next far jump is to 64-bit code. */
	.macro long_mode
	movl $CR4_PAE, %eax /* UEFI leaves DE and MCE set: start from nothing */
	movl %eax, %cr4
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME | EFER_NXE, %eax
	wrmsr
	/* CD and NW stay clear: firmware may leave the caches off. */
	movl $CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE, %eax
	movl %eax, %cr0
	.endm

	.section .boot.text, "ax"
	.code32
	.globl start
start:
	cli
	movl %eax, %edi /* multiboot magic */
	movl %ebx, %esi /* multiboot information */

	/* Long mode and NX, or nothing: there is no C to complain yet. */
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	btl $29, %edx
	jnc no_long_mode

	lgdt boot_gdt_pointer
	long_mode
	movl $kernel_main, %ebx
	ljmp $0x08, $start64

no_long_mode:
	movl $no_long_mode_text, %ebx
	movl $0xb8000, %edi
3:	movb (%ebx), %al
	testb %al, %al
	jz 5f
	movb %al, (%edi)
	movb $0x4f, 1(%edi)
	movw $0x3f8, %dx
	outb %al, %dx
	incl %ebx
	addl $2, %edi
	jmp 3b
5:	hlt
	jmp 5b

	.code64
start64: /* every CPU, to the function in EBX */
	xorl %eax, %eax
	.irp segment, ds, es, fs, gs, ss
	movl %eax, %\segment
	.endr
	lgdt boot_gdt_pointer
	movq start_cr3, %rax
	movq %rax, %cr3
	movq start_stack, %rsp
	xorl %ebp, %ebp
	movl %ebx, %ebx /* what is above them is undefined */
	movl %esi, %esi
	cld
	call *%rbx
6:	hlt
	jmp 6b

/*
 * Where another CPU starts, in real mode: copied to a page below 640 KiB, and
 * from there at once to long mode, on the boot's page tables first, since the
 * kernel's may be above 4 GiB.
 */
	.code16
	.globl ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl ap_gdt_pointer - ap_trampoline
	long_mode
	movl $ap_main, %ebx
	ljmpl $0x08, $start64
ap_gdt_pointer:
	.short boot_gdt_pointer - boot_gdt - 1
	.long boot_gdt
ap_trampoline_end:

	.section .boot.rodata, "a"
no_long_mode_text:
	.asciz "Sampo: this CPU has no 64-bit mode; a 64-bit CPU is required.\r\n"
	.balign 8
	.globl boot_gdt
boot_gdt:
	.quad 0
	.quad 0x00209b0000000000 /* 0x08: 64-bit code */
	.quad 0x0000930000000000 /* 0x10: data */
boot_gdt_pointer:
	.short boot_gdt_pointer - boot_gdt - 1
	.quad boot_gdt

	.section .data.boot, "aw"
	.balign 8
	.globl start_cr3, start_stack
start_cr3: /* of the CPU that starts next; at first the boot's */
	.quad boot_pml4
start_stack:
	.quad boot_stack_end

	/* The first 4 GiB at their place, by 2 MiB pages. */
	.balign 4096
boot_pml4:
	.quad boot_pdpt + PTE_PW
	.balign 4096
boot_pdpt:
	.irp directory, 0, 1, 2, 3
	.quad boot_pd + 4096 * \directory + PTE_PW
	.endr
	.balign 4096
boot_pd:
	.set at, PTE_PW_LARGE
	.rept 2048
	.quad at
	.set at, at + 0x200000
	.endr

	.section .bss.boot, "aw", @nobits
	.balign 16384 /* this_cpu() finds its structure by masking RSP */
	.globl boot_stack_gap, boot_stack
boot_stack_gap: /* arch/paging.c does not map it */
	.skip 16384
boot_stack:
	.skip 16384
	.globl boot_stack_end
boot_stack_end:
	.section .note.GNU-stack, "", @progbits
