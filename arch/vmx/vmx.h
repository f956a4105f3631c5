/* SPDX-License-Identifier: BSD-2-Clause */
/* What the VMX files share. */
#pragma once

#include "kernel/types.h"

struct hv_exit;
struct sampo_exit;
struct vcpu;

/* STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE: what the VMCS does not switch. */
#define VMX_MSRS 5

/* A vCPU's part that is VMX's. */
struct vmx_vcpu {
	void *vmcs;               /* its physical address is the same */
	uint8_t *apic_page;       /* holds the TPR for MOV from CR8 */
	uint64_t asid_generation; /* of the CPU that it last ran on */
	uint64_t ept_pointer;
	uint32_t proc; /* VMCS_PROC_CONTROLS */
	bool launched;
	bool nmi_blocked;       /* one is being handled, until its IRET */
	uint64_t msr[VMX_MSRS]; /* these, CR2 and DR6: while not loaded */
	uint64_t cr2, dr6;
};

/* arch/vmx/entry.S: 0, or 1 if there was no entry and so no exit. */
uint64_t vmx_enter(uint64_t *gpr, bool launched);
void vmx_exit(void);
void vmx_window(void);
void vmx_idle(void);
void vmx_take_nmi(void);

/* vmx.c: make its VMCS the one that vmcs_read and vmcs_write reach. */
void vmx_use(const struct vcpu *vcpu);
void vmx_arm_preemption(void);

/* exit.c */
void vmx_run(struct vcpu *vcpu, struct hv_exit *exit);

/* state.c */
void vmx_load(struct vcpu *vcpu);
void vmx_save(struct vcpu *vcpu);
void vmx_reset(struct vcpu *vcpu);
uint64_t vmx_rip(const struct vcpu *vcpu);
uint64_t vmx_rflags(const struct vcpu *vcpu);
void vmx_advance(struct vcpu *vcpu, uint64_t next_rip);
bool vmx_interruptible(struct vcpu *vcpu);
bool vmx_nmi_allowed(struct vcpu *vcpu);
void vmx_inject(struct vcpu *vcpu, uint32_t event, uint32_t code);
void vmx_set_window(struct vcpu *vcpu, bool on);
void vmx_set_proc(struct vcpu *vcpu, uint32_t controls, bool on);
void vmx_fetch(struct vcpu *vcpu, struct sampo_exit *page);
void vmx_store(struct vcpu *vcpu, const struct sampo_exit *page);
void vmx_store_rip(struct vcpu *vcpu, uint64_t rip, uint64_t rflags);
int64_t vmx_set_efer(struct vcpu *vcpu, uint64_t efer);
uint64_t vmx_efer(const struct vcpu *vcpu);
uint64_t vmx_cr4(const struct vcpu *vcpu);
void vmx_fpu_trap(struct vcpu *vcpu, bool on);
void vmx_set_tsc_offset(struct vcpu *vcpu, uint64_t offset);

/* cr.c */
#define VMX_CR0_NE    0x20ull
#define VMX_CR0_HOST  (VMX_CR0_NE | 0x60000000ull) /* and CD, NW: writes exit */
#define VMX_CR4_GUEST 0x371fffull                  /* what a guest may set */
uint64_t vmx_cr0(void);
void vmx_set_cr0(uint64_t value);
void vmx_set_cr4(uint64_t value);
void vmx_set_lma(bool on);
void vmx_load_pdptes(struct vcpu *vcpu);
bool vmx_cr_access(struct vcpu *vcpu, const struct hv_exit *exit);

/* dump.c */
void vmx_dump(struct vcpu *vcpu);
