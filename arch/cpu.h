/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that C has no words for. */
#pragma once

#include "kernel/base/types.h"

struct cpu_cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpu_cpuid cpu_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpu_cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

/* Only for MSRs that are known to exist: a #GP here is a panic. */
static inline uint64_t cpu_rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void cpu_wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"(value), "d"(value >> 32) : "memory");
}

/* The upper halves of RAX and RDX are 0 then. */
static inline uint64_t cpu_rdtsc(void)
{
	uint64_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return high << 32 | low;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline void cpu_cli(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline void cpu_hlt(void)
{
	__asm__ volatile("hlt" ::: "memory");
}

static inline void cpu_invlpg(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

/* The line of the cache goes to memory. */
static inline void cpu_clflush(const volatile void *address)
{
	__asm__ volatile("clflush (%0)" ::"r"(address) : "memory");
}

/* cpu_read_cr0() to cpu_read_cr4(), cpu_write_cr0() to cpu_write_cr4(). */
#define CONTROL_REGISTER(n)                                                        \
	static inline uint64_t cpu_read_cr##n(void)                                \
	{                                                                          \
		uint64_t value;                                                    \
                                                                                   \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory"); \
		return value;                                                      \
	}                                                                          \
	static inline void cpu_write_cr##n(uint64_t value)                         \
	{                                                                          \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");     \
	}
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)
#undef CONTROL_REGISTER

static inline void cpu_xsetbv(uint32_t index, uint64_t value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* port_in8(), port_out8() and so on. */
#define PORT(bits, suffix)                                                                      \
	static inline uint##bits##_t port_in##bits(uint16_t port)                               \
	{                                                                                       \
		uint##bits##_t value;                                                           \
                                                                                                \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");  \
		return value;                                                                   \
	}                                                                                       \
	static inline void port_out##bits(uint16_t port, uint##bits##_t value)                  \
	{                                                                                       \
		__asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory"); \
	}
PORT(8, "b")
PORT(16, "w")
PORT(32, "l")
#undef PORT

/* Device memory: one access of exactly this width. */
static inline uint32_t mmio_read32(const volatile void *address)
{
	return *(const volatile uint32_t *)address;
}

static inline void mmio_write32(volatile void *address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static inline uint64_t mmio_read64(const volatile void *address)
{
	return *(const volatile uint64_t *)address;
}

static inline void mmio_write64(volatile void *address, uint64_t value)
{
	*(volatile uint64_t *)address = value;
}
