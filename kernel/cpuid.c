/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUID policy: the host's answer, less what a guest must not use. */
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/tsc.h"
#include "kernel/policy.h"
#include "kernel/vcpu.h"

#define LEAF_MAX     0xdu
#define LEAF_EXT_MAX 0x80000008u
#define LEAF_AMD_MAX 0x8000001eu
#define CR4_OSXSAVE  (1ull << 18)
/* No I/O delay, clock, steal time, unhalt, TLB flush, send IPI, yield; the clock is stable. */
#define KVM_FEATURES ((1u << 1) | (1u << 3) | (1u << 5) | (1u << 7) | (1u << 9) | (1u << 11) | (1u << 13) | (1u << 24))

/* Leaf 1 ECX: without MONITOR, VMX, SMX, EIST, TM2, CNXT, PDCM, DCA. */
#define ECX1_MASK                                                                              \
	(~((1u << 2) | (1u << 3) | (1u << 4) | (1u << 5) | (1u << 6) | (1u << 7) | (1u << 8) | \
	   (1u << 10) | (1u << 15) | (1u << 18)))
#define ECX1_XSAVE   ((1u << 26) | (1u << 27) | (1u << 12) | (1u << 28) | (1u << 29))
#define ECX1_OSXSAVE (1u << 27)
#define ECX1_SET     ((1u << 31) | (1u << 21) | (1u << 24)) /* hypervisor, x2APIC, TSC deadline */
/* Leaf 1 EDX: without DS, ACPI, HTT, TM, PBE. */
#define EDX1_MASK (~((1u << 21) | (1u << 22) | (1u << 28) | (1u << 29) | (1u << 31)))
/* Leaf 7 EBX: without TSC_ADJUST, SGX, HLE, PQM, MPX, PQE, RTM, PT. */
#define EBX7_MASK                                                                                  \
	(~((1u << 1) | (1u << 2) | (1u << 4) | (1u << 12) | (1u << 14) | (1u << 15) | (1u << 11) | \
	   (1u << 25)))
/* UMIP, VBMI, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ, RDPID */
#define ECX7_MASK ((1u << 1) | (1u << 2) | (1u << 6) | (0x1fu << 8) | (1u << 14) | (1u << 22))
#define EDX7_MASK ((1u << 4) | (1u << 10)) /* FSRM, MD_CLEAR */
/* 80000001 ECX: LAHF, CMP_LEGACY, CR8, ABM, SSE4A, MISALIGN, 3DNOWPREFETCH, XOP, FMA4, TBM */
#define ECX80000001_MASK   0x2109f3u
#define ECX80000001_TOPOLOGY (1u << 22)
#define EDX1_HTT (1u << 28)
#define EDX7_INVARIANT_TSC (1u << 8)

static const struct cpu_cpuid none;

static uint32_t xsave_bytes(uint64_t components)
{
	uint32_t bytes = 576; /* legacy area and header */

	for (uint32_t i = 2; i < 32; i++) {
		struct cpu_cpuid part = components >> i & 1 ? cpu_cpuid(0xd, i) : none;

		if (part.ebx + part.eax > bytes)
			bytes = part.ebx + part.eax;
	}
	return bytes;
}

static struct cpu_cpuid leaf_xsave(struct vcpu *vcpu, uint32_t subleaf, struct cpu_cpuid host)
{
	if (!fpu_xcr0)
		return none;
	if (subleaf == 0)
		return (struct cpu_cpuid){(uint32_t)fpu_xcr0,
					  vcpu->cpu->fpu == vcpu ? host.ebx
								 : xsave_bytes(vcpu->xcr0),
					  xsave_bytes(fpu_xcr0), 0};
	if (subleaf == 1)
		return (struct cpu_cpuid){host.eax & 7, 0, 0, 0};
	return subleaf < 32 && (fpu_xcr0 >> subleaf & 1) ? host : none;
}

static struct cpu_cpuid leaf_1(struct vcpu *vcpu, struct cpu_cpuid host)
{
	uint32_t ecx = (host.ecx & ECX1_MASK) | ECX1_SET;
	uint32_t package = 1u << vcpu->domain->package_bits;

	if (!fpu_xcr0)
		ecx &= ~ECX1_XSAVE;
	if (!(hv->cr4(vcpu) & CR4_OSXSAVE)) /* the host's is set, if it has XSAVE */
		ecx &= ~ECX1_OSXSAVE;
	return (struct cpu_cpuid){host.eax,
				  (host.ebx & 0xff00) | vcpu->id << 24 | package << 16, ecx,
				  (host.edx & EDX1_MASK) | (package > 1 ? EDX1_HTT : 0)};
}

