/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "arch/svm/svm.h"
#include "arch/vmx/vmx.h"
#include "kernel/abi.h"
#include "kernel/base/timer.h"
#include "kernel/base/types.h"
#include "kernel/object/domain.h"
#include "kernel/object/object.h"
#include "kernel/sched/sched.h"
#include "kernel/vcpu/request.h"
#include "kernel/vcpu/vlapic.h"

struct event;
struct region;

enum vcpu_state {
	VCPU_READY,    /* wants to run, or runs */
	VCPU_HALTED,   /* until an interrupt, or in wait() until an event */
	VCPU_MONITOR,  /* its exit page is with the monitor */
	VCPU_RETURNED, /* given back; its home has yet to notice */
	VCPU_DEAD,
};

/* vcpu.pending: what to look at before the next entry. */
#define VCPU_PEND_NMI    0x1u
#define VCPU_PEND_EXTINT 0x2u   /* the PIC's INTR line is up */
#define VCPU_PEND_EVENT  0x4u   /* `event` must be injected first */
#define VCPU_PEND_STEAL  0x8u   /* its steal time is to be written */
#define VCPU_PEND_EOI    0x10u  /* it may have ended its interrupt in memory */
#define VCPU_PEND_CACHE  0x20u  /* the L1 cache has data of another domain */
#define VCPU_PEND_DEBUG  0x40u  /* it has breakpoints, and DR0-3 are not in the CPU */
#define VCPU_PEND_TIMER  0x80u  /* its timer has fired and is to be set again */
#define VCPU_PEND_INTACK 0x100u /* the PIC is to be asked once, whatever its line says */
#define VCPU_PEND_REAP   0x200u /* its call has left objects to be taken apart */
#define VCPU_PEND_WINDOW 0x400u /* the vendor reports when interrupts are accepted */
#define VCPU_PEND_HELD   0x800u /* its requests waited: request_take */
#define VCPU_PEND_EVENTS \
	(VCPU_PEND_NMI | VCPU_PEND_EXTINT | VCPU_PEND_EVENT | VCPU_PEND_INTACK | VCPU_PEND_WINDOW)

/* Its home CPU alone touches it, but for the parts that say otherwise. */
struct vcpu {
	/* First, for the vendors' entry.S: the registers, by enum sampo_gpr. */
	uint64_t gpr[16];
	/* For them, too (arch/guard.h): SPEC_CTRL in the guest. Its own, or what suits ring 0 until
	 * the guest writes it. */
	uint32_t spec_ctrl;
	bool spec_own;

	struct object object;
	struct domain *domain; /* holds a reference */
	struct cpu *cpu;       /* its home; others read it, atomically */
	uint32_t id;           /* index in the domain and local APIC id */
	enum vcpu_state state; /* also changed by the monitor, from MONITOR to RETURNED */

	/*
	 * The requests of other CPUs, atomic. A vector is set in `posted`, then REQUEST_WAKE in
	 * `requests`; the home clears requests, then takes the vectors. Each of these instructions
	 * is locked, so that a vector which the home has not seen comes with a request that it
	 * has yet to see.
	 */
	uint32_t requests;        /* REQUEST_* */
	struct vcpu *inbox_next;  /* in the inbox of a CPU: REQUEST_INBOX */
	uint64_t posted[4];       /* vectors for the IRR */
	uint64_t posted_level[4]; /* which of them are level-triggered */
	bool extint;              /* the PIC's INTR line is up */

	struct sched_entity entity;
	uint64_t rang;     /* when it last rang a doorbell */
	uint32_t halvings; /* of the time that the doorbell's domain leaves it then: ring in exit.c
			    */
	struct timer held; /* while it sleeps and its requests wait, see request.c */

	uint32_t pending; /* VCPU_PEND_* */
	uint32_t event;   /* as sampo_exit.inject */
	uint32_t event_code;
	bool deaf;     /* it halted with interrupts off */
	bool kicked;   /* KVM_HC_KICK_CPU: ends its HLT, or the next one */
	bool lazy_fpu; /* rarely uses it: loaded on first use only */
	bool fpu_trap; /* the first use will exit */

	struct sampo_vcpu_page *page; /* shared with the monitor */
	struct sampo_exit *exit;      /* its first part */
	struct region *exit_region;
	struct region *making; /* that a call of its own makes, in steps; or NULL */
	struct event *exit_event;

	struct vlapic lapic;
	bool timed;         /* while it moves: the timer was set */
	struct timer timer; /* local APIC timer; or the deadline of wait() */

	void *fpu_state; /* XSAVE area, in the page of lapic.reg */
	uint64_t xcr0;
	uint32_t pkru;
	uint64_t dr[4];           /* DR0-3, while no CPU holds them */
	uint64_t slat_seen;       /* domain.slat_changes at the last flush */
	uint64_t asid_generation; /* of the CPU that gave `asid`; 0: it wants another */
	uint32_t asid;
	uint64_t tsc_offset; /* guest TSC = host TSC scaled + tsc_offset */
	union {
		struct svm_vcpu svm;
		struct vmx_vcpu vmx;
	};

	uint64_t cpuid_key; /* what the guest asked last, and which entry answered */
	uint32_t cpuid;
	uint64_t kvm_steal, kvm_eoi, tsc_aux; /* MSRs */
	struct domain_word steal_word, eoi_word;
	uint64_t steal_next; /* entity.waited that is worth telling */
};

