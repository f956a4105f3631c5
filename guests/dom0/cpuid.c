/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUID policy: the host's answers, less what a guest must not use, more what the kernel offers. */
#include "guests/dom0/cpuid.h"

#include "guests/lib/cpu.h"
#include "guests/lib/sampo.h"

#define LEAF_MAX     0xdu
#define LEAF_EXT_MAX 0x80000008u
#define LEAF_AMD_MAX 0x8000001eu
#define CACHES_MAX   7u
#define COMPONENTS   32u

#define KVM_PV_EOI (1u << 6)
/* No I/O delay, clock, steal time, EOI, unhalt, TLB flush, send IPI, yield; the clock is stable. */
#define KVM_FEATURES \
	(1u << 1 | 1u << 3 | 1u << 5 | KVM_PV_EOI | 1u << 7 | 1u << 9 | 1u << 11 | 1u << 13 | 1u << 24)

/* Leaf 1 ECX: without MONITOR, DS-CPL, VMX, SMX, EIST, TM2, CNXT, PDCM, DCA. */
#define ECX1_MASK                                                                        \
	(~(1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 10 | \
	   1u << 15 | 1u << 18))
#define ECX1_XSAVE   (1u << 26 | 1u << 27 | 1u << 12 | 1u << 28 | 1u << 29)
#define ECX1_OSXSAVE (1u << 27) /* if CR4 has it: that is the kernel's to see */
#define ECX1_SET   (1u << 31 | 1u << 21 | 1u << 24) /* hypervisor, x2APIC, TSC deadline */
/* Leaf 1 EDX: without DS, ACPI, HTT, TM, PBE. */
#define EDX1_MASK (~(1u << 21 | 1u << 22 | 1u << 28 | 1u << 29 | 1u << 31))
#define EDX1_HTT  (1u << 28)
/* Leaf 7 EBX: without TSC_ADJUST, SGX, HLE, RTM, PQM, MPX, PQE, PT. */
#define EBX7_MASK \
	(~(1u << 1 | 1u << 2 | 1u << 4 | 1u << 11 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 25))
/* UMIP, VBMI, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ, RDPID */
#define ECX7_MASK (1u << 1 | 1u << 2 | 1u << 6 | 0x1fu << 8 | 1u << 14 | 1u << 22)
#define EDX7_MASK (1u << 4 | 1u << 10) /* FSRM, MD_CLEAR */
/* 80000001 ECX: LAHF, CMP_LEGACY, CR8, ABM, SSE4A, MISALIGN, 3DNOWPREFETCH, XOP, FMA4, TBM */
#define ECX80000001_MASK     0x2109f3u
#define ECX80000001_TOPOLOGY (1u << 22)
#define EDX80000007_TSC      (1u << 8) /* invariant */

struct answer {
	uint32_t eax, ebx, ecx, edx;
};

static struct answer host(uint32_t leaf, uint32_t subleaf)
{
	uint32_t r[4];

	cpuid(leaf, subleaf, r);
	return (struct answer){r[0], r[1], r[2], r[3]};
}

/* Leaves and subleaves come in ascending order. */
static void add(struct sampo_vcpu_page *page, uint32_t leaf, uint32_t subleaf, struct answer a)
{
	if (page->cpuids < SAMPO_CPUIDS)
		page->cpuid[page->cpuids++] = (struct sampo_cpuid){
			(uint64_t)leaf << 32 | subleaf, a.eax, a.ebx, a.ecx, a.edx};
}

/* It has no other subleaves: all that follow are zero. */
static void end(struct sampo_vcpu_page *page, uint32_t leaf, uint32_t subleaf)
{
	add(page, leaf, subleaf, (struct answer){0});
}

static void leaf_1(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	struct answer a = host(1, 0);
	uint32_t package = 1u << s->package_bits;

	a.ebx = (a.ebx & 0xff00) | s->apic_id << 24 | package << 16;
	a.ecx = (a.ecx & ECX1_MASK) | ECX1_SET;
	a.ecx = s->xcr0 ? a.ecx | ECX1_OSXSAVE : a.ecx & ~ECX1_XSAVE;
	a.edx = (a.edx & EDX1_MASK) | (package > 1 ? EDX1_HTT : 0);
	add(page, 1, 0, a);
}

/* Caches (leaf 4, and AMD's 0x8000001d): level 3 is the package's, others are a core's. */
static void leaf_caches(struct sampo_vcpu_page *page, uint32_t leaf, const struct cpuid_shape *s)
{
	uint32_t n = 0;

	for (; n < CACHES_MAX; n++) {
		struct answer a = host(leaf, n);
		uint32_t bits = (a.eax >> 5 & 7) < 3 ? s->core_bits : s->package_bits;

		if (!(a.eax & 0x1f))
			break;
		a.eax = (a.eax & 0x3fff) | ((1u << bits) - 1) << 14;
		if (leaf == 4)
			a.eax |= ((1u << s->package_bits >> s->core_bits) - 1) << 26;
		add(page, leaf, n, a);
	}
	end(page, leaf, n);
}

