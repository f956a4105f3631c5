/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts and exceptions on their way to a vCPU. */

#include "arch/apic.h"
#include "arch/barrier.h"
#include "arch/debugreg.h"
#include "arch/hv.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/vcpu.h"

void vcpu_inject(struct vcpu *vcpu, uint32_t event, uint32_t code)
{
	vcpu->event = event;
	vcpu->event_code = code;
	vcpu->pending |= VCPU_PEND_EVENT;
}

static bool extint_pending(const struct vcpu *vcpu)
{
	return vcpu->pending & (VCPU_PEND_INTACK | VCPU_PEND_EXTINT) &&
	       (vcpu->pending & VCPU_PEND_INTACK || vlapic_extint_allowed(&vcpu->lapic));
}

bool vcpu_wants_window(const struct vcpu *vcpu)
{
	return !(vcpu->lapic.pending & VLAPIC_BLOCKED) || extint_pending(vcpu);
}

bool vcpu_has_wakeup(struct vcpu *vcpu)
{
	/* The trap of a single step over HLT. An NMI behind another one's handler waits for that to
	 * end. */
	return (vcpu->pending & (VCPU_PEND_EVENT | VCPU_PEND_NMI) &&
		(vcpu->pending & VCPU_PEND_EVENT || hv->nmi_allowed(vcpu))) ||
	       vcpu->kicked ||
	       (!vcpu->deaf && (vlapic_pending(&vcpu->lapic) || extint_pending(vcpu)));
}

/* One event per entry, in the order of their priority (SDM 3A 6.9). */
static bool inject_one(struct vcpu *vcpu)
{
	uint8_t vector = vlapic_pending(&vcpu->lapic);

	if (vcpu->pending & VCPU_PEND_EVENT) {
		vcpu->pending &= ~VCPU_PEND_EVENT;
		hv->inject(vcpu, vcpu->event, vcpu->event_code);
		/* Only one goes in at a time: this interrupts the guest before its next one. */
		if (vcpu->pending & VCPU_PEND_NMI)
			apic_send(apic_id(), VECTOR_KICK);
		return true;
	}
	if ((vcpu->pending & VCPU_PEND_NMI) && hv->nmi_allowed(vcpu)) {
		vcpu->pending &= ~VCPU_PEND_NMI;
		hv->inject(vcpu, SAMPO_INJECT_NMI, 0);
		return true;
	}
	if ((!vector && !extint_pending(vcpu)) || !hv->interruptible(vcpu))
		return true;
	if (extint_pending(vcpu)) {
		vcpu->pending &= ~VCPU_PEND_INTACK;
		vcpu_to_monitor(vcpu, SAMPO_EXIT_INTACK);
		return false;
	}
	vlapic_take(&vcpu->lapic, vector);
	if (vcpu->kvm_eoi && vlapic_alone(&vcpu->lapic, vector))
		eoi_offer(vcpu);
	hv->inject(vcpu, SAMPO_INJECT_EXTINT | vector, 0);
	return true;
}

/* Work that is pending beside events. */
static void do_others(struct vcpu *vcpu)
{
	if (vcpu->pending & VCPU_PEND_HELD)
		request_take(vcpu);
	if (vcpu->pending & VCPU_PEND_EOI)
		eoi_collect(vcpu);
	if (vcpu->pending & VCPU_PEND_STEAL)
		steal_update(vcpu);
	if (vcpu->pending & VCPU_PEND_CACHE)
		barrier_cache(vcpu->cpu, vcpu);
	if (vcpu->pending & VCPU_PEND_DEBUG)
		debug_take(vcpu->cpu, vcpu);
	if (vcpu->pending & VCPU_PEND_TIMER)
		vcpu_set_timer(vcpu);
	vcpu->pending &= ~VCPU_PEND_TIMER;
}

bool vcpu_deliver(struct vcpu *vcpu)
{
	bool window;

	if (vcpu->pending & ~VCPU_PEND_EVENTS)
		do_others(vcpu);
	if (vcpu->lapic.hardware)
		hv->lapic(vcpu);
	if (!inject_one(vcpu))
		return false;
	window = vcpu->lapic.pending || extint_pending(vcpu);
	if (window || vcpu->pending & VCPU_PEND_WINDOW)
		hv->window(vcpu, window);
	vcpu->pending &= ~VCPU_PEND_WINDOW;
	vcpu->pending |= window ? VCPU_PEND_WINDOW : 0;
	return true;
}
