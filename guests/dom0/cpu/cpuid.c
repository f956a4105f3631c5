/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUID policy: the host's answers, less the features that a guest must not use, more those
 * that the kernel offers. */
#include "guests/dom0/cpu/cpuid.h"

#include "guests/dom0/cpu/msr_model.h"
#include "guests/lib/sampo.h"

#define LEAF_MAX      0xdu        /* all up to it are made here */
#define LEAF_EXT_MAX  0x80000008u /* the same */
#define LEAF_AMD_MAX  0x8000001eu /* with TOPOEXT */
#define LEAF_HV       0x40000000u
#define LEAF_EXT      0x80000000u
#define LEAF_CACHES   0x8000001du
#define CACHES_MAX    7u
#define COMPONENTS    32u
#define ADDRESS_BITS  48u /* of four levels of page tables, the guest's and those below it */
#define PHYSICAL_BITS 36u /* of CPUs that do not say */

/* No I/O delay, clock, steal time, EOI, unhalt, TLB flush, send IPI, yield; the clock is stable. */
#define KVM_FEATURES \
	(1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 9 | 1u << 11 | 1u << 13 | 1u << 24)

/*
 * Of each register of features, what a guest may have if the host has it. A feature that comes with
 * an MSR, a bit of a control register or a state of XCR0 is here if the guest can use that as well.
 * SDM 2A, CPUID; APM 3, appendix E.
 */
/* SSE3, PCLMULQDQ, SSSE3, FMA, CX16, PCID, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, OSXSAVE, AVX,
 * F16C, RDRAND */
#define ECX1_MASK                                                                             \
	(1u << 0 | 1u << 1 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 17 | 1u << 19 | 1u << 20 | \
	 1u << 22 | 1u << 23 | 1u << 25 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 29 | 1u << 30)
#define ECX1_XSAVE   (1u << 26 | 1u << 27)
#define ECX1_AVX     (1u << 12 | 1u << 28 | 1u << 29) /* FMA, AVX, F16C */
#define ECX1_OSXSAVE (1u << 27)                       /* if CR4 has it: the kernel sees that */
#define ECX1_SET     (1u << 31 | 1u << 21 | 1u << 24) /* hypervisor, x2APIC, TSC deadline */
/* Without PSN, DS, ACPI, TM, IA64, PBE. */
#define EDX1_MASK    (0x07ffffffu & ~(1u << 10 | 1u << 18 | 1u << 20 | 1u << 21 | 1u << 22))
#define EDX1_CLFLUSH (1u << 19)
#define EDX1_HTT     (1u << 28)
#define EAX6_ARAT    (1u << 2)
/* FSGSBASE, BMI1, AVX2, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, INVPCID, no FCS and FDS, AVX512F, DQ,
 * RDSEED, ADX, SMAP, IFMA, CLFLUSHOPT, CLWB, PF, ER, CD, SHA, BW, VL */
#define EBX7_MASK   (0x7e9u | 1u << 13 | 0x3fu << 16 | 3u << 23 | 0x3fu << 26)
#define EBX7_SET    (1u << 1) /* TSC_ADJUST: the kernel has it whatever the CPU */
#define EBX7_AVX    (1u << 5)
#define EBX7_AVX512 (1u << 16 | 1u << 17 | 1u << 21 | 7u << 26 | 3u << 30)
/* VBMI, UMIP, VBMI2, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ, RDPID */
#define ECX7_MASK   (1u << 1 | 1u << 2 | 1u << 6 | 0x1fu << 8 | 1u << 14 | 1u << 22)
#define ECX7_AVX    (1u << 9 | 1u << 10)
#define ECX7_AVX512 (1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14)
#define EDX7_MASK   (1u << 4 | 1u << 10 | 1u << 28)  /* FSRM, MD_CLEAR, L1D_FLUSH */
#define EDX7_SPEC   (1u << 26 | 1u << 27 | 1u << 31) /* IBRS with IBPB, STIBP, SSBD */
#define EDX7_CAPS   (1u << 29)
/* Subleaf 2: PSFD, IPRED, RRSBA, DDPD, BHI of SPEC_CTRL; MCDT_NO */
#define EDX7_2_MASK 0x3fu
/* LAHF, CMP_LEGACY, CR8, ABM, SSE4A, MISALIGN, 3DNOWPREFETCH, XOP, FMA4, TBM */
#define ECX80000001_MASK     0x2109f3u
#define ECX80000001_LEGACY   (1u << 1)
#define ECX80000001_AVX      (1u << 11 | 1u << 16)
#define ECX80000001_TOPOLOGY (1u << 22)
/* AMD has a copy of these bits of leaf 1; SYSCALL, NX, MMXEXT, 1 GiB pages, RDTSCP, LM, 3DNOW are
 * this register's own. FFXSR is not: EFER has no such bit for a guest. */
