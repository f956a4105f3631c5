/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/fpu.h"

#include "arch/cpu.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "kernel/cpu/percpu.h"
#include "kernel/vcpu/vcpu.h"

#define CR0_MP          0x2ull
#define CR0_EM          0x4ull
#define CR4_OSFXSR      0x200ull
#define CR4_OSXMMEXCPT  0x400ull
#define CPUID_ECX_XSAVE (1u << 26)
#define CPUID_ECX_PKU   (1u << 3) /* leaf 7 */
/* x87, SSE, AVX, AVX-512: 2,696 bytes at most. */
#define XCR0_SUPPORTED 0xe7ull
#define XCR0_X87       0x1ull
#define XCR0_AVX       0x7ull /* with what AVX needs */
#define AREA_BYTES     3072u
#define XSAVEOPT       1u
#define XSAVES         8u
#define FCW_RESET      0x37f
#define MXCSR_RESET    0x1f80

uint64_t fpu_xcr0;
bool fpu_lazy;
static bool optimized, keys;

/* The first bytes of the vendor's name, CPUID leaf 0 EBX. */
#define VENDOR_INTEL 0x756e6547u
#define VENDOR_AMD   0x68747541u
#define VENDOR_HYGON 0x6f677948u

/* Intel's models of family 6 that CVE-2018-3665 does not concern: Atoms, then Xeon Phis. */
static const uint8_t immune[] = {
	0x1c, 0x26, 0x27, 0x35, 0x36,             /* Bonnell, Saltwell */
	0x37, 0x4a, 0x4c, 0x4d, 0x5a, 0x5d, 0x65, /* Silvermont, Airmont */
	0x6e, 0x75,                               /* Airmont */
	0x5c, 0x5f, 0x7a,                         /* Goldmont */
	0x57, 0x85,                               /* Knights Landing, Knights Mill */
};

/* Does this CPU compute with the registers before it raises #NM? One that is not known does. */
static bool leaks(void)
{
	uint32_t vendor = cpu_cpuid(0, 0).ebx, signature = cpu_cpuid(1, 0).eax;
	uint32_t family = (signature >> 8 & 15) + (signature >> 20 & 0xff);
	uint32_t model = (signature >> 4 & 15) | (signature >> 12 & 0xf0);

	if (vendor == VENDOR_AMD || vendor == VENDOR_HYGON)
		return false;
	if (vendor != VENDOR_INTEL || family != 6)
		return true;
	for (unsigned i = 0; i < COUNT_OF(immune); i++)
		if (immune[i] == model)
			return false;
	return true;
}

void fpu_probe(void)
{
	fpu_lazy = !hv_use(HV_EAGERFPU, leaks());
}

static uint64_t xgetbv0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void fpu_init(void)
{
	cpu_write_cr0((cpu_read_cr0() | CR0_MP) & ~(CR0_EM | CR0_TS));
	keys = cpu_cpuid(0, 0).eax >= 7 && cpu_cpuid(7, 0).ecx & CPUID_ECX_PKU;
	cpu_write_cr4(cpu_read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (keys ? CR4_PKE : 0));
	if (!(cpu_cpuid(1, 0).ecx & CPUID_ECX_XSAVE))
		return;
	cpu_write_cr4(cpu_read_cr4() | CR4_OSXSAVE);
	fpu_xcr0 = cpu_cpuid(0xd, 0).eax & XCR0_SUPPORTED;
	optimized = cpu_cpuid(0xd, 1).eax & XSAVEOPT;
	if (cpu_cpuid(0xd, 1).eax & XSAVES)
		cpu_wrmsr(MSR_XSS, 0); /* firmware may have left components on */
	cpu_xsetbv(0, fpu_xcr0);
	if (cpu_cpuid(0xd, 0).ebx > AREA_BYTES) { /* what these take: SDM 1, 13.2 */
		fpu_xcr0 &= XCR0_AVX;
		cpu_xsetbv(0, fpu_xcr0);
	}
}

void fpu_reset(struct vcpu *vcpu)
{
	uint8_t *area = vcpu->fpu_state;

	__builtin_memset(area, 0, AREA_BYTES);
	*(uint16_t *)area = FCW_RESET;
	*(uint32_t *)(area + 24) = MXCSR_RESET;
	vcpu->xcr0 = XCR0_X87;
	vcpu->pkru = 0;
}

/*
 * All of what XCR0 has, by the masks of XSAVE and XRSTOR. Guests have no component for PKRU, but
 * under SVM they may set CR4.PKE unseen.
 */
static void save(struct vcpu *v)
{
	if (keys)
		__asm__ volatile("rdpkru" : "=a"(v->pkru) : "c"(0) : "rdx");
	if (!fpu_xcr0) {
		__asm__ volatile("fxsave64 (%0)" : : "r"(v->fpu_state) : "memory");
		return;
	}
	/* The guest may have changed XCR0 unseen (QEMU does not intercept XSETBV). */
	v->xcr0 = xgetbv0();
	if (v->xcr0 != fpu_xcr0)
		cpu_xsetbv(0, fpu_xcr0);
	if (optimized) /* only what has changed since load(), and is in use */
		__asm__ volatile("xsaveopt64 (%0)"
				 :
				 : "r"(v->fpu_state), "a"(~0u), "d"(~0u)
				 : "memory");
	else
		__asm__ volatile("xsave64 (%0)"
				 :
				 : "r"(v->fpu_state), "a"(~0u), "d"(~0u)
				 : "memory");
}

static void load(struct vcpu *v)
{
	if (keys)
		__asm__ volatile("wrpkru" : : "a"(v->pkru), "c"(0), "d"(0));
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
