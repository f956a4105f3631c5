/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's main loop on each CPU: choose a vCPU, enter it, handle its exit. */
#pragma once

#include "kernel/base/types.h"

struct cpu;
struct sched_entity;
struct timer;
struct vcpu;

/* What cpu.slice fires. */
void loop_slice_ended(struct timer *timer, uint64_t now);

void loop_run(struct cpu *cpu) __attribute__((noreturn));

/*
 * In the middle of long work, with no lock held: interrupts come, and what was found in tables is
 * no longer there. Returns false if others wait for the CPU.
 */
bool loop_breathe(struct cpu *cpu);
/* A step of what object_reap has to do, in the turn of the vCPU that has VCPU_PEND_REAP; NULL: in
 * nobody's. */
void loop_reap(struct cpu *cpu, struct vcpu *vcpu);

/* The number of those that want to run has changed: when to choose again? */
void loop_slice_changed(struct cpu *cpu, uint64_t now);
/* Choose again in so many TSC ticks at the latest. */
void loop_choose_within(struct cpu *cpu, uint64_t ticks);

/* The interrupt that made the current vCPU leave is for this entity, which pays for what the
 * kernel does from then until the next such call or entry. Nothing happens outside of
 * an interrupt's exit: what an exit of its own leads to is the current vCPU's. */
void loop_charge(struct cpu *cpu, struct sched_entity *e);

/* A vCPU that has no monitor, dom0's, cannot go on. */
void loop_domain_failed(struct vcpu *vcpu, uint32_t reason);
