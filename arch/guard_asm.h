/* SPDX-License-Identifier: BSD-2-Clause */
/* For the vendors' entry.S: see guard.h. */
#pragma once
/* Macros of the assembler. */
/* clang-format off */

#include "arch/guard.h"

#define SPEC_CTRL   0x48
#define PRED_CMD    0x49
#define RSB_ENTRIES 32

	/* RDI: gpr[]. The guest's SPEC_CTRL, if the CPU has another. */
	.macro guard_entry
	testb $GUARD_SPEC, guards(%rip)
	jz .Lentry_done\@
	movl GUARD_SPEC_CTRL(%rdi), %eax
	cmpl ring0_spec_ctrl(%rip), %eax
	je .Lentry_done\@
	movl $SPEC_CTRL, %ecx
	xorl %edx, %edx
	wrmsr
.Lentry_done\@:
	.endm

	/* All registers are the guest's already; the flags are not. */
	.macro guard_buffers
	testb $GUARD_VERW, guards(%rip)
	jz .Lbuffers_done\@
	verw guard_selector(%rip)
.Lbuffers_done\@:
	.endm

	/*
	 * RAX: gpr[], whose registers are stored. Before the first return and the
	 * first indirect branch of ring 0. A wrong prediction could skip these
	 * instructions: the LFENCE holds the CPU back until it has gone the right way.
	 */
	.macro guard_exit
	movq %rax, %rdi
	testb $GUARD_SPEC, guards(%rip)
	jz .Lspec_done\@
	cmpb $0, GUARD_SPEC_OWN(%rdi)
	je .Lspec_kept\@
	movl $SPEC_CTRL, %ecx
	rdmsr
	movl %eax, GUARD_SPEC_CTRL(%rdi)
.Lspec_kept\@:
	movl ring0_spec_ctrl(%rip), %eax
	testb $GUARD_IBRS, guards(%rip)
	jnz .Lspec_write\@
	cmpl GUARD_SPEC_CTRL(%rdi), %eax
	je .Lspec_done\@
.Lspec_write\@:
	movl $SPEC_CTRL, %ecx
	xorl %edx, %edx
	wrmsr
.Lspec_done\@:
	testb $GUARD_IBPB, guards(%rip)
	jz .Libpb_done\@
	movl $PRED_CMD, %ecx
	movl $1, %eax
	xorl %edx, %edx
	wrmsr
.Libpb_done\@:
	/* The return stack: calls whose ends nothing reaches but a prediction. */
	testb $GUARD_RSB, guards(%rip)
	jz .Lrsb_done\@
	.rept RSB_ENTRIES
	call . + 6
	int3
	.endr
	addq $8 * RSB_ENTRIES, %rsp
.Lrsb_done\@:
	lfence
	.endm
