/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state that neither vendor's control block holds: x87, SSE, AVX, and the register of the
 * protection keys for user pages. The kernel itself uses none of it.
 *
 * A vCPU that rarely uses it (dom0's) gets it on first use only, and has another's in the
 * registers until then. CPUs on which code can read those by speculation past the trap
 * (CVE-2018-3665) have no such vCPUs: the state is switched with the vCPU.
 */
#pragma once

#include "kernel/base/types.h"

struct cpu;
struct vcpu;

extern uint64_t fpu_xcr0; /* what guests may enable; 0: no XSAVE */

#define CR4_OSXSAVE 0x40000ull /* XSAVE and XSETBV may be used */
#define CR4_PKE     0x400000ull

extern bool fpu_lazy; /* a vCPU may have another's state in the registers, behind a trap */

/* Once: is this a CPU for that? And on each CPU: turns the FPU on. */
void fpu_probe(void);
void fpu_init(void);
/* The state after power-up. */
void fpu_reset(struct vcpu *vcpu);
/* Make the CPU hold this vCPU's state. */
void fpu_switch(struct cpu *cpu, struct vcpu *vcpu);
/* It leaves this CPU: the state goes to memory. */
void fpu_leave(struct cpu *cpu, struct vcpu *vcpu);
/* Its state is in memory, or no longer wanted. */
void fpu_forget(struct cpu *cpu, struct vcpu *vcpu);