#define EDX80000001_COPY (0x0183f3ffu)
#define EDX80000001_OWN  (1u << 11 | 1u << 20 | 1u << 22 | 1u << 26 | 1u << 27 | 7u << 29)
#define EDX80000007_TSC  (1u << 8) /* invariant */
/* CLZERO, IBPB, SSB_NO, BTC_NO, IBPB_RET; and what SPEC_CTRL has and how it should be used: IBRS,
 * STIBP, both always on, IBRS preferred, IBRS in the same mode, SSBD, PSFD */
#define EBX80000008_MASK (1u | 1u << 12 | 1u << 26 | 1u << 29 | 1u << 30)
#define EBX80000008_SPEC (0x3fu << 14 | 1u << 24 | 1u << 28)
/* LFENCE; VERW clears buffers, null selectors clear bases, SBPB, IBPB_BRTYPE, SRSO_NO and
 * SRSO_USER_KERNEL_NO; AutoIBRS. ECX: TSA_SQ_NO, TSA_L1_NO. */
#define LEAF_AMD_SPEC        0x80000021u
#define EAX80000021_LFENCE   (1u << 2)
#define EAX80000021_AUTOIBRS (1u << 8)
#define EAX80000021_MASK     (EAX80000021_LFENCE | 1u << 5 | 1u << 6 | 0xfu << 27)
#define ECX80000021_MASK     (1u << 1 | 1u << 2)

#define XCR0_AVX    0x4u
#define XCR0_AVX512 0xe4u

struct answer {
	uint32_t eax, ebx, ecx, edx;
};

/* The CPU whose answers the guest's are made from. */
struct host {
	cpuid_source read;
	uint32_t max, ext_max;
	bool amd; /* or of a company that makes AMD's */
};

static struct answer ask(const struct host *h, uint32_t leaf, uint32_t subleaf)
{
	uint32_t r[4];

	h->read(leaf, subleaf, r);
	return (struct answer){r[0], r[1], r[2], r[3]};
}

/* The host's answer. Intel's CPUs answer a leaf beyond their last with the last one's data, so the
 * host is asked only for leaves that it has. */
static struct answer host(const struct host *h, uint32_t leaf, uint32_t subleaf)
{
	uint32_t max = leaf >= LEAF_EXT ? h->ext_max : h->max;

	return leaf <= max ? ask(h, leaf, subleaf) : (struct answer){0};
}

static void host_begin(struct host *h, cpuid_source read)
{
	struct answer a;

	h->read = read;
	a = ask(h, 0, 0);
	h->max = a.eax;
	h->amd = msr_vendor_is_amd(a.ebx);
	h->ext_max = ask(h, LEAF_EXT, 0).eax;
}

/* Leaves and subleaves come in ascending order. */
static void add(struct sampo_vcpu_page *page, uint32_t leaf, uint32_t subleaf, struct answer a)
{
	if (page->cpuids < SAMPO_CPUIDS)
		page->cpuid[page->cpuids++] = (struct sampo_cpuid){(uint64_t)leaf << 32 | subleaf,
								   a.eax, a.ebx, a.ecx, a.edx};
}

/* It has no other subleaves: all that follow are zero. */
static void end(struct sampo_vcpu_page *page, uint32_t leaf, uint32_t subleaf)
{
	add(page, leaf, subleaf, (struct answer){0});
}

static bool has(uint64_t xcr0, uint64_t state)
{
	return (xcr0 & state) == state;
}

static void leaf_1(struct sampo_vcpu_page *page, const struct host *h, const struct cpuid_shape *s)
{
	struct answer a = host(h, 1, 0);
	uint32_t package = 1u << s->package_bits;

	a.ebx = s->apic_id << 24 | (package < 256 ? package : 255) << 16 |
		(a.edx & EDX1_CLFLUSH ? a.ebx & 0xff00 : 0);
	a.ecx = (a.ecx & ECX1_MASK) | ECX1_SET;
	a.ecx = s->xcr0 ? a.ecx | ECX1_OSXSAVE : a.ecx & ~ECX1_XSAVE;
	if (!has(s->xcr0, XCR0_AVX))
		a.ecx &= ~ECX1_AVX;
	a.edx = (a.edx & EDX1_MASK) | (package > 1 ? EDX1_HTT : 0);
	add(page, 1, 0, a);
}

/*
 * Caches (leaf 4, and AMD's 0x8000001d): level 3 is the package's, others are a core's. A guest
 * finds no cache where the host has no such leaf.
 */
