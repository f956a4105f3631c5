/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware task switches (SDM 3A 8.3), as a 32-bit multiboot2 kernel: by JMP, by CALL and IRET, by
 * an interrupt and by a fault with a task gate, to a 16-bit task, and what is wrong with a TSS. Each
 * step that went well prints its letter, each other one an x.
 */
#define HEADER_MAGIC 0xe85250d6
#define COM1 0x3f8
#define PM1_CONTROL 0x604
#define SLEEP_S5 0x2000

#define CODE 0x08
#define DATA 0x10
#define TSS_MAIN 0x18
#define TSS_JUMP 0x20
#define TSS_GATE 0x28
#define TSS_FAULT 0x30
#define TSS_ABSENT 0x38 /* not present */
#define TSS_SHORT 0x40  /* its limit is too low */
#define TSS_BAD 0x48    /* its DS is no segment */
#define TSS_16 0x50
#define CODE_16 0x58    /* base: this program */
#define BEYOND 0x1000   /* the end of the GDT */
#define CODE_LDT 0x64   /* a selector of an LDT that is not there */

#define VECTOR_TS 10
#define VECTOR_NP 11
#define VECTOR_GP 13
#define VECTOR_GATE 0x30
#define NT 0x4000
#define TS 8

/* Offsets in a TSS. */
#define T_LINK 0
#define T_EIP 0x20
#define T_EFLAGS 0x24
#define T_EAX 0x28
#define T_ESP 0x38
#define T_SEGS 0x48

	.section .text
	.balign 8
header:
	.long HEADER_MAGIC, 0, header_end - header, -(HEADER_MAGIC + header_end - header)
	.short 0, 0
	.long 8
header_end:

	.code32
/* The bases of descriptors are not the linker's to fill in. */
.macro SET_BASE selector, address
	movl $\address, %eax
	movw %ax, gdt + \selector + 2
	shrl $16, %eax
	movb %al, gdt + \selector + 4
	movb %ah, gdt + \selector + 7
.endm

.macro SET_GATE vector, selector, address, type
	movl $\address, %eax
	movw %ax, idt + 8 * \vector
	movw $\selector, idt + 8 * \vector + 2
	movw $\type, idt + 8 * \vector + 4
	shrl $16, %eax
	movw %ax, idt + 8 * \vector + 6
.endm

.macro TASK tss, entry, stack
	movl $\entry, \tss + T_EIP
	movl $2, \tss + T_EFLAGS
	movl $\stack, \tss + T_ESP
	.irp n, 0, 2, 3, 4, 5
	movl $DATA, \tss + T_SEGS + 4 * \n
	.endr
	movl $CODE, \tss + T_SEGS + 4
.endm

/* Goes on behind it, with the letter if the flags say "equal". */
.macro STEP letter
	movb $\letter, %al
	je 9f
	movb $'x', %al
9:	call put
.endm

/* JMP to what cannot be: the fault's vector and error code. */
.macro REFUSED selector, vector, code, letter
	movl $8f, resume
	movl $0, fault_vector
	ljmp $\selector, $0
8:	cmpl $\vector, fault_vector
	jne 7f
	cmpl $\code, fault_code
7:	STEP \letter
.endm

	.globl _start
_start:
	movl $stack_end, %esp
	SET_BASE TSS_MAIN, tss_main
	SET_BASE TSS_JUMP, tss_jump
	SET_BASE TSS_GATE, tss_gate
	SET_BASE TSS_FAULT, tss_fault
	SET_BASE TSS_SHORT, tss_jump
	SET_BASE TSS_BAD, tss_bad
	SET_BASE TSS_16, tss_16
	SET_BASE CODE_16, header
	lgdt gdt_pointer
	ljmp $CODE, $1f
1:	movw $DATA, %ax
	.irp segment, ds, es, fs, gs, ss
	movw %ax, %\segment
	.endr
	SET_GATE VECTOR_TS, CODE, on_ts, 0x8e00
	SET_GATE VECTOR_NP, CODE, on_np, 0x8e00
	SET_GATE VECTOR_GP, CODE, on_gp, 0x8e00
	SET_GATE VECTOR_GATE, TSS_GATE, 0, 0x8500
	lidt idt_pointer
	TASK tss_jump, jumped, stack_jump
	TASK tss_gate, interrupted, stack_gate
	TASK tss_fault, faulted, stack_fault
	TASK tss_bad, jumped, stack_jump
	movl $BEYOND, tss_bad + T_SEGS + 4 * 3
	movl $0x12345678, tss_jump + T_EAX
	movw $TSS_MAIN, %ax
	ltr %ax
	movl $text, %esi
	call print

	/* A: there and back by JMP, with the registers of each; CR0.TS is set. */
	clts
	movl $0xcafe, %ebx
	ljmp $TSS_JUMP, $0
	cmpl $0xcafe, %ebx
	jne 2f
	cmpl $0x12345678, seen
	jne 2f
	movl %cr0, %eax
	andl $TS, %eax
	cmpl $TS, %eax
