/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID: the monitor's table, and the bits in it that follow the vCPU's registers. */
#include "kernel/vcpu/cpuid.h"
#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "kernel/vcpu/vcpu.h"

#define ECX1_OSXSAVE (1u << 27)
#define EDX1_APIC    (1u << 9) /* on AMD's CPUs leaf 0x80000001 has the same */

/* The number of the last entry that is not above the key, or the first. The monitor may write
 * meanwhile. */
static uint32_t find(const struct sampo_vcpu_page *page, uint64_t key)
{
	uint64_t count = READ_ONCE(page->cpuids);
	uint32_t first = 0;

	if (count > SAMPO_CPUIDS)
		count = SAMPO_CPUIDS;
	for (uint64_t half; count > 1; count -= half) {
		half = count / 2;
		first += READ_ONCE(page->cpuid[first + half].key) <= key ? (uint32_t)half : 0;
	}
	return first;
}

void cpuid_answer(struct vcpu *vcpu)
{
	const struct sampo_vcpu_page *page = vcpu->page;
	const struct sampo_cpuid *e;
	uint64_t *gpr = vcpu->gpr;
	uint32_t leaf = (uint32_t)gpr[SAMPO_RAX], subleaf = (uint32_t)gpr[SAMPO_RCX];
	uint64_t key = (uint64_t)leaf << 32 | subleaf;
	struct cpu_cpuid r = {0};
	struct sampo_exit state;

	if (vcpu->cpuid_key != key) { /* a guest that only serializes asks for the same again */
		vcpu->cpuid_key = key;
		vcpu->cpuid = find(page, key);
	}
	e = &page->cpuid[vcpu->cpuid];
	if (!READ_ONCE(page->cpuids))
		r = cpu_cpuid(leaf, subleaf);
	else if (READ_ONCE(e->key) >> 32 == leaf)
		r = (struct cpu_cpuid){READ_ONCE(e->eax), READ_ONCE(e->ebx), READ_ONCE(e->ecx),
				       READ_ONCE(e->edx)};
	switch (leaf) {
	case 1:
		hv->fetch_few(vcpu, &state);
		r.ecx &= state.cr4 & CR4_OSXSAVE ? ~0u : ~ECX1_OSXSAVE;
		__attribute__((fallthrough));
	case 0x80000001:
		if (!(vcpu->lapic.apic_base & APIC_BASE_ENABLE))
			r.edx &= ~EDX1_APIC;
		break;
	case 0xd:
		if (subleaf < 2 && r.eax) /* XCR0 is the guest's now */
			r.ebx = cpu_cpuid(leaf, subleaf).ebx;
	}
	gpr[SAMPO_RAX] = r.eax;
	gpr[SAMPO_RBX] = r.ebx;
	gpr[SAMPO_RCX] = r.ecx;
	gpr[SAMPO_RDX] = r.edx;
}