/* Our own leaves and KVM's, at 0x40000000 and 0x40000100. */
static struct cpu_cpuid leaf_hypervisor(uint32_t leaf)
{
	switch (leaf) {
	case 0x40000000:
		return (struct cpu_cpuid){0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d};
	case 0x40000001:
		return (struct cpu_cpuid){KVM_FEATURES, 0, 0, 0};
	case 0x40000010: /* TSC and local APIC timer in kHz */
		return (struct cpu_cpuid){(uint32_t)tsc_khz, VLAPIC_TIMER_HZ / 1000, 0, 0};
	case 0x40000100: /* "SampoSampo" */
		return (struct cpu_cpuid){0x40000101, 0x706d6153, 0x6d61536f, 0x6f70};
	case 0x40000101:
		return (struct cpu_cpuid){SAMPO_ABI_VERSION, hv != &svm_ops, 0, 0};
	default:
		return none;
	}
}

/* Caches (leaf 4, and AMD's 0x8000001d): level 3 is the package's, others are a core's. */
static struct cpu_cpuid leaf_cache(const struct domain *d, uint32_t leaf, struct cpu_cpuid host)
{
	bool own = (host.eax >> 5 & 7) < 3;

	host.eax = (host.eax & 0x3fff) | ((1u << (own ? d->core_bits : d->package_bits)) - 1) << 14;
	if (leaf == 4)
		host.eax |= ((1u << d->package_bits >> d->core_bits) - 1) << 26;
	return host;
}

static struct cpu_cpuid leaf_topology(const struct vcpu *vcpu, uint32_t subleaf)
{
	const struct domain *d = vcpu->domain;

	if (subleaf == 0)
		return (struct cpu_cpuid){d->core_bits, d->core_threads, 0x100, vcpu->id};
	if (subleaf == 1)
		return (struct cpu_cpuid){d->package_bits, d->package_threads, 0x201, vcpu->id};
	return (struct cpu_cpuid){0, 0, subleaf & 0xff, vcpu->id};
}

struct cpu_cpuid cpuid_read(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	const struct domain *d = vcpu->domain;
	struct cpu_cpuid host;

	if (leaf >> 16 == 0x4000)
		return leaf_hypervisor(leaf);
	host = cpu_cpuid(leaf, subleaf);
	switch (leaf) {
	case 0:
		host.eax = host.eax < LEAF_MAX ? host.eax : LEAF_MAX;
		return host;
	case 1:
		return leaf_1(vcpu, host);
	case 2:
	case 0x80000002 ... 0x80000006:
		return host;
	case 4:
	case 0x8000001d:
		return host.eax & 0x1f ? leaf_cache(d, leaf, host) : none;
	case 6:
		return (struct cpu_cpuid){host.eax & 4, 0, 0, 0};
	case 7:
		return subleaf ? none
			       : (struct cpu_cpuid){0, host.ebx & EBX7_MASK, host.ecx & ECX7_MASK,
						    host.edx & EDX7_MASK};
	case 0xb:
		return leaf_topology(vcpu, subleaf);
	case 0xd:
		return leaf_xsave(vcpu, subleaf, host);
	case 0x80000000:
		if (hv == &svm_ops)
			host.eax = LEAF_AMD_MAX;
		else if (host.eax > LEAF_EXT_MAX)
			host.eax = LEAF_EXT_MAX;
		return host;
	case 0x80000001:
		host.ecx &= ECX80000001_MASK;
		if (hv == &svm_ops)
			host.ecx |= ECX80000001_TOPOLOGY;
		return host;
	case 0x80000007:
		return (struct cpu_cpuid){0, 0, 0, EDX7_INVARIANT_TSC};
	case 0x80000008:
		return (struct cpu_cpuid){host.eax & 0xffff, host.ebx & 1,
					  (uint32_t)d->package_bits << 12 | (d->package_threads - 1u), 0};
	case 0x8000001e: /* one node for each package */
		return (struct cpu_cpuid){vcpu->id,
					  (d->core_threads - 1u) << 8 | vcpu->id >> d->core_bits,
					  vcpu->id >> d->package_bits, 0};
	default:
		return none;
	}
}
