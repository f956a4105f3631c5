/* SPDX-License-Identifier: BSD-2-Clause */
/* vCPUs on their way from CPU to CPU: balance.h on messages. */
#pragma once

#include "kernel/base/types.h"

struct cpu;
struct vcpu;

/* A sleeper of this CPU is about to wake: if another CPU would rather have it,
 * it goes there, to wake on arrival, and true is returned. */
bool move_elsewhere(struct vcpu *vcpu);
/* REQUEST_ARRIVE: it is this CPU's now. */
void move_arrive(struct vcpu *vcpu);

/* request_call, REQUEST_PIN: it may run on those CPUs (uint64_t[SCHED_WORDS], also its own) alone
 * from now on. */
void move_pin(struct vcpu *vcpu, void *cpus);

/* Publishes this CPU's queue for the others: after every change of the set that wants to run. */
void move_publish(struct cpu *cpu);
/* Before the choice at the end of a turn, or when another CPU has asked. */
void move_surplus(struct cpu *cpu, uint64_t now);
/* This CPU has nobody to run: asks one that has more than it can. */
void move_ask(struct cpu *cpu);