/*
 * Is the vCPU this CPU's to touch? On its way here it is not: REQUEST_ARRIVE is set before `cpu`
 * says that this is its home, and cleared here, when the vCPU arrives. If this is false, the vCPU
 * may only be posted to.
 */
static inline bool vcpu_is_here(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->cpu, __ATOMIC_ACQUIRE) == this_cpu() &&
	       !(READ_ONCE(vcpu->requests) & REQUEST_ARRIVE);
}

/* EINVAL, EEXIST (id taken), ENOMEM. The vCPU starts in VCPU_MONITOR with
 * SAMPO_EXIT_RESET in its exit page. `event` may be NULL. */
int64_t vcpu_new(struct domain *domain, uint64_t id, struct event *event, struct vcpu **vcpu);

/*
 * For request_call: stop for ever, frees nothing; registers and local APIC as after
 * power on (after INIT, if that is not NULL), for its monitor, which has it; look
 * again whether it may run, with which weight and cap, and account until now.
 */
void vcpu_kill(struct vcpu *vcpu, void *unused);
void vcpu_reset(struct vcpu *vcpu, void *init);
void vcpu_review(struct vcpu *vcpu, void *unused);

/*
 * Calls `function`, with NULL, for each vCPU of the domain at its home, all homes at the same time.
 * With vcpu_review: the domain's state, weight or cap has been set, or its time is to be accounted
 * for.
 */
static inline void vcpu_each(const struct domain *domain,
			     void (*function)(struct vcpu *vcpu, void *arg))
{
	request_call_each(domain->vcpu, DOMAIN_VCPUS, function, NULL);
}

/* Make it runnable if it is halted: something has arrived for it. */
void vcpu_wake(struct vcpu *vcpu);

/* Halt: sleeps until vcpu_wake. Only for the current vCPU. */
void vcpu_halt(struct vcpu *vcpu);

/* Requests (REQUEST_*) for a vCPU of this CPU. */
void vcpu_serve(struct vcpu *vcpu, uint32_t requests);

/* In or out of its run queue as its state and its domain's demand. */
void vcpu_requeue(struct vcpu *vcpu);
/* The same, but it stays on this CPU: it has just come. */
void vcpu_enqueue(struct vcpu *vcpu);

/* Hand the vCPU to its monitor with what exit->reason etc. already say. A
 * vCPU without a monitor (dom0's) cannot go on: the domain dies. */
void vcpu_to_monitor(struct vcpu *vcpu, uint32_t reason);

/* From any CPU: the monitor gives it back. SAMPO_EBUSY if it is not with the
 * monitor, SAMPO_EDEAD. */
int64_t vcpu_resume(struct vcpu *vcpu);

/* The first half of it: it is the kernel's again, VCPU_RETURNED. */
int64_t vcpu_take_back(struct vcpu *vcpu);

/* From the current vCPU, which has just ceased to be ready, straight to one here
 * that sleeps and that it waits for, or that waits for it: without a choice by
 * the scheduler. Returns false and changes nothing if the turn is neither's. */
bool vcpu_handoff(struct vcpu *from, struct vcpu *to);

/* The second half, on its home: takes over the state in the exit page; and then the vCPU goes on.
 */
void vcpu_take_in(struct vcpu *vcpu);
void vcpu_go_on(struct vcpu *vcpu);

void vcpu_collect(struct vcpu *vcpu, void *unused); /* for request_call */

/* Fill in the system part of the exit page. */
void vcpu_fill_system(struct vcpu *vcpu);

/* Before each entry: injects the pending event. False: the vCPU does not run. */
bool vcpu_deliver(struct vcpu *vcpu);
static inline bool vcpu_must_deliver(const struct vcpu *vcpu)
{
	return vcpu->pending | vcpu->lapic.pending;
}

/* Vectors that other CPUs have posted go into the IRR. */
void vcpu_accept_posted(struct vcpu *vcpu);

/* Is there anything that ends a HLT? */
bool vcpu_has_wakeup(struct vcpu *vcpu);

/* The local APIC's deadline or the timer's mask has changed; or the host's timer has rested. All
 * expiries until now are one interrupt. */
void vcpu_set_timer(struct vcpu *vcpu);

/* Does what an access to the local APIC asked for (VLAPIC_DO_*). An effect that the monitor must
 * hear of is in the exit page then; its reason (SAMPO_EXIT_*) is returned. */
uint32_t vcpu_lapic_effect(struct vcpu *vcpu, int flags, const struct vlapic_effect *effect);

static inline uint64_t vcpu_tsc(const struct vcpu *vcpu, uint64_t host)
{
	return domain_tsc(vcpu->domain, host) + vcpu->tsc_offset;
}

/* message.c: deliver an interrupt message among the vCPUs of a domain; `from` sent
 * it through its ICR, or is NULL. */
void vcpu_send(struct domain *domain, struct vcpu *from, const struct vlapic_message *message);
/* To those of the set (by APIC id) that exist, whatever its destination says;
 * returns how many. */
unsigned vcpu_send_set(struct domain *domain, uint64_t set, const struct vlapic_message *message);

/* Events for vcpu_inject. */
#define VCPU_DB (SAMPO_INJECT_EXCEPTION | 1u)
#define VCPU_UD (SAMPO_INJECT_EXCEPTION | 6u)
#define VCPU_GP (SAMPO_INJECT_EXCEPTION | SAMPO_INJECT_ERROR_CODE | 13u)
