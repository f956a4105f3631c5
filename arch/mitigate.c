/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/mitigate.h"

#include "kernel/base/options.h"

/* CPUID leaf 7 EBX, EDX, and EDX of its subleaf 2 */
#define RTM         (1u << 11)
#define MD_CLEAR    (1u << 10)
#define IBRS_IBPB   (1u << 26)
#define INTEL_STIBP (1u << 27)
#define L1D_FLUSH   (1u << 28)
#define BHI_CTRL    (1u << 4)
/* 80000008 EBX */
#define AMD_IBPB  (1u << 12)
#define AMD_STIBP (1u << 15)
#define BTC_NO    (1u << 29)
/* 80000021 EAX, ECX */
#define LFENCE_ALWAYS  (1u << 2)
#define VERW_CLEAR     (1u << 5)
#define AUTOMATIC_IBRS (1u << 8)
#define SRSO_NO        (1u << 29)
#define SRSO_MSR_FIX   (1u << 31)
#define TSA_NO         (1u << 1 | 1u << 2)

/* IA32_ARCH_CAPABILITIES (SDM 4 table 2-2) */
#define RDCL_NO        (1ull << 0)
#define IBRS_ALL       (1ull << 1)
#define SKIP_L1D_FLUSH (1ull << 3)
#define MDS_NO         (1ull << 5)
#define PSCHANGE_MC_NO (1ull << 6)
#define TAA_NO         (1ull << 8)
#define MMIO_NO        (1ull << 13 | 1ull << 14 | 1ull << 15) /* SBDR_SSDP, FBSDP, PSDP */
#define FB_CLEAR       (1ull << 17)
#define BHI_NO         (1ull << 20)
#define PBRSB_NO       (1ull << 24)
#define RFDS_NO        (1ull << 27)
#define RFDS_CLEAR     (1ull << 28)
#define ITS_NO         (1ull << 62)

const char *const mitigation_names[MITIGATION_COUNT] = {
#define NAME(name, word, ways) word,
	MITIGATIONS(NAME)
#undef NAME
};

static const uint8_t ways[MITIGATION_COUNT] = {
#define WAYS(name, word, ways) ways,
	MITIGATIONS(WAYS)
#undef WAYS
};

/* Core CPUs since Skylake that predict returns by other means when the return stack is empty
 * (Retbleed, CVE-2022-29901), unless they have enhanced IBRS. */
static const uint8_t skylakes[] = {0x4e, 0x5e, 0x55, 0x66, 0x8e, 0x9e, 0xa5, 0xa6};

/* Atoms, and Xeon Phi: a large executable page does them no harm (CVE-2018-12207). */
static const uint8_t no_multihit[] = {0x1c, 0x26, 0x27, 0x35, 0x36, 0x37, 0x4a,
				      0x4c, 0x4d, 0x57, 0x5a, 0x5c, 0x5d, 0x5f,
				      0x6e, 0x75, 0x7a, 0x85, 0x86, 0x96, 0x9c};

static bool one_of(const uint8_t *models, unsigned count, const struct mitigate_cpu *cpu)
{
	for (unsigned i = 0; i < count; i++)
		if (models[i] == cpu->model)
			return true;
	return false;
}

bool mitigate_word(struct mitigate_words *words, const char *word)
{
	for (unsigned i = 0; i < MITIGATION_COUNT; i++) {
		if (!option_denies(word, mitigation_names[i]))
			continue;
		words->without |= 1u << i;
		return true;
	}
	words->off |= option_is(word, "mitigations=off");
	words->force |= option_is(word, "mitigations=force");
	words->smt_off |= option_is(word, "smt=off");
	return option_is(word, "mitigations=off") || option_is(word, "mitigations=force") ||
	       option_is(word, "mitigations=auto") || option_is(word, "smt=off") ||
	       option_is(word, "smt=on");
}

/* Buffers that VERW overwrites: MDS, TAA, MMIO stale data, RFDS; TSA of Zen 3 and 4. */
static bool leaks_buffers(const struct mitigate_cpu *cpu)
{
	uint64_t caps = cpu->arch_caps;

	if (cpu->amd)
		return cpu->ext21_eax & VERW_CLEAR && (cpu->ext21_ecx & TSA_NO) != TSA_NO;
	if (cpu->leaf7_edx & MD_CLEAR && !(caps & MDS_NO))
		return true;
	if (cpu->leaf7_edx & MD_CLEAR && cpu->leaf7_ebx & RTM && !(caps & TAA_NO))
		return true;
	return (caps & FB_CLEAR && (caps & MMIO_NO) != MMIO_NO) ||
	       (caps & RFDS_CLEAR && !(caps & RFDS_NO));
}

/*
 * Ring 0 of an Intel. Enhanced IBRS keeps guests' targets apart from it, but not their history:
 * that is BHI's bit, or else there are no predicted branches, as ITS demands of the same CPUs.
 * Returns: the stack is filled at an exit, which ring 0 never empties; see docs/mitigations.md.
 */
