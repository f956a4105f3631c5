/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wild accesses to model-specific registers: what is not there raises #GP, and
 * nothing that a guest writes reaches the machine below it.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define MSR_EFER            0xc0000080u
#define EFER_SVME           0x1000u
#define MSR_LSTAR           0xc0000082u
#define MSR_FS_BASE         0xc0000100u
#define MSR_KERNEL_GS_BASE  0xc0000102u
#define MSR_DEBUGCTL        0x1d9u
#define DEBUGCTL_BTF        0x2u
#define MSR_PAT             0x277u
#define MSR_VM_CR           0xc0010114u
#define MSR_VM_HSAVE_PA     0xc0010117u
#define MSR_FEATURE_CONTROL 0x3au
#define MSR_TSC             0x10u
#define MSR_TSC_ADJUST      0x3bu
#define MSR_SPEC_CTRL       0x48u
#define MSR_PRED_CMD        0x49u
#define MSR_ARCH_CAPS       0x10au
#define STEP                (1ull << 40)
#define RANDOM_TRIES        20000

static const struct {
	uint32_t from, to;
} ranges[] = {
	{0, 0x1000},
	{0x40000000, 0x40000200},
	{0x4b564d00, 0x4b564d10},
	{0xc0000080, 0xc0000200},
	{0xc0010000, 0xc0010300},
	{0xc0011000, 0xc0011040},
	{0xfffffff0, 0xffffffff},
};

/* Writing anything to these is the guest's own affair: it would lose its
 * paging, its time or its life. */
static bool own_affair(uint32_t msr)
{
	return msr == MSR_EFER || msr == 0x1b || msr == 0x10 || msr == 0x3b || msr == 0x6e0 ||
	       (msr >= 0x800 && msr < 0x900) || (msr >= 0x4b564d00 && msr < 0x4b564d10) ||
	       (msr >= 0x200 && msr < 0x300) || (msr >> 8) == 0xc00000 + 1 ||
	       (msr >= 0xc0000080 && msr < 0xc0000085) || (msr >= 0x174 && msr <= 0x176) ||
	       (msr >> 16 == 0x4000);
}

static unsigned readable, refused, wrong;

static void note(int fault)
{
	if (fault == NO_FAULT)
		readable++;
	else if (fault == VECTOR_GP && fault_error == 0)
		refused++;
	else
		wrong++;
}

static void report(const char *name)
{
	printf("%s: %u done, %u refused\n", name, readable, refused);
	check(!wrong, name, "%u faults other than #GP(0)", wrong);
	readable = refused = wrong = 0;
}

static void read_ranges(void)
{
	uint64_t value;

	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (uint32_t msr = ranges[i].from; msr < ranges[i].to; msr++)
			note(try_rdmsr(msr, &value));
	report("reads of ranges");
}

static void write_ranges(uint64_t *seed)
{
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (uint32_t msr = ranges[i].from; msr < ranges[i].to; msr++)
			if (!own_affair(msr))
				note(try_wrmsr(msr, random_next(seed)));
	report("writes of ranges");
}

static void wild(uint64_t *seed)
{
	uint64_t value;

	for (unsigned i = 0; i < RANDOM_TRIES; i++) {
		uint32_t msr = (uint32_t)random_next(seed);

		if (own_affair(msr))
			continue;
		note(i & 1 ? try_rdmsr(msr, &value) : try_wrmsr(msr, random_next(seed)));
	}
	check(refused > RANDOM_TRIES * 9 / 10, "unknown MSRs do not exist", "%u of %u refused",
	      refused, RANDOM_TRIES);
	report("wild accesses");
}

static void expect_gp(const char *name, uint32_t msr, uint64_t value)
{
	int fault = try_wrmsr(msr, value);

	check(fault == VECTOR_GP, name, "vector %d", fault);
}

static void keeps(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t old = 0, now = 0;
	int fault = try_rdmsr(msr, &old);

	if (fault == NO_FAULT)
		fault = try_wrmsr(msr, value);
	if (fault == NO_FAULT)
		fault = try_rdmsr(msr, &now);
	check(fault == NO_FAULT && now == value, name, "vector %d, %#llx", fault,
	      (unsigned long long)now);
	try_wrmsr(msr, old);
}

/* What a guest has against speculation, and what of it is not there (SDM 4 table 2-2). */
static void check_speculation(void)
{
	uint32_t seven[4], eight[4];
	uint64_t value = 0;
	bool ibpb, spec;

	cpuid(7, 0, seven);
	cpuid(0x80000008, 0, eight);
	ibpb = seven[3] >> 26 & 1 || eight[1] >> 12 & 1;
	spec = seven[3] >> 26 & 1 || eight[1] >> 14 & 1;
	check(try_rdmsr(MSR_PRED_CMD, &value) == VECTOR_GP, "PRED_CMD cannot be read", "%d", ibpb);
	check(try_wrmsr(MSR_PRED_CMD, 1) == (ibpb ? NO_FAULT : VECTOR_GP), "PRED_CMD", "%d", ibpb);
	check(try_rdmsr(MSR_ARCH_CAPS, &value) == (seven[3] >> 29 & 1 ? NO_FAULT : VECTOR_GP),
	      "ARCH_CAPABILITIES", "%#x", seven[3]);
	expect_gp("ARCH_CAPABILITIES cannot be written", MSR_ARCH_CAPS, value);
	value = 1;
	check(try_rdmsr(MSR_SPEC_CTRL, &value) == (spec ? NO_FAULT : VECTOR_GP), "SPEC_CTRL", "%d",
	      spec);
	check(!spec || !value, "SPEC_CTRL begins at 0", "%#llx", (unsigned long long)value);
	expect_gp("SPEC_CTRL: reserved bits", MSR_SPEC_CTRL, 1ull << 40);
	if (!spec) {
		expect_gp("SPEC_CTRL is not there", MSR_SPEC_CTRL, 0);
		return;
	}
	keeps("SPEC_CTRL: IBRS", MSR_SPEC_CTRL, 1);
	try_wrmsr(MSR_SPEC_CTRL, 1);
	cpuid(0, 0, eight); /* an exit, through ring 0's value */
	try_rdmsr(MSR_SPEC_CTRL, &value);
	check(value == 1, "SPEC_CTRL is kept over exits", "%#llx", (unsigned long long)value);
	expect_gp("SPEC_CTRL: reserved bits, once it is the guest's own", MSR_SPEC_CTRL,
		  1ull << 40);
	try_wrmsr(MSR_SPEC_CTRL, 0);
	cpuid(0, 0, eight);
	try_rdmsr(MSR_SPEC_CTRL, &value);
	check(!value, "SPEC_CTRL off is kept over exits", "%#llx", (unsigned long long)value);
}

