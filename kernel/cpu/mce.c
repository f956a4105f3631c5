/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cpu/mce.h"

#include "arch/cpu.h"
#include "arch/trap.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"

#define CPUID_EDX_MCE (1u << 7)
#define CPUID_EDX_MCA (1u << 14)
#define CR4_MCE       0x40ull

#define MSR_MCG_CAP    0x179u
#define MSR_MCG_STATUS 0x17au
#define MSR_MCG_CTL    0x17bu
#define MSR_MC_CTL     0x400u /* of bank 0; four MSRs a bank */
#define MSR_MC_STATUS  0x401u
#define MSR_MC_ADDR    0x402u
#define MSR_MC_MISC    0x403u

#define MCG_BANKS 0xffull
#define MCG_CTL_P (1ull << 8)
#define MCG_SER_P (1ull << 24) /* S and AR of a status mean something */
#define MCG_RIPV  1ull         /* what was interrupted can go on */

#define STATUS_VAL   (1ull << 63)
#define STATUS_OVER  (1ull << 62)
#define STATUS_UC    (1ull << 61)
#define STATUS_MISCV (1ull << 59)
#define STATUS_ADDRV (1ull << 58)
#define STATUS_PCC   (1ull << 57)
#define STATUS_AR    (1ull << 55)

uint64_t mce_corrected;

/* SDM 3B 16.9.2: compound error codes, the most special first. */
static const struct {
	uint16_t mask, value;
	const char *text;
} codes[] = {
	{0xfff0, 0x0010, "TLB"},
	{0xef80, 0x0080, "memory controller"},
	{0xef00, 0x0100, "cache"},
	{0xffff, 0x0400, "internal timer"},
	{0xe800, 0x0800, "bus or interconnect"},
	{0, 0, "other"},
};

static const char *const severities[] = {"none", "corrected", "uncorrected, not used",
					 "uncorrected, used", "fatal"};

static enum mce_severity severity(uint64_t status, uint64_t cap)
{
	if (!(status & STATUS_VAL))
		return MCE_NONE;
	if (!(status & STATUS_UC))
		return MCE_CORRECTED;
	if (status & STATUS_PCC)
		return MCE_FATAL;
	if (!(cap & MCG_SER_P))
		return MCE_CONTAINED;
	if (!(status & STATUS_AR))
		return MCE_OPTIONAL;
	/* Of several that had to be acted upon, one is all that is known. */
	return status & STATUS_OVER ? MCE_FATAL : MCE_CONTAINED;
}

static void report(unsigned bank, uint64_t status, enum mce_severity how)
{
	uint64_t address = status & STATUS_ADDRV ? cpu_rdmsr(MSR_MC_ADDR + 4 * bank) : 0;
	uint64_t misc = status & STATUS_MISCV ? cpu_rdmsr(MSR_MC_MISC + 4 * bank) : 0;
	unsigned i = 0;

	if (how == MCE_FATAL)
		WRITE_ONCE(log_left, false);
	while ((status & codes[i].mask) != codes[i].value)
		i++;
	log_print(LOG_ERR
		  "machine check: CPU %u bank %u: %s, %s: status %lx address %lx misc %lx\n",
		  this_cpu()->id, bank, codes[i].text, severities[how], status, address, misc);
}

/* MCG_CAP; 0, which is no bank, where the MSR is missing. (Bochs's CPUID says that it is there.) */
static uint64_t capabilities(void)
{
	uint64_t cap = 0;

	if (cpu_cpuid(1, 0).edx & CPUID_EDX_MCA)
		cpu_rdmsr_safe(MSR_MCG_CAP, &cap);
	return cap;
}

/* Taken with the MSR in doubt as well: not to be resumed then. */
static bool can_resume(void)
{
	uint64_t status = 0;

	return !cpu_rdmsr_safe(MSR_MCG_STATUS, &status) && status & MCG_RIPV;
}

/*
 * Looks at all banks, and returns the worst. With `take`, each error is logged and its bank made
 * free; of corrected ones only each 2^n-th is, that a bad memory module does not fill the log.
 */
static enum mce_severity look(bool take)
{
	enum mce_severity worst = MCE_NONE;
	uint64_t cap = capabilities();

	for (unsigned bank = 0; bank < (cap & MCG_BANKS); bank++) {
		uint64_t status = cpu_rdmsr(MSR_MC_STATUS + 4 * bank), count = 0;
		enum mce_severity how = severity(status, cap);

		if (how > worst)
			worst = how;
		if (!take || how == MCE_NONE)
			continue;
		if (how == MCE_CORRECTED)
			count = __atomic_add_fetch(&mce_corrected, 1, __ATOMIC_RELAXED);
		if (!(count & (count - 1)))
			report(bank, status, how);
		cpu_wrmsr(MSR_MC_STATUS + 4 * bank, 0);
	}
	return worst;
}

void mce_enable(void)
{
	if (cpu_cpuid(1, 0).edx & CPUID_EDX_MCE)
		cpu_write_cr4(cpu_read_cr4() | CR4_MCE);
}

void mce_cpu_init(void)
{
	uint64_t cap = capabilities();

	look(true); /* what was the end of the last run, mostly */
	if (cap & MCG_CTL_P)
		cpu_wrmsr(MSR_MCG_CTL, ~0ull);
	for (unsigned bank = 0; bank < (cap & MCG_BANKS); bank++)
		cpu_wrmsr(MSR_MC_CTL + 4 * bank, ~0ull);
	mce_enable();
}

void mce_poll(void)
{
	look(true);
}

bool mce_in_guest(void)
{
	bool resumable = can_resume();
	enum mce_severity worst = look(true);

	if (worst == MCE_FATAL)
		panic("a machine check, while a guest ran, that the machine does not survive");
	cpu_wrmsr_safe(MSR_MCG_STATUS, 0); /* MCIP: with it set, another one would be a shutdown */
	return worst < MCE_CONTAINED && resumable;
}

/* The log may be in the middle of a line: harmless errors stay in their banks for the next poll. */
void mce_in_kernel(void)
{
	if (look(false) >= MCE_CONTAINED || !can_resume()) {
		WRITE_ONCE(log_left, false);
		look(true);
		panic("a machine check in the kernel");
	}
	cpu_wrmsr_safe(MSR_MCG_STATUS, 0);
}
