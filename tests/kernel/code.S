/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guests run: real mode, loaded at 0x1000 with all segments at 0. A
 * counter is at 0x800, words to hand back from 0x810 on; port 0x99 is the
 * monitor's. Handlers of interrupts are loaded at 0x2000.
 */

.macro PROGRAM name
	.globl code_\name
code_\name:
.endm
.macro END name
	.globl code_\name\()_end
code_\name\()_end:
.endm

#define COUNT 0x800
#define WORDS 0x810
#define LOCK  0x880
#define READY 0x840

/* A write to MSR \msr; clobbers ECX, EAX, EDX. */
.macro WRITE_MSR msr, value
	movl $\msr, %ecx
	movl $\value, %eax
	xorl %edx, %edx
	wrmsr
.endm

.macro ENABLE_X2APIC
	movl $0x1b, %ecx
	rdmsr
	orl $0xc00, %eax
	wrmsr
	WRITE_MSR 0x80f, 0x1ff
.endm

	.section .rodata
	.code16

/* Out, in, the end, and on from there. */
PROGRAM ports
	movb $0x5a, %al
	outb %al, $0x99
	inw $0x98, %ax
	movw %ax, WORDS
	movw $0x1234, %dx
	movl $0xcafe1234, %eax
	outl %eax, %dx
	cli
	hlt
	incl COUNT
	outb %al, $0x99
END ports

/* Through ES, whose base the monitor has set: what it reads there, then a write. */
PROGRAM memory
	movw %es:0x10, %ax
	movw %ax, WORDS
	movw $0x7777, %es:0x20
	outb %al, $0x99
END memory

/* A jump to where nothing is: CS's base and IP are the monitor's. */
PROGRAM msr
	movl $0x12345678, %ecx
	rdmsr
	movl %eax, WORDS
	movl %edx, WORDS + 4
	movl $0x12345678, %ecx
	wrmsr
	outb %al, $0x99
END msr

/* A value on the FPU's stack, and later: is it still there? */
PROGRAM pi
	fninit
	fldpi
	outb %al, $0x99
	fnstsw WORDS
	outb %al, $0x99
END pi

/* A breakpoint on execution behind the first port access, and values that are no addresses here. */
PROGRAM breakpoint
	movl $0x5ec2e700, %eax
	movl %eax, %db1
	incl %eax
	movl %eax, %db2
	movl $(2f - code_breakpoint + 0x1000), %eax
	movl %eax, %db0
	movl $0x403, %eax
	movl %eax, %db7
	outb %al, $0x99
2:	nop
	outb %al, $0x99
	movl %db1, %eax
	movl %eax, WORDS
	movl %db2, %eax
	movl %eax, WORDS + 4
	xorl %eax, %eax
	movl %eax, %db7
	outb %al, $0x99
END breakpoint

/* CR4.PKE, a value for PKRU (WRPKRU and RDPKRU want 0 in ECX and EDX), and later: is it there? */
PROGRAM keys
	movl %cr4, %eax
	orl $0x400000, %eax
	movl %eax, %cr4
	xorl %ecx, %ecx
	xorl %edx, %edx
	movl $0x55555554, %eax
	.byte 0x0f, 0x01, 0xef
	outb %al, $0x99
	.byte 0x0f, 0x01, 0xee
	movl %eax, WORDS
	outb %al, $0x99
	xorl %eax, %eax
	movl %eax, %cr4
	outb %al, $0x99
END keys

/* CPUID of the leaf and subleaf that the monitor has written. */
PROGRAM ask
	movl WORDS, %eax
	movl WORDS + 4, %ecx
	cpuid
	movl %eax, WORDS + 8
	movl %ebx, WORDS + 12
	movl %ecx, WORDS + 16
	movl %edx, WORDS + 20
	outb %al, $0x99
END ask

PROGRAM undefined
	ud2
END undefined

PROGRAM spin
1:	incl COUNT
	jmp 1b
END spin

/* Has its steal time written at 2 MiB (KVM's MSR), and counts. */
PROGRAM stolen
	WRITE_MSR 0x4b564d03, 0x200001
1:	incl COUNT
	jmp 1b
END stolen

/* Sleeps for ever; tells of each time that it wakes. */
PROGRAM sleep
	sti
1:	hlt
	outb %al, $0x99
	jmp 1b
END sleep

/* The same, with the local APIC in x2APIC mode. */
PROGRAM x2apic
	ENABLE_X2APIC
	outb %al, $0x99
	sti
