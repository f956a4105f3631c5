/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The measures that a CPU needs against its own speculation, decided once from CPUID and MSRs.
 * Nothing here touches the CPU (barrier.c does); docs/mitigations.md names the CVEs and the costs.
 */
#pragma once

#include "kernel/base/types.h"

/* The ways from one owner of the CPU to the next. */
enum mitigate_way {
	GUEST_TO_GUEST, /* to another vCPU than the guest's that ran last, dom0 aside */
	GUEST_TO_DOM0,
	DOM0_TO_GUEST,
	TO_RING0,   /* to ring 0, at each exit */
	FROM_RING0, /* from ring 0, at each entry */
	MITIGATE_WAYS
};

/*
 * X(NAME, word, ways): the mitigations, and the ways on which each is a barrier; none: a setting
 * that the CPU keeps. The kernel's command line turns each off by the word no-WORD.
 */
#define MITIGATIONS(X)                                                                         \
	/* the targets of indirect branches are forgotten */                                   \
	X(IBPB, "ibpb", 1u << GUEST_TO_GUEST)                                                  \
	X(IBPB_DOM0, "ibpb-dom0", 1u << GUEST_TO_DOM0)                                         \
	X(IBPB_EXIT, "ibpb-exit", 1u << TO_RING0)                                              \
	/* the L1 data cache is emptied; the buffers of loads and stores are */                \
	X(L1D, "l1d", 1u << GUEST_TO_GUEST | 1u << DOM0_TO_GUEST)                              \
	X(VERW, "verw", 1u << FROM_RING0)                                                      \
	/* ring 0's indirect branches: SPEC_CTRL.IBRS at each exit, for ever, AMD's of EFER */ \
	X(IBRS, "ibrs", 1u << TO_RING0)                                                        \
	X(EIBRS, "eibrs", 0)                                                                   \
	X(AUTOIBRS, "autoibrs", 0)                                                             \
	/* its returns are predicted by addresses of its own */                                \
	X(RSB, "rsb", 1u << TO_RING0)                                                          \
	/* it has no indirect branches that are predicted */                                   \
	X(RETPOLINE, "retpoline", 0)                                                           \
	/* the history of branches in guests does not steer it */                              \
	X(BHI_DIS, "bhi", 0)                                                                   \
	/* nor does the other thread of the core */                                            \
	X(STIBP, "stibp", 0)                                                                   \
	X(BP_REDUCE, "srso", 0)    /* Zen 5: nor do guests, by its BP_CFG */                   \
	X(LFENCE, "lfence", 0)     /* AMD: LFENCE waits for all before it */                   \
	X(MULTIHIT, "multihit", 0) /* no executable page of guests is large */

enum mitigation {
#define MITIGATION(name, word, ways) MITIGATE_##name,
	MITIGATIONS(MITIGATION)
#undef MITIGATION
		MITIGATION_COUNT
};

#define MITIGATION(name, word, ways) DO_##name = 1u << MITIGATE_##name,
enum { MITIGATIONS(MITIGATION) };
#undef MITIGATION

#define SPEC_IBRS    0x1u
#define SPEC_STIBP   0x2u
#define SPEC_BHI_DIS 0x400u

/* The facts about the CPU. An Intel's leaf 7 and AMD's leaves are 0 where they do not exist. */
struct mitigate_cpu {
	bool intel, amd; /* amd: Hygon as well */
	bool guest;      /* there is a hypervisor below */
	bool siblings;   /* another thread of the core runs guests too */
	uint32_t family, model, stepping;
	uint32_t microcode; /* its revision; 0: none, as emulators have */
	uint32_t leaf7_ebx, leaf7_edx, leaf7_2_edx;
	uint32_t ext8_ebx, ext21_eax, ext21_ecx; /* 80000008, 80000021 */
	uint64_t arch_caps;                      /* IA32_ARCH_CAPABILITIES */
};

/* The command line's words about these measures. */
struct mitigate_words {
	uint32_t without; /* DO_* */
	bool off, force, smt_off;
};

struct mitigate_plan {
	uint32_t on;                      /* DO_* */
	uint32_t barriers[MITIGATE_WAYS]; /* of them: what is done on each way */
	uint32_t spec_ctrl;               /* ring 0's SPEC_CTRL */
};

/* Remembers the word, which a space or the end follows; false: none of these. */
bool mitigate_word(struct mitigate_words *words, const char *word);
struct mitigate_plan mitigate_plan(const struct mitigate_cpu *cpu,
				   const struct mitigate_words *words);
extern const char *const mitigation_names[MITIGATION_COUNT];
