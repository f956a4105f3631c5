/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts and exceptions on their way to a vCPU. */

#include "arch/hv.h"
#include "kernel/vcpu.h"

void vcpu_inject(struct vcpu *vcpu, uint32_t event, uint32_t code)
{
	vcpu->event = event;
	vcpu->event_code = code;
	vcpu->pending |= VCPU_PEND_EVENT;
}

static bool extint_pending(const struct vcpu *vcpu)
{
	return (vcpu->pending & VCPU_PEND_EXTINT) && vlapic_extint_allowed(&vcpu->lapic);
}

bool vcpu_has_wakeup(const struct vcpu *vcpu)
{
	return vcpu->lapic.pending >= 0 || (vcpu->pending & VCPU_PEND_NMI) || extint_pending(vcpu);
}

/* One event per entry, in the order of their priority (SDM 3A 6.9). */
static bool inject_one(struct vcpu *vcpu)
{
	int vector = vcpu->lapic.pending;

	if (vcpu->pending & VCPU_PEND_EVENT) {
		vcpu->pending &= ~VCPU_PEND_EVENT;
		hv->inject(vcpu, vcpu->event, vcpu->event_code);
		return true;
	}
	if ((vcpu->pending & VCPU_PEND_NMI) && hv->nmi_allowed(vcpu)) {
		vcpu->pending &= ~VCPU_PEND_NMI;
		hv->inject(vcpu, SAMPO_INJECT_NMI, 0);
		return true;
	}
	if (vector < 0 && !extint_pending(vcpu))
		return true;
	if (!hv->interruptible(vcpu))
		return true;
	if (extint_pending(vcpu)) {
		vcpu_to_monitor(vcpu, SAMPO_EXIT_INTACK);
		return false;
	}
	vlapic_take(&vcpu->lapic, (uint8_t)vector);
	hv->inject(vcpu, SAMPO_INJECT_EXTINT | (uint32_t)vector, 0);
	return true;
}

bool vcpu_deliver(struct vcpu *vcpu)
{
	bool window;

	if (!inject_one(vcpu))
		return false;
	window = vcpu->lapic.pending >= 0 || vcpu->lapic.tpr_blocks || extint_pending(vcpu);
	if (window || vcpu->window)
		hv->window(vcpu, window);
	vcpu->window = window;
	return true;
}

/* A level that is set stays until the vector is posted as an edge: the TMR is
 * written with the IRR. */
static void post(struct vcpu *vcpu, const struct vlapic_message *m)
{
	uint64_t bit = 1ull << m->vector % 64, *level = &vcpu->posted_level[m->vector / 64];

	if (m->level)
		__atomic_fetch_or(level, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(level, ~bit, __ATOMIC_RELAXED);
	__atomic_fetch_or(&vcpu->posted[m->vector / 64], bit, __ATOMIC_RELEASE);
}

void vcpu_accept_posted(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < COUNT_OF(vcpu->posted); i++) {
		uint64_t vectors = __atomic_load_n(&vcpu->posted[i], __ATOMIC_RELAXED);

		if (vectors)
			vectors = __atomic_exchange_n(&vcpu->posted[i], 0, __ATOMIC_ACQUIRE);
		for (; vectors; vectors &= vectors - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(vectors);

			vlapic_accept(&vcpu->lapic, (uint8_t)(i * 64 + bit),
				      vcpu->posted_level[i] >> bit & 1);
		}
	}
}

static void send_to(struct vcpu *vcpu, const struct vlapic_message *m)
{
	switch (m->mode) {
	case VLAPIC_FIXED:
	case VLAPIC_LOWEST:
		if (vcpu->cpu == this_cpu())
			vlapic_accept(&vcpu->lapic, m->vector, m->level);
		else
			post(vcpu, m);
		break;
	case VLAPIC_NMI:
		smp_post(vcpu, REQUEST_NMI);
		return;
	case VLAPIC_EXTINT:
		vcpu->extint = true;
		break;
	case VLAPIC_INIT:
		smp_post(vcpu, REQUEST_INIT);
		return;
	default: /* SMI: there is no SMM. STARTUP: one vCPU needs none. */
		return;
	}
	vcpu_notify(vcpu);
}

static bool is_destination(const struct vcpu *vcpu, const struct vcpu *from,
			   const struct vlapic_message *m)
{
	switch (m->shorthand) {
	case VLAPIC_SELF:
		return vcpu == from;
	case VLAPIC_ALL_AND_SELF:
		return true;
	case VLAPIC_ALL_BUT_SELF:
		return vcpu != from;
	default:
		return vlapic_match(&vcpu->lapic, m->dest, m->logical);
	}
}

void vcpu_send(struct domain *domain, struct vcpu *from, const struct vlapic_message *m)
{
	for (unsigned i = 0, left = domain->vcpus; left && i < DOMAIN_VCPUS; i++) {
		struct vcpu *vcpu = domain->vcpu[i];

		if (!vcpu)
			continue;
		left--;
		if (!is_destination(vcpu, from, m))
			continue;
		send_to(vcpu, m);
		if (m->mode == VLAPIC_LOWEST)
			return;
	}
}

void vcpu_lapic_effect(struct vcpu *vcpu, int flags, const struct vlapic_effect *effect)
{
	if (flags & VLAPIC_DO_TIMER)
		vcpu_set_timer(vcpu);
	if (flags & VLAPIC_DO_SEND)
		vcpu_send(vcpu->domain, vcpu, &effect->message);
}
