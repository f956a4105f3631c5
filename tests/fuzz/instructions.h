/* SPDX-License-Identifier: BSD-2-Clause */
/* Included before all else: what the kernel's parts in a host program do with the CPU is the
 * program's to say. */
#pragma once

#define INSTRUCTIONS(X)                                                   \
	X(uint64_t, cpu_rdtsc, (void))                                    \
	X(struct cpu_cpuid, cpu_cpuid, (uint32_t leaf, uint32_t subleaf)) \
	X(uint64_t, cpu_rdmsr, (uint32_t msr))                            \
	X(void, cpu_wrmsr, (uint32_t msr, uint64_t value))                \
	X(void, cpu_xsetbv, (uint32_t index, uint64_t value))             \
	X(uint8_t, port_in8, (uint16_t port))                             \
	X(uint16_t, port_in16, (uint16_t port))                           \
	X(uint32_t, port_in32, (uint16_t port))                           \
	X(void, port_out8, (uint16_t port, uint8_t value))                \
	X(void, port_out16, (uint16_t port, uint16_t value))              \
	X(void, port_out32, (uint16_t port, uint32_t value))

#define cpu_rdtsc      insn_rdtsc
#define cpu_cpuid(...) insn_cpuid(__VA_ARGS__)
#define cpu_rdmsr      insn_rdmsr
#define cpu_wrmsr      insn_wrmsr
#define cpu_xsetbv     insn_xsetbv
#define port_in8       insn_in8
#define port_in16      insn_in16
#define port_in32      insn_in32
#define port_out8      insn_out8
#define port_out16     insn_out16
#define port_out32     insn_out32
#include "arch/cpu.h"
#undef cpu_rdtsc
#undef cpu_cpuid
#undef cpu_rdmsr
#undef cpu_wrmsr
#undef cpu_xsetbv
#undef port_in8
#undef port_in16
#undef port_in32
#undef port_out8
#undef port_out16
#undef port_out32
#undef cpu_pause

#define DECLARE(type, name, arguments) type name arguments;
INSTRUCTIONS(DECLARE)
#undef DECLARE
void cpu_pause_on_host(void);
#define cpu_pause() cpu_pause_on_host()
