/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits of guests' vCPUs, and what dom0 injects into them. */
#pragma once

#include <stdint.h>

struct sampo_exit;

/* The number of refused MSRs that are named, from the guest's start on. */
#define EXITS_REFUSED_MSRS 64

/* vm->cpu */
struct exits_log {
	uint32_t refused_msr[EXITS_REFUSED_MSRS];
	unsigned refused_msrs;
};

/* The event of a vCPU (struct vcpu): its exit has come. */
void vcpu_raised(void *vcpu);

/* An exception for the guest at the next entry; code < 0: without one. */
void vcpu_exception(struct sampo_exit *exit, unsigned vector, int64_t code);
void vcpu_page_fault(struct sampo_exit *exit, uint64_t linear, uint32_t code);
#define EXCEPTION_DB 1u
#define EXCEPTION_UD 6u
#define EXCEPTION_TS 10u
#define EXCEPTION_NP 11u
#define EXCEPTION_SS 12u
#define EXCEPTION_GP 13u
#define EXCEPTION_PF 14u