static void leaf_7(struct sampo_vcpu_page *page)
{
	struct answer a = host(7, 0);

	add(page, 7, 0, (struct answer){0, a.ebx & EBX7_MASK, a.ecx & ECX7_MASK, a.edx & EDX7_MASK});
	end(page, 7, 1);
}

static void leaf_topology(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	add(page, 0xb, 0, (struct answer){s->core_bits, s->core_threads, 0x100, s->apic_id});
	add(page, 0xb, 1, (struct answer){s->package_bits, s->package_threads, 0x201, s->apic_id});
	add(page, 0xb, 2, (struct answer){0, 0, 2, s->apic_id});
}

/* What the XCR0 of now takes, the kernel puts in EBX. No component is one of XSS. */
static void leaf_xsave(struct sampo_vcpu_page *page, uint64_t xcr0, uint32_t features)
{
	uint32_t bytes = 576; /* legacy area and header */
	bool gap = false;

	for (uint32_t i = 2; i < COMPONENTS; i++) {
		struct answer a = host(0xd, i);

		if (xcr0 >> i & 1 && a.eax + a.ebx > bytes)
			bytes = a.eax + a.ebx;
	}
	add(page, 0xd, 0, (struct answer){(uint32_t)xcr0, 0, xcr0 ? bytes : 0, 0});
	add(page, 0xd, 1, (struct answer){xcr0 ? features : 0, 0, 0, 0});
	for (uint32_t i = 2; i < COMPONENTS; i++) {
		bool there = xcr0 >> i & 1;

		if (there)
			add(page, 0xd, i, host(0xd, i));
		else if (!gap)
			end(page, 0xd, i);
		gap = !there;
	}
}

/*
 * QEMU 7.2's emulated SVM: an interrupt that VMRUN has injected stays in the CPU's "exception to
 * deliver" until the next exit, and comes once more, whatever IF says, if QEMU looks there before.
 * The exit for the guest's EOI mostly comes first; without one, guests lock up.
 */
static bool injects_twice(void)
{
	struct answer a = host(0x40000000, 0);

	return a.ebx == 0x54474354 && a.ecx == 0x43544743 && a.edx == 0x47435447; /* TCGTCGTCGTCG */
}

/* Our own leaves and KVM's, at 0x40000100 and 0x40000000. */
static void leaves_hypervisor(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	add(page, 0x40000000, 0, (struct answer){0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d});
	add(page, 0x40000001, 0,
	    (struct answer){injects_twice() ? KVM_FEATURES & ~KVM_PV_EOI : KVM_FEATURES, 0, 0, 0});
	/* TSC and local APIC timer in kHz */
	add(page, 0x40000010, 0, (struct answer){(uint32_t)s->tsc_khz, 1000000, 0, 0});
	add(page, SAMPO_CPUID_SIGNATURE, 0,
	    (struct answer){SAMPO_CPUID_ABI, 0x706d6153, 0x6d61536f, 0x6f70});
	add(page, SAMPO_CPUID_ABI, 0, (struct answer){SAMPO_ABI_VERSION, sampo_by_vmcall, 0, 0});
}

static void leaves_extended(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	bool amd = !sampo_by_vmcall;
	struct answer a = host(0x80000000, 0);

	if (amd)
		a.eax = LEAF_AMD_MAX;
	else if (a.eax > LEAF_EXT_MAX)
		a.eax = LEAF_EXT_MAX;
	add(page, 0x80000000, 0, a);
	a = host(0x80000001, 0);
	a.ecx = (a.ecx & ECX80000001_MASK) | (amd ? ECX80000001_TOPOLOGY : 0);
	add(page, 0x80000001, 0, a);
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++)
		add(page, leaf, 0, host(leaf, 0));
	add(page, 0x80000007, 0, (struct answer){0, 0, 0, EDX80000007_TSC});
	a = host(0x80000008, 0);
	add(page, 0x80000008, 0,
	    (struct answer){a.eax & 0xffff, a.ebx & 1,
			    (uint32_t)s->package_bits << 12 | (s->package_threads - 1u), 0});
	leaf_caches(page, 0x8000001d, s);
	/* One node for each package. */
	add(page, 0x8000001e, 0,
	    (struct answer){s->apic_id, (s->core_threads - 1u) << 8 | s->apic_id >> s->core_bits,
			    s->apic_id >> s->package_bits, 0});
}

void cpuid_fill(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	struct answer a = host(0, 0);

	page->cpuids = 0;
	a.eax = a.eax < LEAF_MAX ? a.eax : LEAF_MAX;
	add(page, 0, 0, a);
	leaf_1(page, s);
	add(page, 2, 0, host(2, 0));
	leaf_caches(page, 4, s);
	add(page, 6, 0, (struct answer){host(6, 0).eax & 4, 0, 0, 0});
	leaf_7(page);
	leaf_topology(page, s);
	leaf_xsave(page, s->xcr0, s->xsave);
	leaves_hypervisor(page, s);
	leaves_extended(page, s);
}
