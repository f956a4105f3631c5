/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entry of dom0 and of our small guests: the state in which PVH guests
 * are entered (Xen's docs/misc/pvh.pandoc) - 32-bit protected mode, paging
 * off, flat segments, interrupts off, EBX = start information. Goes on to long
 * mode with all addresses up to 4 TiB (4 GiB on a CPU without pages of
 * 1 GiB) mapped to themselves, and to guest_start() with the start information
 * in RDI.
 */

#define CR0_PE 0x1
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define EFER_NXE 0x800

#define PTE_P_RW 0x3
#define PTE_LARGE 0x83 /* present, writable, large */

#define PDPTS 8
#define STACK_BYTES 0x10000

	/* The ELF note by which PVH loaders find the entry: type 18,
	 * XEN_ELFNOTE_PHYS32_ENTRY. */
	.section .note.pvh, "a", @note
	.align 4
	.long 4
	.long 8
	.long 18
	.asciz "Xen"
	.quad _start

	.section .text.start, "ax", @progbits
	.code32
	.globl _start
_start:
	cli
	cld
	movl $stack_top, %esp
	movl %ebx, %ebp

	movl $(guest_pdpt + PTE_P_RW), %eax
	xorl %ecx, %ecx
0:	movl %eax, guest_pml4(, %ecx, 8)
	addl $0x1000, %eax
	incl %ecx
	cmpl $PDPTS, %ecx
	jb 0b

	/* Pages of 1 GiB: CPUID 8000_0001h EDX bit 26. */
	movl $0x80000001, %eax
	cpuid
	testl $(1 << 26), %edx
	jz 2f

	movl $guest_pdpt, %edi
	xorl %ecx, %ecx
1:	/* entry n: n << 30, of which two bits go to the low half */
	movl %ecx, %eax
	shll $30, %eax
	orl $PTE_LARGE, %eax
	movl %eax, (%edi, %ecx, 8)
	movl %ecx, %eax
	shrl $2, %eax
	movl %eax, 4(%edi, %ecx, 8)
	incl %ecx
	cmpl $(PDPTS * 512), %ecx
	jb 1b
	jmp 4f

2:	/* 4 page directories of 512 pages of 2 MiB, one after the other */
	movl $guest_pd, %edi
	movl $PTE_LARGE, %eax
	xorl %ecx, %ecx
3:	movl %eax, (%edi, %ecx, 8)
	addl $0x200000, %eax
	incl %ecx
	cmpl $2048, %ecx
	jb 3b
	movl $(guest_pd + 0x0000 + PTE_P_RW), guest_pdpt
	movl $(guest_pd + 0x1000 + PTE_P_RW), guest_pdpt + 8
	movl $(guest_pd + 0x2000 + PTE_P_RW), guest_pdpt + 16
	movl $(guest_pd + 0x3000 + PTE_P_RW), guest_pdpt + 24

4:	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $guest_pml4, %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl %cr0, %eax
	orl $(CR0_PG | CR0_WP | CR0_PE), %eax
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $0x08, $long_mode

	.code64
long_mode:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl %ebp, %edi
	xorl %ebp, %ebp
	call guest_start
5:	cli
	hlt
	jmp 5b

	.section .rodata
	.align 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff /* 0x10: data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.section .bss.start, "aw", @nobits
	.align 4096
	.globl guest_pml4
guest_pml4:
	.skip 0x1000
	.globl guest_pdpt
guest_pdpt:
	.skip 0x1000 * PDPTS
guest_pd:
	.skip 0x4000
	.globl guest_guard
guest_guard:
	.skip 0x1000
	.skip STACK_BYTES
stack_top:

	.section .note.GNU-stack, "", @progbits
