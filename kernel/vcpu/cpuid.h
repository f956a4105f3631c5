/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct vcpu;

/* CPUID, from and into the guest's registers. */
void cpuid_answer(struct vcpu *vcpu);