static uint32_t intel_ring0(const struct mitigate_cpu *cpu)
{
	uint64_t caps = cpu->arch_caps;
	uint32_t on;

	if (!(caps & IBRS_ALL))
		return one_of(skylakes, COUNT_OF(skylakes), cpu) && cpu->leaf7_edx & IBRS_IBPB
			       ? DO_IBRS | DO_RSB
			       : DO_RETPOLINE | DO_RSB;
	on = DO_EIBRS | (caps & PBRSB_NO ? 0 : DO_RSB);
	if (cpu->leaf7_2_edx & BHI_CTRL)
		return caps & BHI_NO ? on : on | DO_BHI_DIS;
	return ~caps & (BHI_NO | ITS_NO) ? on | DO_RETPOLINE | DO_RSB : on;
}

/*
 * Ring 0 of an AMD. Up to Zen 2 returns are predicted like other branches (Retbleed,
 * CVE-2022-29900), and up to Zen 4 a guest can fill the return stack itself (SRSO, CVE-2023-20569):
 * all predictions are forgotten at each exit.
 */
static uint32_t amd_ring0(const struct mitigate_cpu *cpu)
{
	bool retbleed = cpu->family <= 0x18 && !(cpu->ext8_ebx & BTC_NO);
	bool srso = cpu->family >= 0x17 && cpu->family <= 0x1a && !(cpu->ext21_eax & SRSO_NO);
	uint32_t on = cpu->ext21_eax & AUTOMATIC_IBRS ? DO_AUTOIBRS : DO_RETPOLINE | DO_RSB;

	if (srso && cpu->ext21_eax & SRSO_MSR_FIX)
		return on | DO_BP_REDUCE;
	if ((retbleed || srso) && cpu->ext8_ebx & AMD_IBPB)
		on |= DO_IBPB_EXIT | DO_RSB;
	return on;
}

/* Returns the measures (DO_*) that the CPU is able to take, needed or not. */
static uint32_t possible(const struct mitigate_cpu *cpu, bool ibpb)
{
	uint32_t can = DO_RSB | DO_RETPOLINE | DO_VERW | DO_MULTIHIT;

	can |= ibpb ? DO_IBPB | DO_IBPB_DOM0 | DO_IBPB_EXIT : 0;
	can |= cpu->intel && ibpb ? DO_IBRS : 0;
	return can | (cpu->leaf7_edx & L1D_FLUSH ? DO_L1D : 0);
}

/*
 * Between guests: IBPB forgets predicted branches, STIBP keeps a sibling's apart, VERW overwrites
 * the buffers, and a flush of the L1 cache hides data from a guest whose page tables point at them
 * (L1TF, CVE-2018-3646). docs/mitigations.md has the table.
 */
static uint32_t wanted(const struct mitigate_cpu *cpu, bool ibpb)
{
	uint32_t on = cpu->intel ? intel_ring0(cpu) : amd_ring0(cpu);

	if (ibpb)
		on |= DO_IBPB | DO_IBPB_DOM0;
	if (cpu->siblings &&
	    (cpu->intel ? cpu->leaf7_edx & INTEL_STIBP : cpu->ext8_ebx & AMD_STIBP))
		on |= DO_STIBP;
	if (leaks_buffers(cpu))
		on |= DO_VERW;
	if (cpu->leaf7_edx & L1D_FLUSH && !(cpu->arch_caps & (RDCL_NO | SKIP_L1D_FLUSH)))
		on |= DO_L1D;
	/* Below a hypervisor the page tables that count are that one's. */
	if (cpu->intel && cpu->family == 6 && !cpu->guest && !(cpu->arch_caps & PSCHANGE_MC_NO) &&
	    !one_of(no_multihit, COUNT_OF(no_multihit), cpu))
		on |= DO_MULTIHIT;
	return on;
}

/*
 * An emulator names none of the barriers, and has no microcode or says that it is one. Nothing
 * is done for it: it does not speculate.
 */
struct mitigate_plan mitigate_plan(const struct mitigate_cpu *cpu,
				   const struct mitigate_words *words)
{
	bool ibpb = cpu->intel ? cpu->leaf7_edx & IBRS_IBPB : cpu->ext8_ebx & AMD_IBPB;
	bool real = ibpb || (cpu->microcode && !cpu->guest);
	struct mitigate_plan plan = {0};

	if (real && !words->off && (cpu->intel || cpu->amd))
		plan.on = wanted(cpu, ibpb);
	if (cpu->amd && !words->off && !(cpu->ext21_eax & LFENCE_ALWAYS))
		plan.on |= DO_LFENCE;
	if (words->force)
		plan.on |= possible(cpu, ibpb);
	plan.on &= ~words->without;
	if (plan.on & DO_IBPB_EXIT) /* nothing is left for the other ways to forget */
		plan.on &= ~(uint32_t)(DO_IBPB | DO_IBPB_DOM0);
	for (unsigned i = 0; i < MITIGATION_COUNT; i++)
		for (unsigned way = 0; way < MITIGATE_WAYS; way++)
			plan.barriers[way] |= plan.on & (ways[i] >> way & 1u) << i;
	plan.spec_ctrl = (plan.on & (DO_EIBRS | DO_IBRS) ? SPEC_IBRS : 0) |
			 (plan.on & DO_STIBP ? SPEC_STIBP : 0) |
			 (plan.on & DO_BHI_DIS ? SPEC_BHI_DIS : 0);
	return plan;
}
