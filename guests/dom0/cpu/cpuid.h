/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID's answers to a guest: made here, given by the kernel. */
#pragma once

#include <stdbool.h>

#include "kernel/abi.h"

struct cpuid_shape {
	uint32_t apic_id;
	uint32_t core_threads, package_threads; /* threads of a core, of a package */
	uint32_t core_bits, package_bits;       /* of the APIC id, for them */
	uint64_t xcr0;                          /* what may be set; 0: no XSAVE */
	uint32_t xsave;                         /* what of it may be used: CPUID 0xd.1 EAX */
	uint64_t tsc_khz;
	/* Means against speculation, as the kernel gives them (struct sampo_machine_info). */
	uint32_t spec_ctrl; /* what may be set of the MSR; 0: there is none */
	bool arch_caps;     /* IA32_ARCH_CAPABILITIES may be read */
	bool auto_ibrs;     /* AMD: EFER.AIBRSE may be set */
	bool lfence;        /* AMD: LFENCE waits for all before it */
};

/* CPUID of the CPU on which it is executed: EAX, EBX, ECX, EDX. */
typedef void (*cpuid_source)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/*
 * Fills in the table of a vCPU's exit page, before the vCPU runs, from what `host` answers. It asks
 * the host only for leaves that the host has.
 */
void cpuid_fill(struct sampo_vcpu_page *page, const struct cpuid_shape *shape, cpuid_source host);