static void leaf_caches(struct sampo_vcpu_page *page, const struct host *h, uint32_t leaf,
			const struct cpuid_shape *s)
{
	uint32_t cores = (1u << s->package_bits >> s->core_bits) - 1, n = 0;

	for (; n < CACHES_MAX; n++) {
		struct answer a = host(h, leaf, n);
		uint32_t bits = (a.eax >> 5 & 7) < 3 ? s->core_bits : s->package_bits;

		if (!(a.eax & 0x1f))
			break;
		a.eax = (a.eax & 0x3fff) | ((1u << bits) - 1) << 14;
		if (leaf == 4)
			a.eax |= (cores < 64 ? cores : 63) << 26;
		add(page, leaf, n, a);
	}
	end(page, leaf, n);
}

static void leaf_7(struct sampo_vcpu_page *page, const struct host *h, const struct cpuid_shape *s)
{
	struct answer a = host(h, 7, 0);
	uint64_t xcr0 = s->xcr0;
	bool two = a.eax >= 2 && s->spec_ctrl;

	a.eax = two ? 2 : 0;
	a.ebx = (a.ebx & EBX7_MASK) | EBX7_SET;
	a.ecx &= ECX7_MASK;
	a.edx &= EDX7_MASK | (s->spec_ctrl ? EDX7_SPEC : 0) | (s->arch_caps ? EDX7_CAPS : 0);
	if (!has(xcr0, XCR0_AVX)) {
		a.ebx &= ~EBX7_AVX;
		a.ecx &= ~ECX7_AVX;
	}
	if (!has(xcr0, XCR0_AVX512)) {
		a.ebx &= ~EBX7_AVX512;
		a.ecx &= ~ECX7_AVX512;
	}
	add(page, 7, 0, a);
	end(page, 7, 1);
	if (!two)
		return;
	add(page, 7, 2, (struct answer){0, 0, 0, host(h, 7, 2).edx & EDX7_2_MASK});
	end(page, 7, 3);
}

static void leaf_topology(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	add(page, 0xb, 0, (struct answer){s->core_bits, s->core_threads, 0x100, s->apic_id});
	add(page, 0xb, 1, (struct answer){s->package_bits, s->package_threads, 0x201, s->apic_id});
	add(page, 0xb, 2, (struct answer){0, 0, 2, s->apic_id});
}

/* The kernel puts the bytes that the present XCR0 takes in EBX. No component is one of XSS. */
static void leaf_xsave(struct sampo_vcpu_page *page, const struct host *h, uint64_t xcr0,
		       uint32_t features)
{
	uint32_t bytes = 576; /* legacy area and header */
	bool gap = false;

	for (uint32_t i = 2; i < COMPONENTS; i++) {
		struct answer a = host(h, 0xd, i);

		if (xcr0 >> i & 1 && a.eax + a.ebx > bytes)
			bytes = a.eax + a.ebx;
	}
	add(page, 0xd, 0, (struct answer){(uint32_t)xcr0, 0, xcr0 ? bytes : 0, 0});
	add(page, 0xd, 1, (struct answer){xcr0 ? features : 0, 0, 0, 0});
	for (uint32_t i = 2; i < COMPONENTS; i++) {
		bool there = xcr0 >> i & 1;

		if (there)
			add(page, 0xd, i, host(h, 0xd, i));
		else if (!gap)
			end(page, 0xd, i);
		gap = !there;
	}
}

/* Our own leaves and KVM's, at 0x40000100 and 0x40000000. */
static void leaves_hypervisor(struct sampo_vcpu_page *page, const struct cpuid_shape *s)
{
	add(page, LEAF_HV, 0, (struct answer){0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d});
	add(page, 0x40000001, 0, (struct answer){KVM_FEATURES, 0, 0, 0});
	/* TSC and local APIC timer in kHz */
	add(page, 0x40000010, 0, (struct answer){(uint32_t)s->tsc_khz, 1000000, 0, 0});
	add(page, SAMPO_CPUID_SIGNATURE, 0,
	    (struct answer){SAMPO_CPUID_ABI, 0x706d6153, 0x6d61536f, 0x6f70});
	add(page, SAMPO_CPUID_ABI, 0, (struct answer){SAMPO_ABI_VERSION, sampo_by_vmcall, 0, 0});
}

