/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPU keeps of one domain that another one might learn, and how it forgets. */
#pragma once

#include "arch/cpu.h"
#include "arch/msr.h"

#define BARRIER_IBPB 1u /* targets of indirect branches */
#define BARRIER_L1D  2u /* the L1 data cache: L1TF */
#define BARRIER_VERW 4u /* buffers: MDS, TAA */

/* What this CPU has and needs: Intel by leaf 7, AMD by leaf 80000008. */
static inline uint32_t barriers_needed(void)
{
	uint32_t edx = cpu_cpuid(7, 0).edx, kinds = 0;
	uint64_t caps = edx >> 29 & 1 ? cpu_rdmsr(MSR_ARCH_CAPS) : 0;

	if (edx >> 26 & 1 || cpu_cpuid(0x80000008, 0).ebx >> 12 & 1)
		kinds |= BARRIER_IBPB;
	if (edx >> 28 & 1 && !(caps & 0x9)) /* RDCL_NO, SKIP_L1DFL_VMENTRY */
		kinds |= BARRIER_L1D;
	if (edx >> 10 & 1 && ~caps & 0x120) /* MDS_NO, TAA_NO */
		kinds |= BARRIER_VERW;
	return kinds;
}

static inline void barrier(uint32_t kinds)
{
	static const uint16_t data_segment = 0x10; /* any will do that can be written */

	if (kinds & BARRIER_IBPB)
		cpu_wrmsr(MSR_PRED_CMD, 1);
	if (kinds & BARRIER_L1D)
		cpu_wrmsr(MSR_FLUSH_CMD, 1);
	if (kinds & BARRIER_VERW)
		__asm__ volatile("verw %0" : : "m"(data_segment) : "cc", "memory");
}
