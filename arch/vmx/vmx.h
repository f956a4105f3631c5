/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMX files share this. */
#pragma once

#include "arch/hv.h"

/* X(member of struct vmx_vcpu and of the exit page, MSR): MSRs that the VMCS does not switch. */
#define VMX_MSRS(X)           \
	X(star, MSR_STAR)     \
	X(lstar, MSR_LSTAR)   \
	X(cstar, MSR_CSTAR)   \
	X(sfmask, MSR_SFMASK) \
	X(kernel_gs_base, MSR_KERNEL_GS_BASE)

/* A vCPU's part that is VMX's. */
struct vmx_vcpu {
	void *vmcs; /* its physical address is the same */
	uint64_t ept_pointer;
	uint64_t rflags; /* as the VMCS has it, between exits and entries */
	uint64_t *log;   /* PML: a page of addresses, from its end on; NULL: not used */
	uint32_t proc;   /* VMCS_PROC_CONTROLS */
	bool launched;
	bool nmi_blocked; /* one is being handled, until its IRET */
	bool blind;       /* it is entered with IF=0, see vmx_arm_preemption */
			  /* While not loaded: */
#define VMX_MEMBER(name, msr) uint64_t name;
	VMX_MSRS(VMX_MEMBER)
#undef VMX_MEMBER
	uint64_t cr2, dr6;
};

#define VMX_OP(type, name, arguments) type vmx_##name arguments;
HV_OPS(VMX_OP)
#undef VMX_OP

/* arch/vmx/entry.S: 0, or 1 if there was no entry and so no exit. */
uint64_t vmx_enter(uint64_t *gpr, bool launched);
void vmx_exit(void);
void vmx_take_nmi(void);

/* vmx.c: make its VMCS the one that vmcs_read and vmcs_write reach. */
void vmx_use(const struct vcpu *vcpu);
void vmx_arm_preemption(struct vcpu *vcpu, bool blind);
/* The PML log to the domain. */
void vmx_drain_log(struct vcpu *vcpu);

/* state.c */
void vmx_set_proc(struct vcpu *vcpu, uint32_t controls, bool on);

/* cr.c */
#define VMX_CR0_NE   0x20ull
#define VMX_CR0_HOST (VMX_CR0_NE | 0x60000000ull) /* and CD, NW: writes exit */
/* The bits that a guest may set. CPUID hides five-level paging and protection keys: LA57, PKE. */
#define VMX_CR4_GUEST 0x370fffull
#define VMX_CR4_MCE   0x40ull
uint64_t vmx_cr0(void);
uint64_t vmx_cr4(void);
void vmx_set_cr0(uint64_t value);
void vmx_set_cr4(uint64_t value);
void vmx_set_lma(bool on);
void vmx_load_pdptes(struct vcpu *vcpu);
