/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels use some MSRs by the vendor and family of the CPU alone, since every such CPU has them: a
 * #GP there kills a kernel in its first steps. One table for each vendor says what these read as.
 * A counter is off and stays at 0, a bit that works around an erratum is not set, and a write has
 * no effect, so that a kernel that tries a counter finds out that the machine has none.
 */
#include "guests/dom0/cpu/msr_model.h"

#include <stddef.h>

struct msr_range {
	uint32_t first, last;
	uint64_t value;
};

/* APM 2, appendix A, and AMD's processor programming references. */
static const struct msr_range amd_ranges[] = {
	{0xc0010000, 0xc0010007, 0}, /* performance: four selectors, four counters */
	{0xc0010010, 0xc0010010, 0}, /* SYSCFG: no memory encryption, no MTRRs of AMD's own */
	{0xc0010015, 0xc0010015, 1u << 24}, /* HWCR: the TSC runs at the rate of P0 */
	{0xc0010016, 0xc001001a, 0},        /* IORRs, TOP_MEM */
	{0xc001001d, 0xc001001d, 0},        /* TOP_MEM2 */
	{0xc001001f, 0xc0010020, 0},        /* NB_CFG; the microcode's loader */
	{0xc0010055, 0xc0010055, 0},        /* interrupt pending: no C1E to look for */
	{0xc0010058, 0xc0010058, 0},        /* base of PCI's memory-mapped configuration: off */
	{0xc0010112, 0xc0010113, 0},        /* the memory of SMM: none */
	{0xc0010140, 0xc0010141, 0},        /* OSVW: no erratum is listed */
	{0xc0011020, 0xc001102f, 0},        /* configuration of load-store, caches, FPU, decoder */
	{0xc00110e2, 0xc00110e3, 0},        /* and of branch prediction */
};

/* SDM 4, tables 2-2 and of the families. */
static const struct msr_range intel_ranges[] = {
	{0x00000000, 0x00000001, 0},          /* machine check address and type of the Pentium */
	{0x00000017, 0x00000017, 0},          /* PLATFORM_ID */
	{0x0000002a, 0x0000002a, 0},          /* EBL_CR_POWERON */
	{0x00000034, 0x00000034, 0},          /* SMI_COUNT */
	{0x00000079, 0x00000079, 0},          /* the microcode's loader */
	{0x000000ce, 0x000000ce, 0},          /* PLATFORM_INFO */
	{0x0000011e, 0x0000011e, 0xbe702111}, /* BBL_CR_CTL3: the second-level cache is on */
	{0x00000140, 0x00000140, 0},          /* MISC_FEATURE_ENABLES */
	{0x000001a4, 0x000001a4, 0},          /* the prefetchers are on */
	{0x000001ad, 0x000001ad, 0},          /* TURBO_RATIO_LIMIT */
	{0x000001c9, 0x000001c9, 0},          /* last branches: none is recorded */
	{0x000001db, 0x000001de, 0},
	{0x00000606, 0x00000606, 0}, /* RAPL: units, energy of package, memory, cores, graphics */
	{0x00000611, 0x00000611, 0},
	{0x00000619, 0x00000619, 0},
	{0x00000639, 0x00000639, 0},
	{0x00000641, 0x00000641, 0},
};

bool msr_vendor_is_amd(uint32_t ebx)
{
	return ebx == 0x68747541 || ebx == 0x6f677948; /* Authenti, HygonGen */
}

static bool find(const struct msr_range *range, size_t count, uint32_t msr, uint64_t *value)
{
	for (size_t i = 0; i < count; i++) {
		if (msr < range[i].first || msr > range[i].last)
			continue;
		*value = range[i].value;
		return true;
	}
	return false;
}

bool msr_model_read(bool amd, uint32_t msr, uint64_t *value)
{
	if (amd)
		return find(amd_ranges, sizeof(amd_ranges) / sizeof(amd_ranges[0]), msr, value);
	return find(intel_ranges, sizeof(intel_ranges) / sizeof(intel_ranges[0]), msr, value);
}
