/* SPDX-License-Identifier: BSD-2-Clause */
/* What the SVM files share. */
#pragma once

#include "kernel/types.h"
#include "arch/svm/vmcb.h"

struct cpu;
struct hv_exit;
struct sampo_exit;
struct vcpu;

/* A vCPU's part that is SVM's. */
struct svm_vcpu {
	struct vmcb *vmcb;        /* its physical address is the same */
	uint64_t asid_generation; /* of the CPU that it last ran on */
	uint64_t shadow_rip;      /* where an interrupt shadow was seen last */
	bool stepping;            /* one instruction under TF, see state.c */
	bool nmi_blocked;         /* one is being handled, until its IRET */
	uint64_t iret_rip;        /* that IRET is here and about to run */
};

/* CPUID 8000000A EDX (APM 3 E.4.9) */
#define SVM_HAS_NPT 0x01u
#define SVM_HAS_LOCK 0x04u
#define SVM_HAS_NRIPS 0x08u
#define SVM_HAS_PAUSE_FILTER 0x400u
#define SVM_HAS_PAUSE_THRESHOLD 0x1000u

extern uint32_t svm_features;
extern uint64_t svm_iopm, svm_msrpm;

/* arch/svm/entry.S */
void svm_enter(uint64_t *gpr, uint64_t vmcb_pa);
void svm_vmload(uint64_t vmcb_pa);
void svm_vmsave(uint64_t vmcb_pa);
void svm_window(void);
void svm_idle(void);

static inline void svm_intercept(struct vmcb *vmcb, enum svm_intercept bit, bool on)
{
	uint32_t mask = 1u << (bit & 31);

	if (on)
		vmcb->intercept[bit >> 5] |= mask;
	else
		vmcb->intercept[bit >> 5] &= ~mask;
	vmcb->clean &= ~CLEAN_INTERCEPTS;
}

static inline void svm_intercept_exception(struct vmcb *vmcb, unsigned vector, bool on)
{
	svm_intercept(vmcb, (enum svm_intercept)(2 << 5 | vector), on);
}

/* exit.c */
void svm_run(struct vcpu *vcpu, struct hv_exit *exit);

/* state.c */
void svm_reset(struct vcpu *vcpu);
uint64_t svm_rip(const struct vcpu *vcpu);
uint64_t svm_rflags(const struct vcpu *vcpu);
void svm_advance(struct vcpu *vcpu, uint64_t next_rip);
bool svm_interruptible(struct vcpu *vcpu);
bool svm_nmi_allowed(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu, uint32_t event, uint32_t code);
void svm_set_window(struct vcpu *vcpu, bool on);
void svm_nmi_window(struct vcpu *vcpu);
void svm_fetch(struct vcpu *vcpu, struct sampo_exit *page);
void svm_store(struct vcpu *vcpu, const struct sampo_exit *page);
void svm_store_rip(struct vcpu *vcpu, uint64_t rip, uint64_t rflags);
int64_t svm_set_efer(struct vcpu *vcpu, uint64_t efer);
uint64_t svm_efer(const struct vcpu *vcpu);
uint64_t svm_cr4(const struct vcpu *vcpu);
bool svm_cr_access(struct vcpu *vcpu, const struct hv_exit *exit);
void svm_fpu_trap(struct vcpu *vcpu, bool on);
void svm_set_tsc_offset(struct vcpu *vcpu, uint64_t offset);
/* The #DB exit of a step that svm_interruptible began: true if it was one. */
bool svm_step_done(struct vcpu *vcpu);

/* dump.c */
void svm_dump(struct vcpu *vcpu);
