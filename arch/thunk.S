/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every indirect branch of ring 0's C is a jump to one of these, by its register. As built they
 * are retpolines: the return that makes the jump is predicted by the call in front of it, to
 * a loop, and not by what a guest trained. For CPUs that do without, barrier_init puts the jump in
 * the retpoline's place; there it is in the second half of a cache line, where ITS (CVE-2024-28956)
 * does not reach it.
 */
	.text
	.balign 64
	.globl thunk_jumps, thunk_retpolines
	.set thunk_jumps, . + 16
	.set thunk_retpolines, . + 32
	.irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.balign 64
	.skip 16, 0xcc
	jmp *%\register
	.balign 32, 0xcc
	.globl __x86_indirect_thunk_\register
__x86_indirect_thunk_\register:
	call 2f
1:	pause
	lfence
	jmp 1b
2:	movq %\register, (%rsp)
	ret
	int3
	.endr
	.section .note.GNU-stack, "", @progbits