1:	hlt
	outb %al, $0x99
	jmp 1b
END x2apic

/* The PIC's line is ExtINT, the TPR holds back all else. Once the monitor has raised both it lets
 * interrupts in, and counts. */
PROGRAM window
	ENABLE_X2APIC
	WRITE_MSR 0x835, 0x700
	WRITE_MSR 0x808, 0xf0
	outb %al, $0x99
	movl $10000, %ecx
1:	decl %ecx
	jnz 1b
	sti
2:	incl COUNT
	jmp 2b
END window

/* The call whose arguments the monitor has put into the registers; by VMCALL if WORDS says so. */
PROGRAM call
1:	cmpb $0, WORDS
	jne 2f
	vmmcall
	jmp 3f
2:	vmcall
3:	outb %al, $0x99
	jmp 1b
END call

/* Rings, and tells that it went on. */
PROGRAM bell
1:	movw $0x500, %dx
	movw $0x55aa, %ax
	outw %ax, %dx
	incl COUNT
	outb %al, $0x99
	jmp 1b
END bell

/* When it rings, and when it last was in the loop behind that, which has as many rounds as the
 * monitor says; always. */
PROGRAM rings
1:	rdtsc
	movl %eax, WORDS
	incl COUNT
	movw $0x500, %dx
	outw %ax, %dx
	movl WORDS + 8, %ebx
2:	rdtsc
	movl %eax, WORDS + 4
	decl %ebx
	jnz 2b
	jmp 1b
END rings

/* INIT to all but itself, a start-up IPI to local APIC 5. */
PROGRAM startup
	ENABLE_X2APIC
	WRITE_MSR 0x830, 0xc4500
	incl COUNT
	movl $0x69a, %eax
	movl $5, %edx
	wrmsr
	incl COUNT
	outb %al, $0x99
END startup

/* A write to each page that the list at 0x900 has, up to 0, through ES. */
PROGRAM pages
1:	movw $0x7000, %si
2:	lodsl
	testl %eax, %eax
	jz 3f
	incl %es:(%eax)
	jmp 2b
3:	outb %al, $0x99
	jmp 1b
END pages

/* The TSC's low half to 0x810, then the counter: how a monitor knows when. */
PROGRAM stamp
1:	rdtsc
	movl %eax, WORDS
	movl %edx, WORDS + 4
	outb %al, $0x99
	jmp 1b
END stamp

/* The TSC, then a doorbell that interrupts this vCPU: handler_stamp tells when. */
PROGRAM ring_stamp
	ENABLE_X2APIC
	sti
1:	movw $0x500, %dx
	movw %dx, %bx
	rdtsc
	movl %eax, WORDS + 8
	movl %edx, WORDS + 12
	movw %bx, %dx
	outw %ax, %dx
	nop
	outb %al, $0x99
	jmp 1b
END ring_stamp

/* The TSC, then vector 0x40 for vCPU 1, then sleep until it answers. */
PROGRAM send_stamp
	ENABLE_X2APIC
1:	rdtsc
	movl %eax, WORDS + 8
	movl %edx, WORDS + 12
	movl $0x830, %ecx
	movl $0x40, %eax
	movl $1, %edx
	wrmsr
	sti
	hlt
	cli
	outb %al, $0x99
	jmp 1b
END send_stamp

/* vCPU 1: answers with vector 0x41 what wakes it, or what interrupts it. */
PROGRAM answer_asleep
	ENABLE_X2APIC
1:	sti
	hlt
	cli
	WRITE_MSR 0x830, 0x41
	jmp 1b
END answer_asleep

PROGRAM answer_awake
	ENABLE_X2APIC
	movl $1, READY
	sti
1:	movl COUNT, %ebx
2:	cmpl COUNT, %ebx
	je 2b
	WRITE_MSR 0x830, 0x41
	jmp 1b
END answer_awake

/* Two vCPUs want the same lock in turn, always: the word there says whose it is, SI which
 * vCPU this is. Who waits for it executes PAUSE. */
PROGRAM lock_spin
1:	cmpw %si, LOCK
	je 2f
	pause
	jmp 1b
2:	incl COUNT
	xorw $1, LOCK
	jmp 1b
END lock_spin

/* Who waits sleeps until a kick, KVM's hypercall, as guests of KVM do after some spinning; EDI: by
 * VMCALL, not VMMCALL. */
PROGRAM lock_kick
1:	cmpw %si, LOCK
	je 2f
	hlt
	jmp 1b
