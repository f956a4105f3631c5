/* SPDX-License-Identifier: BSD-2-Clause */
/* The state that neither vendor's control block holds: x87, SSE, AVX, and the
 * debug address registers. The kernel itself uses none of it. */
#pragma once

#include "kernel/types.h"

struct cpu;
struct vcpu;

extern uint64_t fpu_xcr0; /* what guests may enable; 0: no XSAVE */

/* On each CPU. */
void fpu_init(void);
/* The state after power-up. */
void fpu_reset(struct vcpu *vcpu);
/* Make the CPU hold this vCPU's state. */
void fpu_switch(struct cpu *cpu, struct vcpu *vcpu);
/* Its state is in memory, or no longer wanted. */
/* It leaves this CPU: the state goes to memory. */
void fpu_leave(struct cpu *cpu, struct vcpu *vcpu);
void fpu_forget(struct cpu *cpu, struct vcpu *vcpu);