static void leaf_80000001(struct sampo_vcpu_page *page, const struct host *h,
			  const struct cpuid_shape *s, bool topology)
{
	struct answer a = host(h, LEAF_EXT + 1, 0), one = host(h, 1, 0);

	a.ecx &= ECX80000001_MASK & ~ECX80000001_LEGACY;
	a.edx &= EDX80000001_OWN;
	if (h->amd) {
		a.ecx |= (topology ? ECX80000001_TOPOLOGY : 0) |
			 (s->package_bits ? ECX80000001_LEGACY : 0);
		a.edx |= one.edx & EDX80000001_COPY;
	}
	if (!has(s->xcr0, XCR0_AVX))
		a.ecx &= ~ECX80000001_AVX;
	add(page, LEAF_EXT + 1, 0, a);
}

/* Addresses have at most the bits that four levels of page tables translate, since neither LA57 nor
 * five levels of nested tables are the guest's. */
static void leaf_80000008(struct sampo_vcpu_page *page, const struct host *h,
			  const struct cpuid_shape *s)
{
	struct answer a = host(h, LEAF_EXT + 8, 0);
	uint32_t physical = a.eax & 0xff;

	if (!physical)
		physical = PHYSICAL_BITS;
	if (physical > ADDRESS_BITS)
		physical = ADDRESS_BITS;
	a.eax = ADDRESS_BITS << 8 | physical;
	a.ebx &= h->amd ? EBX80000008_MASK | (s->spec_ctrl ? EBX80000008_SPEC : 0) : 0;
	a.ecx = h->amd ? (uint32_t)s->package_bits << 12 | (s->package_threads - 1u) : 0;
	a.edx = 0;
	add(page, LEAF_EXT + 8, 0, a);
}

/* AMD's: TLBs and how wide the CPU computes, caches, topology with one node for each package. */
static void leaves_amd(struct sampo_vcpu_page *page, const struct host *h,
		       const struct cpuid_shape *s)
{
	add(page, 0x80000019, 0, host(h, 0x80000019, 0));
	add(page, 0x8000001a, 0, host(h, 0x8000001a, 0));
	leaf_caches(page, h, LEAF_CACHES, s);
	add(page, 0x8000001e, 0,
	    (struct answer){s->apic_id, (s->core_threads - 1u) << 8 | s->apic_id >> s->core_bits,
			    s->apic_id >> s->package_bits, 0});
}

static void leaf_80000021(struct sampo_vcpu_page *page, const struct host *h,
			  const struct cpuid_shape *s)
{
	struct answer a = host(h, LEAF_AMD_SPEC, 0);

	a.eax &= EAX80000021_MASK | (s->auto_ibrs ? EAX80000021_AUTOIBRS : 0);
	a.eax |= s->lfence ? EAX80000021_LFENCE : 0;
	add(page, LEAF_AMD_SPEC, 0, (struct answer){a.eax, 0, a.ecx & ECX80000021_MASK, 0});
}

static void leaves_extended(struct sampo_vcpu_page *page, const struct host *h,
			    const struct cpuid_shape *s)
{
	struct answer a = host(h, LEAF_EXT, 0);
	/* TOPOEXT announces the leaves of caches and of topology, both. */
	bool topology = h->amd && host(h, LEAF_CACHES, 0).eax & 0x1f;

	bool spec = h->amd && (s->lfence || h->ext_max >= LEAF_AMD_SPEC);

	a.eax = spec ? LEAF_AMD_SPEC : topology ? LEAF_AMD_MAX : LEAF_EXT_MAX;
	add(page, LEAF_EXT, 0, a);
	leaf_80000001(page, h, s, topology);
	for (uint32_t leaf = LEAF_EXT + 2; leaf <= LEAF_EXT + 6; leaf++)
		add(page, leaf, 0, host(h, leaf, 0));
	add(page, LEAF_EXT + 7, 0, (struct answer){0, 0, 0, EDX80000007_TSC});
	leaf_80000008(page, h, s);
	if (topology)
		leaves_amd(page, h, s);
	if (spec)
		leaf_80000021(page, h, s);
}

void cpuid_fill(struct sampo_vcpu_page *page, const struct cpuid_shape *s, cpuid_source read)
{
	struct host h;
	struct answer a;

	host_begin(&h, read);
	a = host(&h, 0, 0);
	a.eax = LEAF_MAX;
	page->cpuids = 0;
	add(page, 0, 0, a);
	leaf_1(page, &h, s);
	add(page, 2, 0, host(&h, 2, 0));
	leaf_caches(page, &h, 4, s);
	add(page, 6, 0, (struct answer){EAX6_ARAT, 0, 0, 0});
	leaf_7(page, &h, s);
	leaf_topology(page, s);
	leaf_xsave(page, &h, s->xcr0, s->xsave);
	leaves_hypervisor(page, s);
	leaves_extended(page, &h, s);
}
