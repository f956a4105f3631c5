/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPU keeps traces of each domain, by which another domain could learn something or could
 * steer it. This file makes the CPU forget them, by the plan of mitigate.h.
 */
#pragma once

#include "arch/mitigate.h"

struct cpu;
struct domain;
struct vcpu;

/* The plan for all CPUs, which the first CPU decides at boot. */
extern struct mitigate_plan mitigations;
/* The bits of SPEC_CTRL that a guest may set (0: guests have no SPEC_CTRL), and the value with
 * which a vCPU begins. */
extern uint32_t guest_spec_ctrl, first_spec_ctrl;
/* The bits of EFER that a guest may set; IA32_ARCH_CAPABILITIES of this CPU (0: it has none). */
extern uint64_t guest_efer, guest_arch_caps;
/* smt=off: the bits of an APIC ID that tell the threads of a core apart; else 0. */
extern uint32_t sibling_mask;

/* For the vendors: calls pass for each MSR of a guest's own barriers; `own`: it has written
 * SPEC_CTRL, which is switched with it then. */
void barrier_msrs(uint8_t *bitmap, bool own, void (*pass)(uint8_t *bitmap, uint32_t msr));
/* A word of the kernel's command line; false: none of these. */
bool barrier_option(const char *word);
/* Decides, while the kernel's code can still be written, and logs. */
void barrier_init(void);
/* Too early for W^X as well: a JMP to `to` at the beginning of `at`. */
void barrier_put_jump(void *at, const void *to);
/* Each CPU's settings, and its microcode's revision to the log. */
void barrier_cpu_init(void);

/* The vCPU's state is about to be entered on this CPU, in place of the state that was there. Does
 * nothing unless one of these is on. */
#define BARRIERS_OF_SWITCHES (DO_IBPB | DO_IBPB_DOM0 | DO_L1D)
void barrier_switch(struct cpu *cpu, const struct vcpu *to);
/* The kernel has read memory or registers of the domain, whichever runs here. */
void barrier_touched(const struct domain *domain);
/* Then, before an entry of the vCPU that is loaded: VCPU_PEND_CACHE. */
void barrier_cache(struct cpu *cpu, struct vcpu *vcpu);
/* The vCPU leaves this CPU, and may be freed. */
void barrier_forget(struct cpu *cpu, const struct vcpu *vcpu);
