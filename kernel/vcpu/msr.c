/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSRs that a guest may use and that do not reach the CPU. */

#include "arch/msr.h"
#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/hv.h"
#include "kernel/vcpu/msr.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/vcpu.h"

/* Most accesses are to these. */
static bool of_lapic(uint32_t msr)
{
	return msr - MSR_X2APIC <= MSR_X2APIC_LAST - MSR_X2APIC || msr == MSR_TSC_DEADLINE ||
	       msr == MSR_APIC_BASE;
}

/* The local APIC needs the time for its timer, whose registers are at the end. */
static uint64_t time_for(const struct vcpu *vcpu, uint32_t msr)
{
	return msr < MSR_X2APIC + LAPIC_LVT_TIMER ? 0 : vcpu_tsc(vcpu, cpu_rdtsc());
}

static enum msr_result read_lapic(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	uint64_t now = msr == MSR_TSC_DEADLINE ? vcpu_tsc(vcpu, cpu_rdtsc()) : time_for(vcpu, msr);

	return vlapic_msr_read(&vcpu->lapic, msr, value, now) ? MSR_FAULT : MSR_DONE;
}

static uint64_t __attribute__((cold)) read_efer(struct vcpu *vcpu)
{
	struct sampo_exit state;

	hv->fetch(vcpu, &state);
	return state.efer;
}

enum msr_result msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (of_lapic(msr))
		return read_lapic(vcpu, msr, value);
	switch (msr) {
	case MSR_TSC:
		*value = vcpu_tsc(vcpu, cpu_rdtsc());
		return MSR_DONE;
	case MSR_TSC_ADJUST:
		*value = vcpu->tsc_offset - vcpu->domain->tsc_offset;
		return MSR_DONE;
	case MSR_EFER:
		*value = read_efer(vcpu);
		return MSR_DONE;
	case MSR_TSC_AUX:
		*value = vcpu->tsc_aux;
		return MSR_DONE;
	case MSR_SPEC_CTRL: /* later reads and writes are the CPU's, see msr_write */
		*value = 0;
		return guest_spec_ctrl ? MSR_DONE : MSR_MONITOR;
	case MSR_KVM_STEAL:
		*value = vcpu->kvm_steal;
		return MSR_DONE;
	case MSR_KVM_EOI:
		*value = vcpu->kvm_eoi;
		return MSR_DONE;
	default:
		return MSR_MONITOR;
	}
}

static enum msr_result write_lapic(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vlapic_effect effect;
	int flags = vlapic_msr_write(&vcpu->lapic, msr, value, time_for(vcpu, msr), &effect);

	if (flags < 0)
		return MSR_FAULT;
	if (!flags)
		return MSR_DONE;
	return vcpu_lapic_effect(vcpu, flags, &effect);
}

/* TSC_ADJUST is the sum that the guest has added to the TSC since reset (SDM 3B 18.17.3): how far
 * the vCPU's offset is from the domain's. So a write to the TSC changes it too. */
static void set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	vlapic_shift_tsc(&vcpu->lapic, offset - vcpu->tsc_offset);
	vcpu_unload(vcpu);
	vcpu->tsc_offset = offset;
	vcpu_set_timer(vcpu);
}

/* LME does not change while paging is on (SDM 3A 4.1.1, APM 2 14.6.1). */
static enum msr_result write_efer(struct vcpu *vcpu, uint64_t value)
{
	struct sampo_exit state;

	vcpu_unload(vcpu);
	hv->fetch(vcpu, &state);
	if (value & ~guest_efer || (state.cr0 & CR0_PG && (value ^ state.efer) & EFER_LME))
		return MSR_FAULT;
	state.efer = (value & ~(uint64_t)EFER_LMA) | (state.efer & EFER_LMA);
	hv->store(vcpu, &state);
	return MSR_DONE;
}

enum msr_result msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (of_lapic(msr))
		return write_lapic(vcpu, msr, value);
	switch (msr) {
	case MSR_TSC:
		set_tsc_offset(vcpu, value - domain_tsc(vcpu->domain, cpu_rdtsc()));
		return MSR_DONE;
	case MSR_TSC_ADJUST:
		set_tsc_offset(vcpu, vcpu->domain->tsc_offset + value);
		return MSR_DONE;
	case MSR_EFER:
		return write_efer(vcpu, value);
	case MSR_TSC_AUX:
		if (!vcpu->cpu->has_tsc_aux || value >> 32)
			return MSR_FAULT;
		vcpu->tsc_aux = value;
		vcpu->cpu->tsc_aux = value;
		cpu_wrmsr(MSR_TSC_AUX, value);
		return MSR_DONE;
	case MSR_SPEC_CTRL: /* from now on it is switched */
		if (!guest_spec_ctrl)
			return MSR_MONITOR;
		if (value & ~(uint64_t)guest_spec_ctrl)
			return MSR_FAULT;
		vcpu->spec_ctrl = (uint32_t)value;
		vcpu->spec_own = true;
		hv->lapic(vcpu);
		return MSR_DONE;
	case MSR_KVM_STEAL:
		steal_enable(vcpu, value);
		vcpu->pending |= VCPU_PEND_STEAL;
		return MSR_DONE;
	case MSR_KVM_EOI:
		if (vcpu->pending & VCPU_PEND_EOI) /* while it is known where that was said */
			eoi_collect(vcpu);
		eoi_enable(vcpu, value);
		return MSR_DONE;
	default:
		return MSR_MONITOR;
	}
}
