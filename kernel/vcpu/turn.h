/* SPDX-License-Identifier: BSD-2-Clause */
/* The turn of a CPU's current vCPU: when it ends, and the vCPU that pays for an interrupt in it. */
#pragma once

#include "kernel/base/types.h"

struct cpu;
struct sched_entity;
struct timer;

/* The number of those that want to run has changed: when to choose again? */
void turn_changed(struct cpu *cpu, uint64_t now);
/* Choose again in so many TSC ticks at the latest. */
void turn_ends_within(struct cpu *cpu, uint64_t ticks);
/* cpu.slice fires this. */
void turn_ended(struct timer *timer, uint64_t now);

/* The interrupt that made the current vCPU leave is for this entity, which pays for what the
 * kernel does from then until the next such call or entry. Nothing happens outside of
 * an interrupt's exit: what an exit of its own leads to is the current vCPU's. */
void turn_charge(struct cpu *cpu, struct sched_entity *e);
