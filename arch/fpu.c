/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/fpu.h"

#include "arch/cpu.h"
#include "arch/msr.h"
#include "kernel/percpu.h"
#include "kernel/vcpu.h"

#define CR0_MP          0x2ull
#define CR0_EM          0x4ull
#define CR0_TS          0x8ull
#define CR4_OSFXSR      0x200ull
#define CR4_OSXMMEXCPT  0x400ull
#define CR4_OSXSAVE     0x40000ull
#define CPUID_ECX_XSAVE (1u << 26)
/* x87, SSE, AVX, AVX-512: 2,696 bytes at most. */
#define XCR0_SUPPORTED 0xe7ull
#define XCR0_X87       0x1ull
#define AREA_BYTES     3072u
#define XSAVEOPT       1u
#define XSAVES         8u
#define FCW_RESET      0x37f
#define MXCSR_RESET    0x1f80

uint64_t fpu_xcr0;
static bool optimized;

static uint64_t xgetbv0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void fpu_init(void)
{
	cpu_write_cr0((cpu_read_cr0() | CR0_MP) & ~(CR0_EM | CR0_TS));
	cpu_write_cr4(cpu_read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	if (!(cpu_cpuid(1, 0).ecx & CPUID_ECX_XSAVE))
		return;
	cpu_write_cr4(cpu_read_cr4() | CR4_OSXSAVE);
	fpu_xcr0 = cpu_cpuid(0xd, 0).eax & XCR0_SUPPORTED;
	optimized = cpu_cpuid(0xd, 1).eax & XSAVEOPT;
	if (cpu_cpuid(0xd, 1).eax & XSAVES)
		cpu_wrmsr(MSR_XSS, 0); /* firmware may have left components on */
	cpu_xsetbv(0, fpu_xcr0);
	if (cpu_cpuid(0xd, 0).ebx > AREA_BYTES) /* what these take: SDM 1, 13.2 */
		cpu_xsetbv(0, fpu_xcr0 &= 7);
}

void fpu_reset(struct vcpu *vcpu)
{
	uint8_t *area = vcpu->fpu_state;

	__builtin_memset(area, 0, AREA_BYTES);
	*(uint16_t *)area = FCW_RESET;
	*(uint32_t *)(area + 24) = MXCSR_RESET;
	vcpu->xcr0 = XCR0_X87;
	__builtin_memset(vcpu->dr, 0, sizeof(vcpu->dr));
}

/* All of what XCR0 has, by the masks of XSAVE and XRSTOR. */
static void save(struct vcpu *v)
{
	__asm__ volatile("mov %%db0, %0; mov %%db1, %1; mov %%db2, %2; mov %%db3, %3"
			 : "=r"(v->dr[0]), "=r"(v->dr[1]), "=r"(v->dr[2]), "=r"(v->dr[3]));
	if (!fpu_xcr0) {
		__asm__ volatile("fxsave64 (%0)" : : "r"(v->fpu_state) : "memory");
		return;
	}
	/* The guest may have changed XCR0 unseen (QEMU does not intercept XSETBV). */
	v->xcr0 = xgetbv0();
	if (v->xcr0 != fpu_xcr0)
		cpu_xsetbv(0, fpu_xcr0);
	if (optimized) /* only what has changed since load(), and is in use */
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(v->fpu_state), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("xsave64 (%0)" : : "r"(v->fpu_state), "a"(~0u), "d"(~0u) : "memory");
}

static void load(struct vcpu *v)
{
	__asm__ volatile("mov %0, %%db0; mov %1, %%db1; mov %2, %%db2; mov %3, %%db3"
			 :
			 : "r"(v->dr[0]), "r"(v->dr[1]), "r"(v->dr[2]), "r"(v->dr[3]));
	if (!fpu_xcr0) {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(v->fpu_state) : "memory");
		return;
	}
	__asm__ volatile("xrstor64 (%0)" : : "r"(v->fpu_state), "a"(~0u), "d"(~0u) : "memory");
	if (v->xcr0 != fpu_xcr0)
		cpu_xsetbv(0, v->xcr0);
}

void fpu_switch(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->fpu == vcpu)
		return;
	if (cpu->fpu)
		save(cpu->fpu);
	else if (fpu_xcr0)
		cpu_xsetbv(0, fpu_xcr0);
	load(vcpu);
	cpu->fpu = vcpu;
}

void fpu_leave(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->fpu != vcpu)
		return;
	save(vcpu);
	cpu->fpu = NULL;
}

void fpu_forget(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->fpu == vcpu)
		cpu->fpu = NULL;
}
