/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt messages of vCPUs and devices, to the vCPUs that they are for. */
#include "kernel/vcpu/vcpu.h"

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
		uint64_t vectors = READ_ONCE(vcpu->posted[i]);

		if (vectors)
			vectors = __atomic_exchange_n(&vcpu->posted[i], 0, __ATOMIC_ACQUIRE);
		for (; vectors; vectors &= vectors - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(vectors);

			vlapic_accept(&vcpu->lapic, (uint8_t)(i * 64 + bit),
				      READ_ONCE(vcpu->posted_level[i]) >> bit & 1);
		}
	}
}

/*
 * A vCPU of this CPU takes the vector into its IRR at once. A vCPU of another CPU has it posted,
 * and its home is asked to look: the request comes behind the vector, by a locked instruction each,
 * so that the home does not miss it.
 */
static void send_to(struct vcpu *vcpu, const struct vlapic_message *m)
{
	switch (m->mode) {
	case VLAPIC_FIXED:
	case VLAPIC_LOWEST:
		if (!vcpu_is_here(vcpu)) {
			post(vcpu, m);
			request_post(vcpu, REQUEST_WAKE);
			break;
		}
		vlapic_accept(&vcpu->lapic, m->vector, m->level);
		if (vcpu->state == VCPU_HALTED && vcpu_has_wakeup(vcpu))
			vcpu_wake(vcpu);
		break;
	case VLAPIC_KICK:
		request_post(vcpu, REQUEST_KICK);
		break;
	case VLAPIC_NMI:
		request_post(vcpu, REQUEST_NMI);
		break;
	case VLAPIC_EXTINT:
		request_post(vcpu, REQUEST_INTACK);
		break;
	default: /* SMI: there is no SMM; INIT: of vCPUs only, vcpu_lapic_effect */
		break;
	}
}

unsigned vcpu_send_set(struct domain *domain, uint64_t set, const struct vlapic_message *m)
{
	unsigned count = 0;

	for (set &= READ_ONCE(domain->present); set; set &= set - 1) {
		struct vcpu *vcpu = domain_vcpu(domain, (uint64_t)__builtin_ctzll(set));

		if (!vcpu) /* it is just going */
			continue;
		send_to(vcpu, m);
		count++;
	}
	return count;
}

/*
 * The vCPUs that a message is for, a bit for each APIC id: shorthands first, then a physical ID,
 * then all that match (SDM 3A 11.6.2). A set may name vCPUs that are not there.
 */
static uint64_t destinations(const struct domain *domain, const struct vcpu *from,
			     const struct vlapic_message *m)
{
	uint64_t self = from ? 1ull << from->id : 0, set = 0;

	if (m->shorthand == VLAPIC_SELF)
		return self;
	if (m->shorthand)
		return m->shorthand == VLAPIC_ALL_BUT_SELF ? ~self : ~0ull;
	if (!m->logical && m->dest < DOMAIN_VCPUS)
		return 1ull << m->dest;
	for (uint64_t left = READ_ONCE(domain->present); left; left &= left - 1) {
		const struct vcpu *vcpu = domain_vcpu(domain, (uint64_t)__builtin_ctzll(left));

		if (vcpu && vlapic_match(&vcpu->lapic, m->dest, m->logical))
			set |= left & -left;
	}
	return set;
}

/*
 * One of the set that is there and has its local APIC on, or none. It is always the same one for a
 * vector: the vector's data are in that CPU's cache.
 */
static uint64_t one_of(const struct domain *domain, uint64_t set, uint8_t vector)
{
	uint64_t able = 0;

	for (set &= READ_ONCE(domain->present); set; set &= set - 1) {
		const struct vcpu *vcpu = domain_vcpu(domain, (uint64_t)__builtin_ctzll(set));

		if (vcpu && vlapic_enabled(&vcpu->lapic))
			able |= set & -set;
	}
	for (int skip = able ? vector % __builtin_popcountll(able) : 0; skip; skip--)
		able &= able - 1;
	return able & -able;
}

void vcpu_send(struct domain *domain, struct vcpu *from, const struct vlapic_message *m)
{
	uint64_t set = destinations(domain, from, m);

	if (m->mode == VLAPIC_LOWEST)
		set = one_of(domain, set, m->vector);
	vcpu_send_set(domain, set, m);
}

uint32_t vcpu_lapic_effect(struct vcpu *vcpu, int flags, const struct vlapic_effect *effect)
{
	const struct vlapic_message *m = &effect->message;

	if (flags & VLAPIC_DO_SYNC)
		hv->lapic(vcpu);
	if (flags & VLAPIC_DO_TIMER)
		vcpu_set_timer(vcpu);
	if (flags & VLAPIC_DO_EOI) {
		vcpu->exit->qualification = effect->vector;
		return SAMPO_EXIT_EOI;
	}
	if (!(flags & VLAPIC_DO_SEND))
		return SAMPO_EXIT_NONE;
	if (m->mode == VLAPIC_INIT || m->mode == VLAPIC_STARTUP) {
		vcpu->exit->qualification = m->mode << 8 | m->vector;
		vcpu->exit->gpa = destinations(vcpu->domain, vcpu, m);
		return SAMPO_EXIT_STARTUP;
	}
	vcpu_send(vcpu->domain, vcpu, m);
	return SAMPO_EXIT_NONE;
}

void domain_msi(struct domain *domain, uint64_t address, uint32_t data)
{
	struct vlapic_message message;

	if (!(domain->flags & SAMPO_DOMAIN_NO_LAPIC) && vlapic_decode_msi(address, data, &message))
		vcpu_send(domain, NULL, &message);
}
