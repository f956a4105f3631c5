/* SPDX-License-Identifier: BSD-2-Clause */
/* For the vendors' entry.S. */
#pragma once
/* Macros of the assembler. */
/* clang-format off */

	/* All general registers but RAX and RSP from or to the array of enum
	 * sampo_gpr, whose order is the CPU's own. The register that points to the
	 * array is given; when loaded it is the last. */
	.macro load_gprs_from_rdi
	.set at, 0
	.irp r, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.ifnc \r, rax
	.ifnc \r, rsp
	.ifnc \r, rdi
	movq at(%rdi), %\r
	.endif
	.endif
	.endif
	.set at, at + 8
	.endr
	movq 56(%rdi), %rdi
	.endm

	.macro store_gprs_to_rax
	.set at, 0
	.irp r, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.ifnc \r, rax
	.ifnc \r, rsp
	movq %\r, at(%rax)
	.endif
	.endif
	.set at, at + 8
	.endr
	.endm

	/* The registers that C expects unchanged behind the call. */
	.macro push_saved
	.irp r, rbx, rbp, r12, r13, r14, r15
	pushq %\r
	.endr
	.endm

	.macro pop_saved
	.irp r, r15, r14, r13, r12, rbp, rbx
	popq %\r
	.endr
	.endm

	/* Nothing of the guest's in registers that C might speculate with; those
	 * not named are written by the very next instructions. */
	.macro clear registers:vararg
	.irp r, \registers
	xorl %\r, %\r
	.endr
	.endm