2:	incl COUNT
	xorw $1, LOCK
	movl $5, %eax
	movl %esi, %ecx
	xorb $1, %cl
	testl %edi, %edi
	jnz 3f
	vmmcall
	jmp 1b
3:	vmcall
	jmp 1b
END lock_kick

/* vCPU 0 has a lock and vCPU 1 executes PAUSE until it gets it. How long vCPU 0 was away when the
 * other has run: all in all, and how often. */
PROGRAM lock_away
	testl %esi, %esi
	jnz 3f
	rdtsc
	movl COUNT, %ebx
1:	movl %eax, %ebp
	rdtsc
	cmpl COUNT, %ebx
	je 1b
	rdtsc
	subl %ebp, %eax
	addl %eax, WORDS
	incl WORDS + 4
	rdtsc
	movl COUNT, %ebx
	jmp 1b
3:	incl COUNT
	pause
	jmp 3b
END lock_away

/* Sleeps until a deadline, as many TSC ticks ahead as WORDS + 12 says, always. */
PROGRAM late
	ENABLE_X2APIC
	WRITE_MSR 0x832, 0x40040
1:	rdtsc
	addl WORDS + 12, %eax
	adcl $0, %edx
	movl %eax, WORDS + 8
	movl $0x6e0, %ecx
	wrmsr
	sti
	hlt
	cli
	jmp 1b
END late

/* How late it is at most: WORDS. */
PROGRAM late_handler
	rdtsc
	subl WORDS + 8, %eax
	cmpl WORDS, %eax
	jbe 1f
	movl %eax, WORDS
1:	incl COUNT
	WRITE_MSR 0x80b, 0
	iretw
END late_handler

/* Exits that the kernel answers. */
PROGRAM cpuid
1:	xorl %eax, %eax
	cpuid
	incl COUNT
	jmp 1b
END cpuid

/* What floods do (flood.c): vCPU ESI of a crowd. Asleep for ever: EBP 0 with interrupts off, 1
 * with interrupts on, 2 awake. */
.macro SET_TPR
	movl %ebp, %eax
	shrl $16, %eax
	andl $0xffff, %ebp
	movl $0x808, %ecx
	wrmsr
.endm
.macro REST
	cmpl $1, %ebp
	ja 3f
	je 2f
1:	cli
	hlt
	jmp 1b
2:	sti
	hlt
	jmp 2b
3:	sti
4:	incl COUNT
	jmp 4b
.endm

/* A TSC deadline that never comes. */
PROGRAM flood_deadline
	ENABLE_X2APIC
	WRITE_MSR 0x832, 0x40061
	movl $0x6e0, %ecx
	xorl %eax, %eax
	movl $0xf0000000, %edx
	wrmsr
	REST
END flood_deadline

/* The timer: EBX in its LVT entry, EDI its count, the upper half of EBP the TPR. */
PROGRAM flood_timer
	ENABLE_X2APIC
	SET_TPR
	WRITE_MSR 0x83e, 0xb
	movl $0x832, %ecx
	movl %ebx, %eax
	wrmsr
	movl $0x838, %ecx
	movl %edi, %eax
	wrmsr
	REST
END flood_timer

/* vCPU 0 writes EDI and EBX to the ICR, always. */
PROGRAM flood_icr
	ENABLE_X2APIC
	SET_TPR
	testl %esi, %esi
	jnz 6f
	movl $0x830, %ecx
	movl %ebx, %eax
	movl %edi, %edx
	sti
5:	wrmsr
	jmp 5b
6:	REST
END flood_icr

/* vCPU 0 makes KVM's hypercall EBX for vCPU 1, always; EDI: by VMCALL. */
PROGRAM flood_call
	testl %esi, %esi
	jnz 6f
4:	movl %ebx, %eax
	movl $1, %ecx
	testl %edi, %edi
	jnz 5f
	vmmcall
	jmp 4b
5:	vmcall
	jmp 4b
6:	REST
END flood_call

/* Writes to port BX, always. */
/* vCPU 0 sleeps and is woken, by a timer that ends its period EDI anew each time. */
PROGRAM flood_nap
	testl %esi, %esi
	jnz 6f
	ENABLE_X2APIC
	WRITE_MSR 0x83e, 0xb
	WRITE_MSR 0x832, 0x40
5:	movl $0x838, %ecx
	movl %edi, %eax
	xorl %edx, %edx
	wrmsr
	sti
	hlt
	jmp 5b
6:	REST
END flood_nap

