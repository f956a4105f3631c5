/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID: what the monitor says, and what of it follows the vCPU's registers. */
#include "arch/hv.h"
#include "kernel/policy.h"
#include "kernel/vcpu.h"

#define CR4_OSXSAVE  (1ull << 18)
#define ECX1_OSXSAVE (1u << 27)

/* The last entry that is not above the key, or the first. */
static const struct sampo_cpuid *find(const struct sampo_vcpu_page *page, uint64_t key)
{
	uint64_t count = page->cpuids < SAMPO_CPUIDS ? page->cpuids : SAMPO_CPUIDS;
	const struct sampo_cpuid *e = page->cpuid;

	for (uint64_t half; count > 1; count -= half) {
		half = count / 2;
		e += e[half].key <= key ? half : 0;
	}
	return e;
}

struct cpu_cpuid cpuid_read(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	const struct sampo_cpuid *e = vcpu->page->cpuid;
	uint64_t key = (uint64_t)leaf << 32 | subleaf;
	struct cpu_cpuid r = {0};
	struct sampo_exit state;

	if (vcpu->cpuid_key != key) { /* who only serializes asks for the same again */
		vcpu->cpuid_key = key;
		vcpu->cpuid = (uint32_t)(find(vcpu->page, key) - e);
	}
	e += vcpu->cpuid;
	if (!vcpu->page->cpuids)
		r = cpu_cpuid(leaf, subleaf);
	else if (e->key >> 32 == leaf)
		r = (struct cpu_cpuid){e->eax, e->ebx, e->ecx, e->edx};
	if (leaf == 1) {
		hv->fetch_few(vcpu, &state);
		r.ecx &= state.cr4 & CR4_OSXSAVE ? ~0u : ~ECX1_OSXSAVE;
	}
	if (leaf == 0xd && subleaf < 2 && r.eax) /* XCR0 is the guest's now */
		r.ebx = cpu_cpuid(leaf, subleaf).ebx;
	return r;
}
