/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's offers to guests with several vCPUs. */
#pragma once

#include "kernel/base/types.h"

struct vcpu;

/* A value for KVM's MSR of the same name. */
void steal_enable(struct vcpu *vcpu, uint64_t value);
void eoi_enable(struct vcpu *vcpu, uint64_t value);
/* Before an entry with VCPU_PEND_STEAL: the guest is told how long it
 * waited, and TLB flushes that it was sent meanwhile are done. */
void steal_update(struct vcpu *vcpu);
/* The current vCPU makes way for another. */
void steal_begin(struct vcpu *vcpu);
/* An interrupt has been taken that has nothing behind it: its end may be said in memory,
 * without an exit. Before the next entry, or a HLT, with VCPU_PEND_EOI: was it? */
void eoi_offer(struct vcpu *vcpu);
void eoi_collect(struct vcpu *vcpu);
/* A hypercall of KVM's; false: not one of those that there are. */
bool paravirt_call(struct vcpu *vcpu);