2:	STEP 'A'

	/* B: by CALL, and back by IRET with NT; the second time it goes on where it was. */
	lcall $TSS_JUMP, $0
	cmpl $TSS_MAIN, seen
	STEP 'B'

	/* C, D: twice by INT with a task gate; NT is set there, and not here. */
	int $VECTOR_GATE
	pushfl
	popl %eax
	andl $NT, %eax
	jnz 3f
	cmpl $1, gate_count
3:	STEP 'C'
	int $VECTOR_GATE
	cmpl $2, gate_count
	STEP 'D'

	/* E: a fault with a task gate, whose error code is on that task's stack. */
	SET_GATE VECTOR_GP, TSS_FAULT, 0, 0x8500
	movl $4f, resume
	movw $BEYOND, %ax
	movw %ax, %fs
4:	cmpl $BEYOND, seen
	STEP 'E'
	SET_GATE VECTOR_GP, CODE, on_gp, 0x8e00

	/* F: a 16-bit task and back. */
	movl $0xbeef, %ebx
	ljmp $TSS_16, $0
	cmpl $0xbeef, %ebx
	jne 5f
	cmpw $0x1616, seen
5:	STEP 'F'

	/* G to K: what is wrong with a TSS, and in it. */
	REFUSED TSS_ABSENT, VECTOR_NP, TSS_ABSENT, 'G'
	REFUSED TSS_SHORT, VECTOR_TS, TSS_SHORT, 'H'
	REFUSED TSS_MAIN, VECTOR_GP, TSS_MAIN, 'I' /* busy */
	REFUSED CODE_LDT, VECTOR_GP, CODE_LDT, 'J'
	REFUSED TSS_BAD, VECTOR_TS, BEYOND, 'K'

	movl $done_text, %esi
	call print
	movw $PM1_CONTROL, %dx
	movw $SLEEP_S5, %ax
	outw %ax, %dx
6:	cli
	hlt
	jmp 6b

jumped:
	movl %eax, seen
	ljmp $TSS_MAIN, $0
	movzwl tss_jump + T_LINK, %eax /* by CALL */
	movl %eax, seen
	iret

interrupted:
	pushfl
	popl %eax
	andl $NT, %eax
	jz 1f
	incl gate_count
1:	iret
	jmp interrupted

faulted:
	popl %eax
	movl %eax, seen
	movl resume, %eax
	movl %eax, tss_main + T_EIP
	iret

/* In a task whose segments could not be loaded, too: these are first. */
on_ts:
	movl $VECTOR_TS, %ecx
	jmp on_fault
on_np:
	movl $VECTOR_NP, %ecx
	jmp on_fault
on_gp:
	movl $VECTOR_GP, %ecx
on_fault:
	movw $DATA, %ax
	.irp segment, ds, es, ss
	movw %ax, %\segment
	.endr
	movl %ecx, fault_vector
	popl fault_code
	movl resume, %eax
	movl %eax, (%esp)
	movl $CODE, 4(%esp)
	iret

	.code16
task_16:
	movw $DATA, %ax
	movw %ax, %ds
	movw $0x1616, %ax
	.byte 0x67, 0xa3 /* MOV to a 32-bit address */
	.long seen
	ljmp $TSS_MAIN, $0
	.code32

print:
	lodsb
	testb %al, %al
	jz 1f
	call put
	jmp print
put:
	movw $COM1, %dx
	outb %al, %dx
1:	ret

text:
	.asciz "tasks: "
done_text:
	.asciz " done\n"

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.rept 4
	.quad 0x0000890000000067
	.endr
	.quad 0x0000090000000067
	.quad 0x0000890000000066
	.quad 0x0000890000000067
	.quad 0x000081000000002b
	.quad 0x00009b000000ffff
gdt_end:
gdt_pointer:
	.short gdt_end - gdt - 1
	.long gdt
idt_pointer:
	.short 8 * 0x31 - 1
	.long idt
	.balign 8
idt:
	.skip 8 * 0x31
	.balign 128
tss_main:
	.skip 128
tss_jump:
	.skip 128
tss_gate:
	.skip 128
tss_fault:
	.skip 128
tss_bad:
	.skip 128
tss_16: /* IP, FLAGS and SP, then ES, CS, SS, DS and the LDT */
	.skip 14
	.short task_16 - header, 2
	.skip 8
	.short 0, 0, 0, 0
	.short DATA, CODE_16, DATA, DATA, 0
	.balign 4
seen:
	.long 0
gate_count:
	.long 0
fault_vector:
	.long 0
fault_code:
	.long 0
resume:
	.long 0
	.skip 256
stack_jump:
	.skip 256
stack_gate:
	.skip 256
stack_fault:
	.skip 512
stack_end:
