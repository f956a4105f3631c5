/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's registers in its VMCB, and events on their way into it. */
#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "arch/svm/svm.h"
#include "kernel/domain.h"
#include "kernel/vcpu.h"

#define RFLAGS_TF 0x100ull
#define RFLAGS_IF 0x200ull
#define DR6_BS 0x4000ull
#define CR0_TS 0x8ull
#define CR0_ET 0x10ull
#define PAT_RESET 0x0007040600070406ull
#define EFER_ALLOWED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

uint64_t svm_rip(const struct vcpu *vcpu)
{
	return vcpu->svm.vmcb->rip;
}

uint64_t svm_rflags(const struct vcpu *vcpu)
{
	return vcpu->svm.vmcb->rflags;
}

static void end_step(struct vcpu *vcpu)
{
	if (!vcpu->svm.stepping)
		return;
	vcpu->svm.stepping = false;
	vcpu->svm.vmcb->rflags &= ~RFLAGS_TF;
}

void svm_advance(struct vcpu *vcpu, uint64_t next_rip)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	/* Outside 64-bit code RIP has 32 bits. */
	if (!(vmcb->seg[SAMPO_CS].attrib & 0x200))
		next_rip = (uint32_t)next_rip;
	vmcb->rip = next_rip;
	vmcb->shadow = 0;
	vcpu->svm.shadow_rip = 0;
	end_step(vcpu);
}

/*
 * A CPU that does not load the interrupt shadow at VMRUN (QEMU's) would take
 * an interrupt between STI and HLT, and the guest would then sleep through
 * it. It shows by reporting the interrupt window where the shadow still is:
 * then one instruction is stepped over before anything is injected.
 */
static bool shadowed(struct vcpu *vcpu)
{
	struct svm_vcpu *s = &vcpu->svm;
	struct vmcb *vmcb = s->vmcb;

	if (vmcb->shadow & SHADOW_STI) {
		s->shadow_rip = vmcb->rip;
		return true;
	}
	if (s->stepping)
		return true;
	if (!s->shadow_rip || s->shadow_rip != vmcb->rip || (vmcb->rflags & RFLAGS_TF)) {
		s->shadow_rip = 0;
		return false;
	}
	s->stepping = true;
	vmcb->rflags |= RFLAGS_TF;
	return true;
}

bool svm_step_done(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	if (!vcpu->svm.stepping)
		return false;
	end_step(vcpu);
	vcpu->svm.shadow_rip = 0;
	vmcb->dr6 &= ~DR6_BS;
	vmcb->clean &= ~CLEAN_DR;
	return true;
}

bool svm_interruptible(struct vcpu *vcpu)
{
	if (!(vcpu->svm.vmcb->rflags & RFLAGS_IF))
		return false;
	return !shadowed(vcpu);
}

bool svm_nmi_allowed(struct vcpu *vcpu)
{
	struct svm_vcpu *s = &vcpu->svm;

	if (s->nmi_blocked && s->iret_rip && s->iret_rip != s->vmcb->rip)
		s->nmi_blocked = false;
	return !s->nmi_blocked && !(s->vmcb->shadow & SHADOW_STI);
}

void svm_inject(struct vcpu *vcpu, uint32_t event, uint32_t code)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	end_step(vcpu);
	if ((event & 0x700) == 0x200) {
		vcpu->svm.nmi_blocked = true;
		vcpu->svm.iret_rip = 0;
		svm_intercept(vmcb, INTERCEPT_IRET, true);
	}
	vmcb->event = (uint64_t)code << 32 | event;
	vcpu->svm.shadow_rip = 0;
}

/*
 * A virtual interrupt of the highest priority exits as soon as it could be
 * taken. MOV to CR8 exits meanwhile, since QEMU cannot do it while V_IRQ is
 * pending; the exit also tells when a lower TPR lets an interrupt through.
 */
void svm_set_window(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;
	bool irq = on && !vcpu->svm.stepping && !vcpu->lapic.tpr_blocks;

	if (irq)
		vmcb->vintr |= VINTR_IRQ | VINTR_PRIORITY_MAX | VINTR_IGNORE_TPR;
	else
		vmcb->vintr &= ~(VINTR_IRQ | VINTR_PRIORITY_MAX | VINTR_IGNORE_TPR);
	vmcb->clean &= ~CLEAN_TPR;
	svm_intercept(vmcb, INTERCEPT_VINTR, irq);
	svm_intercept(vmcb, INTERCEPT_CR8_WRITE, on);
}

void svm_nmi_window(struct vcpu *vcpu)
{
	struct svm_vcpu *s = &vcpu->svm;

	/* At the IRET: it is about to be executed, look again behind it. */
	s->iret_rip = s->vmcb->rip;
	svm_intercept(s->vmcb, INTERCEPT_IRET, false);
}

int64_t svm_set_efer(struct vcpu *vcpu, uint64_t efer)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;
	uint64_t changed = efer ^ vmcb->efer;

	if (efer & ~(uint64_t)EFER_ALLOWED)
		return SAMPO_EINVAL;
	/* APM 2 14.6.1: LME does not change while paging is on. */
	if ((changed & EFER_LME) && (vmcb->cr0 & 0x80000000u))
		return SAMPO_EINVAL;
	vmcb->efer = (efer & ~(uint64_t)EFER_LMA) | (vmcb->efer & EFER_LMA) | EFER_SVME;
	vmcb->clean &= ~CLEAN_CR;
	return SAMPO_OK;
}

uint64_t svm_efer(const struct vcpu *vcpu)
{
	return vcpu->svm.vmcb->efer & ~(uint64_t)EFER_SVME;
}

