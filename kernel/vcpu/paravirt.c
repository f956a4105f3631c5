/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's offers to guests with several vCPUs, as Linux's
 * Documentation/virt/kvm/x86/{msr,hypercalls}.rst have it: steal time with the
 * flag of a preempted vCPU, ends of interrupts, IPIs and kicks by hypercall. All of it can only
 * harm the guest that asks for it.
 */
#include "kernel/vcpu/paravirt.h"
#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/vcpu/vcpu.h"

#define HC_KICK_CPU    5u
#define HC_SEND_IPI    10u
#define HC_SCHED_YIELD 11u
#define KVM_EINVAL     22ull

#define ENABLE    1ull /* of both MSRs */
#define PREEMPTED 1u
#define FLUSH_TLB 2u
#define EOI_LEFT  1u

/* A vCPU without siblings has its steal time written when it has waited for so much longer. */
#define STEAL_NS 50000u

struct steal_time {
	uint64_t steal;
	uint32_t version, flags; /* odd while it changes */
	uint8_t preempted, pad[47];
};

static void update(struct vcpu *vcpu, struct steal_time *s)
{
	uint32_t version = READ_ONCE(s->version) | 1;

	/* While it did not run others left its TLB to us. */
	if (__atomic_exchange_n(&s->preempted, 0, __ATOMIC_ACQ_REL) & FLUSH_TLB)
		vcpu->asid_generation = 0;
	__atomic_store_n(&s->version, version, __ATOMIC_RELEASE);
	__atomic_store_n(&s->steal, tsc_to_ns(vcpu->entity.waited), __ATOMIC_RELEASE);
	__atomic_store_n(&s->version, version + 1, __ATOMIC_RELEASE);
}

static void begin(struct vcpu *vcpu, struct steal_time *s)
{
	__atomic_store_n(&s->preempted, PREEMPTED, __ATOMIC_RELEASE);
	vcpu->pending |= VCPU_PEND_STEAL;
}

static void access(struct vcpu *vcpu, void (*function)(struct vcpu *, struct steal_time *))
{
	struct steal_time *s;

	if (!(vcpu->kvm_steal & ENABLE))
		return;
	s = domain_word(vcpu->domain, vcpu->kvm_steal & ~63ull, &vcpu->steal_word);
	if (s)
		function(vcpu, s);
}

/* Nobody else asks whether it runs. */
static bool is_alone(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->domain->present) == 1ull << vcpu->id;
}

void steal_update(struct vcpu *vcpu)
{
	uint64_t waited = vcpu->entity.waited;

	vcpu->pending &= ~VCPU_PEND_STEAL;
	if (is_alone(vcpu) && waited < vcpu->steal_next)
		return;
	vcpu->steal_next = waited + tsc_from_ns(STEAL_NS);
	access(vcpu, update);
}

void steal_begin(struct vcpu *vcpu)
{
	if (!is_alone(vcpu))
		access(vcpu, begin);
}

void steal_enable(struct vcpu *vcpu, uint64_t value)
{
	vcpu->kvm_steal = value;
	vcpu->steal_word.physical = 0;
	vcpu->steal_next = 0;
}

void eoi_enable(struct vcpu *vcpu, uint64_t value)
{
	vcpu->kvm_eoi = value;
	vcpu->eoi_word.physical = 0;
}

static uint32_t *eoi_word(struct vcpu *vcpu)
{
	return domain_word(vcpu->domain, vcpu->kvm_eoi & ~3ull, &vcpu->eoi_word);
}

void eoi_offer(struct vcpu *vcpu)
{
	uint32_t *word = vcpu->kvm_eoi & ENABLE ? eoi_word(vcpu) : NULL;

	if (!word)
		return;
	__atomic_store_n(word, EOI_LEFT, __ATOMIC_RELEASE);
	vcpu->pending |= VCPU_PEND_EOI;
}

void eoi_collect(struct vcpu *vcpu)
{
	uint32_t *word = eoi_word(vcpu);

	vcpu->pending &= ~VCPU_PEND_EOI;
	/* An interrupt that it has not ended until now it ends by its local APIC. */
	if (word && !(__atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL) & EOI_LEFT))
		vlapic_end(&vcpu->lapic);
}

static uint64_t send_ipi(struct vcpu *vcpu, uint64_t set, uint64_t first, uint64_t icr)
{
	struct vlapic_message m = {.vector = (uint8_t)icr, .mode = icr >> 8 & 7};

	if (icr >> 11 || (m.mode != VLAPIC_FIXED && m.mode != VLAPIC_NMI) ||
	    (m.mode == VLAPIC_FIXED && m.vector < 16))
		return 0 - KVM_EINVAL;
	return first < DOMAIN_VCPUS ? vcpu_send_set(vcpu->domain, set << first, &m) : 0;
}

static void yield_to(struct vcpu *vcpu, struct vcpu *to)
{
	struct cpu *cpu = vcpu->cpu;
	bool away = !vcpu_is_here(to);
	uint64_t now = cpu_rdtsc();

	if (READ_ONCE(to->entity.state) != SCHED_QUEUED)
		return;
	if (away)
		request_post(to, REQUEST_FAVOUR);
	if (away || !sched_favour(&cpu->rq, &to->entity, now))
		sched_pass(&cpu->rq, now);
	WRITE_ONCE(cpu->resched, true);
}

bool paravirt_call(struct vcpu *vcpu)
{
	static const struct vlapic_message kick = {.mode = VLAPIC_KICK};
	uint64_t *gpr = vcpu->gpr;
	struct vcpu *to;

	switch (gpr[SAMPO_RAX]) {
	case HC_KICK_CPU:
		gpr[SAMPO_RAX] = 0;
		if (gpr[SAMPO_RCX] < DOMAIN_VCPUS)
			vcpu_send_set(vcpu->domain, 1ull << gpr[SAMPO_RCX], &kick);
		return true;
	case HC_SEND_IPI: /* its ids from 64 on do not exist */
		gpr[SAMPO_RAX] = send_ipi(vcpu, gpr[SAMPO_RBX], gpr[SAMPO_RDX], gpr[SAMPO_RSI]);
		return true;
	case HC_SCHED_YIELD:
		gpr[SAMPO_RAX] = 0;
		to = domain_vcpu(vcpu->domain, gpr[SAMPO_RBX]);
		if (to)
			yield_to(vcpu, to);
		return true;
	default:
		return false;
	}
}
