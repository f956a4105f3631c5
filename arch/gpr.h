/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the vendors' entry.S: all general registers but RAX and RSP from or to
 * the array of enum sampo_gpr, whose order is the CPU's own. The register that
 * points to the array is given; when loaded it is the last.
 */
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