/* TSC_ADJUST is what was added to the TSC, by itself or by a write to the TSC (SDM 3B 18.17.3). */
static void check_tsc_adjust(void)
{
	uint64_t before = rdtsc(), value = 1;
	uint32_t seven[4];

	cpuid(7, 0, seven);
	check(seven[1] & 2, "TSC_ADJUST is announced", "%#x", seven[1]);
	check(try_rdmsr(MSR_TSC_ADJUST, &value) == NO_FAULT && !value, "TSC_ADJUST begins at 0",
	      "%#llx", (unsigned long long)value);
	try_wrmsr(MSR_TSC_ADJUST, STEP);
	check(rdtsc() - before >= STEP && rdtsc() - before < 2 * STEP, "TSC_ADJUST moves the TSC",
	      "%#llx", (unsigned long long)(rdtsc() - before));
	try_rdmsr(MSR_TSC_ADJUST, &value);
	check(value == STEP, "TSC_ADJUST is kept", "%#llx", (unsigned long long)value);
	try_wrmsr(MSR_TSC, 8 * STEP);
	try_rdmsr(MSR_TSC_ADJUST, &value);
	check(value + before > 7 * STEP && value + before <= 8 * STEP,
	      "a write to the TSC counts in it", "%#llx", (unsigned long long)value);
	try_wrmsr(MSR_TSC_ADJUST, 0);
	check(rdtsc() - before < STEP, "TSC_ADJUST moves the TSC back", "%#llx",
	      (unsigned long long)(rdtsc() - before));
}

/* What each CPU of the vendor has, and kernels use unasked: off, and off it stays. */
static void check_model(void)
{
	static const uint32_t amd[] = {0xc0010000, 0xc0010003, 0xc0010004, 0xc0010007, 0xc0010010,
				       0xc001001f, 0xc0010055, 0xc0010140, 0xc0010141, 0xc0011020,
				       0xc0011028, 0xc0011029, 0x8b};
	static const uint32_t intel[] = {0x17, 0x2a, 0x34, 0x8b, 0xce, 0x1c9, 0x606};
	const uint32_t *msr = intel;
	unsigned count = sizeof(intel) / sizeof(intel[0]);
	uint64_t value, hwcr = 0;
	uint32_t vendor[4];

	cpuid(0, 0, vendor);
	if (vendor[1] == 0x68747541) { /* Authenti */
		msr = amd;
		count = sizeof(amd) / sizeof(amd[0]);
		check(try_rdmsr(0xc0010015, &hwcr) == NO_FAULT && hwcr == 1u << 24, "HWCR", "%#llx",
		      (unsigned long long)hwcr);
	}
	for (unsigned i = 0; i < count; i++) {
		char name[32];
		int written;

		value = 1;
		snprintf(name, sizeof(name), "MSR %x", msr[i]);
		written = try_wrmsr(msr[i], 0xabcd);
		check(written == NO_FAULT && try_rdmsr(msr[i], &value) == NO_FAULT && !value, name,
		      "%d, %#llx", written, (unsigned long long)value);
	}
}

int main(void)
{
	uint64_t seed = option("seed", 1), efer = 0, value = 0;

	faults_init();
	check_tsc_adjust();
	check_speculation();
	check_model();
	read_ranges();
	write_ranges(&seed);
	wild(&seed);

	try_rdmsr(MSR_EFER, &efer);
	expect_gp("EFER.SVME", MSR_EFER, efer | EFER_SVME);
	expect_gp("EFER with reserved bits", MSR_EFER, efer | 1ull << 40);
	expect_gp("EFER.LME off in long mode", MSR_EFER, efer & ~0x100ull);
	check(try_rdmsr(MSR_VM_HSAVE_PA, &value) == VECTOR_GP || !value,
	      "VM_HSAVE_PA is not the host's", "%#llx", (unsigned long long)value);
	expect_gp("VM_HSAVE_PA", MSR_VM_HSAVE_PA, 0x1000);
	keeps("LSTAR", MSR_LSTAR, 0xffffffff81000000ull);
	keeps("KERNEL_GS_BASE", MSR_KERNEL_GS_BASE, 0xffff888000000000ull);
	keeps("FS_BASE", MSR_FS_BASE, 0x123456789000ull);
	keeps("DEBUGCTL", MSR_DEBUGCTL, DEBUGCTL_BTF);
	try_wrmsr(MSR_DEBUGCTL, ~0ull);
	try_rdmsr(MSR_DEBUGCTL, &value);
	check(value == DEBUGCTL_BTF, "DEBUGCTL has BTF alone", "%#llx", (unsigned long long)value);
	try_wrmsr(MSR_DEBUGCTL, 0);
	keeps("PAT", MSR_PAT, 0x0007040600070406ull);
	check_end();
	guest_poweroff();
}
