/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's registers in its VMCB, and events on their way into it. */
#include "arch/barrier.h"
#include "arch/msr.h"
#include "arch/svm/svm.h"
#include "arch/trap.h"
#include "arch/up.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define TYPE     0x700u /* of an event: 0 is an external interrupt */
#define TYPE_NMI 0x200u

void svm_fetch_few(struct vcpu *vcpu, struct sampo_exit *page)
{
	page->rip = vcpu->svm.vmcb->rip;
	page->rflags = vcpu->svm.vmcb->rflags;
	page->cr4 = vcpu->svm.vmcb->cr4;
}

/*
 * One instruction is executed under TF, and its trap exits, unseen by the guest: nothing else tells
 * that an interrupt shadow is over, or an IRET. If the guest has TF set itself, its own debug
 * exception exits. An exception of that instruction takes TF along to the guest's stack, and the
 * step is to be continued when TF comes back from there.
 */
static void begin_step(struct svm_vcpu *s)
{
	s->stepping = s->stepping || !(s->vmcb->rflags & RFLAGS_TF);
	s->vmcb->rflags |= RFLAGS_TF;
}

static bool stepping(const struct svm_vcpu *s)
{
	return s->stepping && s->vmcb->rflags & RFLAGS_TF;
}

static void end_step(struct vcpu *vcpu)
{
	vcpu->svm.shadow_rip = 0;
	if (!stepping(&vcpu->svm))
		return;
	vcpu->svm.stepping = false;
	vcpu->svm.vmcb->rflags &= ~RFLAGS_TF;
}

/* TF is set: by the kernel for one instruction, which is over, or by the guest. */
static void __attribute__((noinline)) traced(struct vcpu *vcpu)
{
	if (vcpu->svm.stepping)
		end_step(vcpu);
	else
		hv_single_step(vcpu);
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
	if (vmcb->rflags & RFLAGS_TF)
		traced(vcpu);
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
	if (stepping(s))
		return true;
	if (!s->shadow_rip || s->shadow_rip != vmcb->rip || (vmcb->rflags & RFLAGS_TF)) {
		s->shadow_rip = 0;
		return false;
	}
	begin_step(s);
	return true;
}

bool svm_step_done(struct vcpu *vcpu)
{
	struct svm_vcpu *s = &vcpu->svm;
	struct vmcb *vmcb = s->vmcb;

	if (!s->stepping)
		return false;
	if (s->nmi_blocked && s->iret_rip) /* TF is what the IRET has found on the stack */
		s->stepping = s->nmi_blocked = false;
	end_step(vcpu);
	vmcb->dr6 &= ~DR6_BS;
	vmcb->clean &= ~CLEAN_DR;
	return true;
}

bool svm_interruptible(struct vcpu *vcpu)
{
	return (vcpu->svm.vmcb->rflags & RFLAGS_IF) && !shadowed(vcpu);
}

bool svm_nmi_allowed(struct vcpu *vcpu)
{
	struct svm_vcpu *s = &vcpu->svm;

	if (s->nmi_blocked && s->iret_rip && s->iret_rip != s->vmcb->rip)
		s->nmi_blocked = false;
	if (s->nmi_blocked ? !s->iret_rip : !(s->vmcb->shadow & SHADOW_STI))
		return !s->nmi_blocked;
	begin_step(s);
	return false;
}

void svm_inject(struct vcpu *vcpu, uint32_t event, uint32_t code)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	end_step(vcpu);
	/* But physical interrupts go first (see take_back), and inject_one raises one for an NMI
	 * that is next. */
	if (svm_offers_interrupts && !(event & TYPE) && vmcb->rflags & RFLAGS_IF &&
	    !(vcpu->pending & VCPU_PEND_NMI)) {
		vmcb->vintr |= VINTR_REQUEST;
		vmcb->vintr_vector = (uint8_t)event;
		vmcb->clean &= ~CLEAN_TPR;
		svm_intercept(vmcb, VMEXIT_VINTR, false);
		return;
	}
	if ((event & TYPE) == TYPE_NMI) {
		vcpu->svm.nmi_blocked = true;
		vcpu->svm.iret_rip = 0;
		svm_intercept(vmcb, VMEXIT_IRET, true);
	}
	vmcb->event = (uint64_t)code << 32 | event;
}

/*
 * A virtual interrupt of the highest priority exits as soon as it could be
 * taken. MOV to CR8 exits meanwhile, since QEMU cannot do it while V_IRQ is
 * pending; the exit also tells when a lower TPR lets an interrupt through.
 */
void svm_window(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;
	bool irq = on && !stepping(&vcpu->svm) && vcpu_wants_window(vcpu);

	svm_intercept(vmcb, VMEXIT_CR8_WRITE, on);
	if (svm_offered(vmcb)) {
		if (!irq)
			return;
		/* Two of them: the window is for the other one. */
		vmcb->event = EVENT_VALID | vmcb->vintr_vector;
	}
	if (irq)
		vmcb->vintr |= VINTR_REQUEST;
	else
		vmcb->vintr &= ~VINTR_REQUEST;
	vmcb->clean &= ~CLEAN_TPR;
	svm_intercept(vmcb, VMEXIT_VINTR, irq);
}

void svm_nmi_window(struct vcpu *vcpu)
{
	struct svm_vcpu *s = &vcpu->svm;

	/* At the IRET: it is about to be executed, look again behind it. */
	s->iret_rip = s->vmcb->rip;
	svm_intercept(s->vmcb, VMEXIT_IRET, false);
}

/* Without decode assists the register is not known. */
bool svm_cr_access(struct vcpu *, const struct hv_exit *)
{
	return false;
}

void svm_trap(struct vcpu *vcpu, enum hv_trap what, bool on)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	if (what == HV_TRAP_DEBUG) {
		vmcb->intercept[VMEXIT_DR >> 5] = on ? UINT32_MAX : 0;
		vmcb->clean &= ~CLEAN_INTERCEPTS;
		return;
	}
	vmcb->cr0 = on ? vmcb->cr0 | CR0_TS : vmcb->cr0 & ~CR0_TS;
	vmcb->clean &= ~CLEAN_CR;
	svm_intercept(vmcb, VMEXIT_EXCEPTION + VECTOR_NM, on);
	svm_intercept(vmcb, VMEXIT_CR0_WRITE, on); /* and CLTS: it could clear TS itself */
	svm_intercept(vmcb, VMEXIT_CR4_WRITE, on); /* PKE would let it reach PKRU */
}

/* Of the local APIC the CPU has the upper half of the TPR alone. */
void svm_lapic(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	vmcb->msrpm_base = (uint64_t)hv_msr_bitmap + (vcpu->spec_own ? HV_MSR_BITMAP : 0);

	vmcb->vintr = (vmcb->vintr & ~VINTR_TPR_MASK) | vlapic_cr8(&vcpu->lapic);
	vmcb->clean &= ~(CLEAN_PERMISSIONS | CLEAN_TPR);
}

/* Members that the VMCB and the exit page have under the same name. */
#define REGISTERS(X)      \
	X(cr0)            \
	X(cr2)            \
	X(cr3)            \
	X(efer)           \
	X(dr6)            \
	X(dr7)            \
	X(debugctl)       \
	X(pat)            \
	X(star)           \
	X(lstar)          \
	X(cstar)          \
	X(sfmask)         \
	X(kernel_gs_base) \
	X(sysenter_cs)    \
	X(sysenter_esp)   \
	X(sysenter_eip)

void svm_fetch(struct vcpu *vcpu, struct sampo_exit *page)
{
	const struct vmcb *vmcb = vcpu->svm.vmcb;

#define FETCH(name) page->name = vmcb->name;
	REGISTERS(FETCH)
#undef FETCH
	svm_fetch_few(vcpu, page);
	if (stepping(&vcpu->svm)) /* TF is not the guest's */
		page->rflags &= ~RFLAGS_TF;
	page->efer &= guest_efer;
	__builtin_memcpy(page->seg, vmcb->seg, sizeof(page->seg));
	page->interruptibility = (vmcb->shadow & SHADOW_STI) | (vcpu->svm.nmi_blocked ? 2 : 0);
}

void svm_store(struct vcpu *vcpu, const struct sampo_exit *page)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

#define STORE(name) vmcb->name = page->name;
	REGISTERS(STORE)
#undef STORE
	vmcb->cr0 |= CR0_ET;
	vmcb->cr4 = page->cr4;
	vmcb->efer |= EFER_SVME;
	/* APM 2 15.23: only then does VMRUN load DBGCTL. */
	vmcb->lbr_enable = svm_features & SVM_HAS_LBRV && page->debugctl;
	__builtin_memcpy(vmcb->seg, page->seg, sizeof(vmcb->seg));
	/* APM 2 15.5.1: the CPL follows SS.DPL on entry. */
	vmcb->cpl = page->seg[SAMPO_SS].attrib >> 5 & 3;
	vmcb->shadow = page->interruptibility & SHADOW_STI;
	vcpu->svm.nmi_blocked = page->interruptibility >> 1 & 1;
	vcpu->asid_generation = 0; /* CR3 and modes moved under the TLB's feet */
	vmcb->clean = 0;
}

void svm_store_rip(struct vcpu *vcpu, uint64_t rip, uint64_t rflags)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	end_step(vcpu);
	vmcb->rip = rip;
	vmcb->rflags = (rflags & 0x3f7fd5ull) | 2;
	vmcb->shadow = 0;
}

void svm_vcpu_reset(struct vcpu *vcpu)
{
	vcpu->svm.vmcb->event = 0;
	vcpu->svm.vmcb->vintr &= ~VINTR_REQUEST;
	svm_window(vcpu, false);
}
