/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs of a guest that reach neither the CPU nor the kernel. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

#define MSR_MTRR_VARIABLE 16u /* eight pairs of base and mask */
#define MSR_MTRR_FIXED    11u

/* A vCPU's, as long as it lives; INIT leaves them (SDM 3A table 9-1). */
struct msr_state {
	uint64_t mtrr_variable[MSR_MTRR_VARIABLE], mtrr_fixed[MSR_MTRR_FIXED], mtrr_type;
	uint64_t misc_enable, kvm_wall, kvm_clock;
};

void msr_reset(struct msr_state *state);

/* The guest has stood still, and is about to go on: KVM's clock of each vCPU says so, for watchdogs
 * that look at the time. */
void msr_stopped(struct vm *vm);

/* Does the access that the exit asks for. False: there is no such MSR. */
bool msr_exit(struct vcpu *v);

/* IA32_ARCH_CAPABILITIES as guests see it; 0: they have no such MSR. */
uint64_t msr_arch_capabilities(void);