/* vCPU 0 writes to port BX, always. */
PROGRAM flood_bell
	testl %esi, %esi
	jnz 6f
	movw %bx, %dx
5:	outw %ax, %dx
	jmp 5b
6:	ENABLE_X2APIC
	REST
END flood_bell

PROGRAM flood_port
	movw %bx, %dx
5:	outw %ax, %dx
	jmp 5b
END flood_port

/* EDI times the next block of 2 MiB is touched. */
PROGRAM flood_touch
	movl $0x200000, %eax
5:	movl %eax, %es:(%eax)
	addl $0x200000, %eax
	decl %edi
	jnz 5b
	REST
END flood_touch

/* Interrupt handlers. */
/* Counts for ever. */
PROGRAM handler_counts
1:	incl COUNT
	jmp 1b
END handler_counts

/* How far that has come. */
PROGRAM handler_notes
	movl COUNT, %eax
	movl %eax, WORDS
	incl WORDS + 4
	iretw
END handler_notes

/* Tells of itself, and sleeps where it is. */
PROGRAM handler_sleeps
	outb %al, $0x99
	hlt
	outb %al, $0x98
END handler_sleeps

PROGRAM handler_quiet
	pushal
	WRITE_MSR 0x80b, 0
	popal
	iretw
END handler_quiet

PROGRAM handler
	incl COUNT
	iretw
END handler

/* Counts breakpoints, and goes on behind the instruction of one byte that has one. */
PROGRAM handler_debug
	incl COUNT
	pushw %ax
	pushw %bp
	movw %sp, %bp
	movw 4(%bp), %ax
	incw %ax
	movw %ax, 4(%bp)
	popw %bp
	popw %ax
	iretw
END handler_debug

PROGRAM handler_eoi
	pushal
	incl COUNT
	WRITE_MSR 0x80b, 0
	popal
	iretw
END handler_eoi

/* Sets the timer again, as a count of 100. */
PROGRAM handler_again
	pushal
	WRITE_MSR 0x838, 100
	WRITE_MSR 0x80b, 0
	popal
	iretw
END handler_again

PROGRAM handler_stamp
	pushal
	rdtsc
	movl %eax, WORDS
	movl %edx, WORDS + 4
	incl COUNT
	WRITE_MSR 0x80b, 0
	popal
	iretw
END handler_stamp

/* 64-bit code, for the fuzzer of calls: does what the list at RBX says, six words an entry, again
 * and again. The first word is a call's number, or of OUT, WRMSR and so on in fuzz_pet.c. */
	.code64
PROGRAM caller
	movl $0x1b, %ecx
	rdmsr
	orl $0xc00, %eax
	wrmsr
	WRITE_MSR 0x80f, 0x1ff
1:	movq %rbx, %rbp
2:	movq (%rbp), %rax
	cmpb $0xff, %al
	je 1b
	incl COUNT
	cmpq $0x100, %rax
	jae 4f
	movq 8(%rbp), %rdi
	movq 16(%rbp), %rsi
	movq 24(%rbp), %rdx
	movq 32(%rbp), %r10
	movq 40(%rbp), %r8
	addq $0x53414d00, %rax
	cmpb $0, 0x820
	jne 3f
	vmmcall
	jmp 9f
3:	vmcall
	jmp 9f
4:	movq 8(%rbp), %rcx
	movq 16(%rbp), %rax
	movq %rax, %rdx
	shrq $32, %rdx
	movq (%rbp), %rdi
	cmpb $1, %dil
	ja 6f
	jb 5f
	wrmsr
	jmp 9f
5:	movl %ecx, %edx
	outb %al, %dx
	outl %eax, %dx
	jmp 9f
6:	cmpb $3, %dil
	ja 8f
	jb 7f
	xchgl %eax, %ecx
	movq %rbx, %rsi
	cpuid
	movq %rsi, %rbx
	jmp 9f
7:	rdmsr
	jmp 9f
8:	cmpb $5, %dil
	ja 10f
	jb 11f
	movq %rax, (%rcx)
	jmp 9f
10:	movq (%rcx), %rax
	jmp 9f
11:	sti
	hlt
9:	addq $48, %rbp
	jmp 2b
END caller

PROGRAM caller_handler
	pushq %rax
	pushq %rcx
	pushq %rdx
	WRITE_MSR 0x80b, 0
	popq %rdx
	popq %rcx
	popq %rax
	iretq
END caller_handler

	.section .note.GNU-stack, "", @progbits
