/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in dom0 and in our small guests: a dump and the end, unless a
 * test wants to see one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* As exceptions.S pushes it; what the handler changes is loaded again. */
struct exception {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

void exceptions_init(void);

/* Called first for vectors below 32; true: handled, go on. */
void exceptions_hook(bool (*hook)(struct exception *e));

/* A gate for an interrupt vector: the entry is assembly of the guest's own. */
void exceptions_gate(unsigned vector, void (*entry)(void));
