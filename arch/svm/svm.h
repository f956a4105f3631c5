/* SPDX-License-Identifier: BSD-2-Clause */
/* The SVM files share this. */
#pragma once

#include "arch/hv.h"
#include "arch/svm/vmcb.h"

/* A vCPU's part that is SVM's. */
struct svm_vcpu {
	struct vmcb *vmcb;   /* its physical address is the same */
	uint64_t shadow_rip; /* where an interrupt shadow was seen last */
	bool stepping;       /* TF is the kernel's, see state.c */
	bool nmi_blocked;    /* one is being handled, until its IRET */
	uint64_t iret_rip;   /* that IRET is here and about to run */
};

/* CPUID 8000000A EDX (APM 3 E.4.9) */
#define SVM_HAS_NPT             0x01u
#define SVM_HAS_LBRV            0x02u
#define SVM_HAS_LOCK            0x04u
#define SVM_HAS_NRIPS           0x08u
#define SVM_HAS_TSC_RATIO       0x10u
#define SVM_HAS_FLUSH_BY_ASID   0x40u
#define SVM_HAS_PAUSE_FILTER    0x400u
#define SVM_HAS_PAUSE_THRESHOLD 0x1000u
#define SVM_HAS_BUS_LOCK        0x20000000u /* bus lock threshold */

extern uint32_t svm_features;
/* QEMU's own CPU delivers what EVENTINJ injects once more, whatever IF says, if the next exit does
 * not come soon: there an external interrupt is a virtual interrupt. Bochs's CPU delivers no
 * virtual interrupt to a guest that it enters with IF on, and hardware knows EVENTINJ from every
 * hypervisor. */
extern bool svm_offers_interrupts;

#define SVM_OP(type, name, arguments) type svm_##name arguments;
HV_OPS(SVM_OP)
#undef SVM_OP

/* arch/svm/entry.S */
void svm_enter(uint64_t *gpr, uint64_t vmcb_pa);
void svm_vmload(uint64_t vmcb_pa);
void svm_vmsave(uint64_t vmcb_pa);

/* By exit code. */
static inline void svm_intercept(struct vmcb *vmcb, uint32_t code, bool on)
{
	uint32_t mask = 1u << (code & 31);

	if (on)
		vmcb->intercept[code >> 5] |= mask;
	else
		vmcb->intercept[code >> 5] &= ~mask;
	vmcb->clean &= ~CLEAN_INTERCEPTS;
}

/*
 * A virtual interrupt (APM 2 15.21.4) has two uses. With its exit on it is the interrupt window,
 * without it is an external interrupt, which the guest takes in front of its next instruction.
 */
static inline bool svm_offered(const struct vmcb *vmcb)
{
	return vmcb->vintr & VINTR_IRQ &&
	       !(vmcb->intercept[VMEXIT_VINTR >> 5] >> (VMEXIT_VINTR & 31) & 1);
}

/* exit.c */
void svm_intercept_always(struct vmcb *vmcb);

/* state.c */
void svm_nmi_window(struct vcpu *vcpu);
/* The #DB exit of a step that state.c began: true if it was one. */
bool svm_step_done(struct vcpu *vcpu);
