/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/abi.h"

struct vcpu;

/* Any other: done, and the monitor must hear of it, by this SAMPO_EXIT_* and the exit page. */
enum msr_result {
	MSR_DONE = SAMPO_EXIT_NONE,   /* step over the instruction */
	MSR_MONITOR = SAMPO_EXIT_MSR, /* not the kernel's */
	MSR_FAULT = SAMPO_EXIT_COUNT, /* #GP */
};
enum msr_result msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
enum msr_result msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