uint64_t svm_cr4(const struct vcpu *vcpu)
{
	return vcpu->svm.vmcb->cr4;
}

/* Without decode assists the register is not known. */
bool svm_cr_access(struct vcpu *vcpu, const struct hv_exit *x)
{
	(void)vcpu;
	(void)x;
	return false;
}

void svm_fpu_trap(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	vmcb->cr0 = on ? vmcb->cr0 | CR0_TS : vmcb->cr0 & ~CR0_TS;
	vmcb->clean &= ~CLEAN_CR;
	svm_intercept_exception(vmcb, 7, on);
}

void svm_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	vcpu->svm.vmcb->tsc_offset = offset;
	vcpu->svm.vmcb->clean &= ~CLEAN_INTERCEPTS;
}

void svm_fetch(struct vcpu *vcpu, struct sampo_exit *page)
{
	const struct vmcb *vmcb = vcpu->svm.vmcb;

	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		page->seg[i] = (struct sampo_segment){
			.selector = vmcb->seg[i].selector,
			.attrib = vmcb->seg[i].attrib,
			.limit = vmcb->seg[i].limit,
			.base = vmcb->seg[i].base,
		};
	page->cr0 = vmcb->cr0;
	page->cr2 = vmcb->cr2;
	page->cr3 = vmcb->cr3;
	page->cr4 = vmcb->cr4;
	page->efer = svm_efer(vcpu);
	page->dr6 = vmcb->dr6;
	page->dr7 = vmcb->dr7;
	page->pat = vmcb->pat;
	page->star = vmcb->star;
	page->lstar = vmcb->lstar;
	page->cstar = vmcb->cstar;
	page->sfmask = vmcb->sfmask;
	page->kernel_gs_base = vmcb->kernel_gs_base;
	page->sysenter_cs = vmcb->sysenter_cs;
	page->sysenter_esp = vmcb->sysenter_esp;
	page->sysenter_eip = vmcb->sysenter_eip;
	page->interruptibility = (vmcb->shadow & SHADOW_STI) | (vcpu->svm.nmi_blocked ? 2 : 0);
}

void svm_store(struct vcpu *vcpu, const struct sampo_exit *page)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		vmcb->seg[i] = (struct vmcb_segment){
			.selector = page->seg[i].selector,
			.attrib = page->seg[i].attrib & 0xfff,
			.limit = page->seg[i].limit,
			.base = page->seg[i].base,
		};
	/* APM 2 15.5.1: the CPL follows SS.DPL on entry. */
	vmcb->cpl = page->seg[SAMPO_SS].attrib >> 5 & 3;
	vmcb->cr0 = page->cr0 | CR0_ET;
	vmcb->cr2 = page->cr2;
	vmcb->cr3 = page->cr3;
	vmcb->cr4 = page->cr4;
	vmcb->efer = (page->efer & EFER_ALLOWED) | EFER_SVME;
	vmcb->dr6 = (page->dr6 & 0xe00full) | 0xffff0ff0ull;
	vmcb->dr7 = (page->dr7 & 0xffff2bffull) | 0x400ull;
	vmcb->pat = page->pat;
	vmcb->star = page->star;
	vmcb->lstar = page->lstar;
	vmcb->cstar = page->cstar;
	vmcb->sfmask = page->sfmask;
	vmcb->kernel_gs_base = page->kernel_gs_base;
	vmcb->sysenter_cs = page->sysenter_cs;
	vmcb->sysenter_esp = page->sysenter_esp;
	vmcb->sysenter_eip = page->sysenter_eip;
	vmcb->shadow = page->interruptibility & SHADOW_STI;
	vcpu->svm.nmi_blocked = page->interruptibility >> 1 & 1;
	vcpu->svm.asid_generation = 0; /* CR3 and modes moved under the TLB's feet */
	vmcb->clean = 0;
}

void svm_store_rip(struct vcpu *vcpu, uint64_t rip, uint64_t rflags)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	end_step(vcpu);
	vmcb->rip = rip;
	vmcb->rflags = (rflags & 0x3f7fd5ull) | 2;
	vmcb->shadow = 0;
	vcpu->svm.shadow_rip = 0;
}

void svm_reset(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;
	struct vmcb_segment data = {.attrib = 0x93, .limit = 0xffff};

	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		vmcb->seg[i] = data;
	vmcb->seg[SAMPO_CS] = (struct vmcb_segment){0xf000, 0x9b, 0xffff, 0xffff0000};
	vmcb->seg[SAMPO_LDTR].attrib = 0x82;
	vmcb->seg[SAMPO_TR].attrib = 0x8b;
	vmcb->cpl = 0;
	vmcb->efer = EFER_SVME;
	vmcb->cr0 = 0x60000010;
	vmcb->cr2 = vmcb->cr3 = vmcb->cr4 = 0;
	vmcb->dr6 = 0xffff0ff0;
	vmcb->dr7 = 0x400;
	vmcb->rflags = 2;
	vmcb->rip = 0xfff0;
	vmcb->pat = PAT_RESET;
	vmcb->star = vmcb->lstar = vmcb->cstar = vmcb->sfmask = 0;
	vmcb->kernel_gs_base = 0;
	vmcb->sysenter_cs = vmcb->sysenter_esp = vmcb->sysenter_eip = 0;
	vmcb->shadow = 0;
	vmcb->event = 0;
	vmcb->clean = 0;
	vcpu->svm.stepping = false;
	vcpu->svm.nmi_blocked = false;
	vcpu->svm.shadow_rip = 0;
	vcpu->svm.asid_generation = 0;
	svm_set_window(vcpu, false);
}
