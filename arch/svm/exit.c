/* SPDX-License-Identifier: BSD-2-Clause */
/* Entering a guest, and what an exit was. */
#include "arch/svm/svm.h"
#include "arch/trap.h"
#include "arch/up.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define MORE   1u /* see decode_more */
#define ALWAYS 2u /* intercepted from the beginning */

/*
 * By exit code, which is the number of the intercept too. Length: of the
 * instruction without prefixes, for CPUs that don't save the next RIP. A guest
 * that puts meaningless prefixes before one of them on such a CPU resumes
 * inside its own instruction. Vector: for FORBIDDEN, the exception that is the answer.
 */
static const struct {
	uint8_t kind, length, flags, vector;
} exits[VMEXIT_INTERCEPTS] = {
	[0 ... VMEXIT_INTERCEPTS - 1] = {EXIT_UNKNOWN},
	[VMEXIT_CR0_WRITE] = {EXIT_FPU}, /* see svm_trap */
	[VMEXIT_CR4_WRITE] = {EXIT_FPU},
	[VMEXIT_CR8_WRITE] = {EXIT_CR, 0, MORE},
	[VMEXIT_DR... VMEXIT_DR + 31] = {EXIT_DEBUG},
	[VMEXIT_EXCEPTION... VMEXIT_EXCEPTION + 31] = {EXIT_EXCEPTION, 0, MORE},
	/* A guest can make #DB and #AC recur for ever within one instruction
	 * (CVE-2015-5307, CVE-2015-8104): each delivery must pass by here. #MC. */
	[VMEXIT_EXCEPTION + VECTOR_DB] = {EXIT_EXCEPTION, 0, MORE | ALWAYS},
	[VMEXIT_EXCEPTION + VECTOR_AC... VMEXIT_EXCEPTION +
		VECTOR_MC] = {EXIT_EXCEPTION, 0, MORE | ALWAYS},
	[VMEXIT_INTR] = {EXIT_INTERRUPT, 0, MORE | ALWAYS},
	[VMEXIT_NMI] = {EXIT_NMI, 0, MORE | ALWAYS},
	[VMEXIT_INIT] = {EXIT_UNKNOWN, 0, ALWAYS},
	[VMEXIT_VINTR] = {EXIT_WINDOW},
	[VMEXIT_RDPMC] = {EXIT_FORBIDDEN, 0, MORE | ALWAYS, VECTOR_GP},
	[VMEXIT_CPUID] = {EXIT_CPUID, 2, ALWAYS},
	[VMEXIT_IRET] = {EXIT_WINDOW, 0, MORE}, /* see svm_nmi_window */
	[VMEXIT_INVD] = {EXIT_CACHE, 2, ALWAYS},
	[VMEXIT_PAUSE] = {EXIT_PAUSE, 2},
	[VMEXIT_HLT] = {EXIT_HLT, 1, ALWAYS},
	[VMEXIT_INVLPGA] = {EXIT_FORBIDDEN, 0, MORE | ALWAYS, VECTOR_UD},
	[VMEXIT_IOIO] = {EXIT_IO, 0, MORE | ALWAYS},
	[VMEXIT_MSR] = {EXIT_RDMSR, 2, MORE | ALWAYS},
	[VMEXIT_SHUTDOWN] = {EXIT_SHUTDOWN, 0, ALWAYS},
	[VMEXIT_VMRUN] = {EXIT_FORBIDDEN, 0, MORE | ALWAYS, VECTOR_UD},
	[VMEXIT_VMMCALL] = {EXIT_HYPERCALL, 3, ALWAYS},
	[VMEXIT_VMLOAD... VMEXIT_SKINIT] = {EXIT_FORBIDDEN, 0, MORE | ALWAYS, VECTOR_UD},
	[VMEXIT_WBINVD] = {EXIT_CACHE, 2, ALWAYS},
	[VMEXIT_MONITOR...
		VMEXIT_MWAIT_CONDITIONAL] = {EXIT_FORBIDDEN, 0, MORE | ALWAYS, VECTOR_UD},
	[VMEXIT_XSETBV] = {EXIT_XSETBV, 3, ALWAYS},
	[VMEXIT_RDPRU] = {EXIT_FORBIDDEN, 0, MORE | ALWAYS, VECTOR_UD},
	[VMEXIT_BUSLOCK] = {EXIT_BUSLOCK, 0, MORE},
};

void svm_intercept_always(struct vmcb *vmcb)
{
	for (uint32_t code = 0; code < COUNT_OF(exits); code++)
		if (exits[code].flags & ALWAYS)
			svm_intercept(vmcb, code, true);
}

/* APM 2 15.16: what an ASID marks comes from the nested table too. */
static void __attribute__((cold)) flush(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;
	unsigned what = asid_renew(vcpu);

	if (what == ASID_FLUSH_SLAT && svm_features & SVM_HAS_FLUSH_BY_ASID) {
		vmcb->tlb_control = TLB_FLUSH_ASID;
	} else if (what == ASID_FLUSH_SLAT) {
		vcpu->asid_generation = 0;
		what = asid_renew(vcpu);
	}
	if (what & ASID_FLUSH_ALL)
		vmcb->tlb_control = TLB_FLUSH_ALL;
	vmcb->asid = vcpu->asid;
	vmcb->clean &= ~CLEAN_ASID;
}

/* APM 2 15.10.2 */
static void decode_io(const struct vmcb *vmcb, struct hv_exit *x)
{
	uint64_t info = vmcb->exit_info1;

	x->port = (uint16_t)(info >> 16);
	x->size = (uint8_t)(info >> 4 & 7);
	x->write = !(info & IOIO_IN);
	x->string = info & IOIO_STRING;
	x->rep = info & IOIO_REP;
	x->next_rip = vmcb->exit_info2;
}

/* APM 2 15.25.6 */
static void decode_fault(const struct vmcb *vmcb, struct hv_exit *x)
{
	uint64_t info = vmcb->exit_info1;

	x->kind = EXIT_MEMORY;
	x->gpa = vmcb->exit_info2;
	x->insn = vmcb->insn; /* decode assists, APM 2 15.8.4 */
	x->insn_len = vmcb->insn_bytes & 15;
	x->access = info & NPF_FETCH   ? SAMPO_ACCESS_X
		    : info & NPF_WRITE ? SAMPO_ACCESS_W
				       : SAMPO_ACCESS_R;
	if (info & NPF_WALK)
		x->access |= SAMPO_ACCESS_WALK;
}

static void decode_exception(struct vcpu *vcpu, struct hv_exit *x)
{
	x->vector = (uint8_t)(x->code - VMEXIT_EXCEPTION);
	x->error = (uint32_t)vcpu->svm.vmcb->exit_info1;
	if (x->vector == VECTOR_NM)
		x->kind = EXIT_FPU;
	else if (x->vector == VECTOR_DB && svm_step_done(vcpu))
		x->kind = EXIT_WINDOW;
}

/* The guest has been left in front of an interrupt that it was to take: it is injected anew. */
static bool __attribute__((noinline)) take_back(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	if (!svm_offered(vmcb))
		return false;
	vmcb->vintr &= ~VINTR_REQUEST;
	vmcb->clean &= ~CLEAN_TPR;
	vcpu_inject(vcpu, SAMPO_INJECT_EXTINT | vmcb->vintr_vector, 0);
	return true;
}

static uint64_t next_rip(const struct vmcb *vmcb)
{
	if (svm_features & SVM_HAS_NRIPS)
		return vmcb->next_rip;
	return vmcb->rip + exits[(uint32_t)vmcb->exit_code].length;
}

/* Decodes an exit that the table marks MORE: its code alone does not tell all. */
static void decode_more(struct vcpu *vcpu, const struct vmcb *vmcb, struct hv_exit *x)
{
	/* Mostly it is one of these two. */
	if (x->kind == EXIT_IO) {
		decode_io(vmcb, x);
		return;
	}
	x->next_rip = next_rip(vmcb);
	if (x->kind == EXIT_RDMSR) {
		if (vmcb->exit_info1)
			x->kind = EXIT_WRMSR;
		return;
	}
	switch (x->kind) {
	case EXIT_INTERRUPT:
	case EXIT_NMI:
		take_back(vcpu);
		break;
	case EXIT_EXCEPTION:
		decode_exception(vcpu, x);
		break;
	case EXIT_WINDOW:
		if (x->code == VMEXIT_IRET)
			svm_nmi_window(vcpu);
		break;
	case EXIT_BUSLOCK: /* in front of the instruction, which may be executed once */
		vcpu->svm.vmcb->bus_locks = 1;
		vcpu->svm.vmcb->clean &= ~CLEAN_INTERCEPTS;
		break;
	case EXIT_FORBIDDEN:
		x->vector = exits[x->code].vector;
		break;
	default: /* CR: a write of CR8 */
		x->vector = 8;
		x->write = true;
	}
}

static void decode(struct vcpu *vcpu, const struct vmcb *vmcb, struct hv_exit *x)
{
	uint32_t code = (uint32_t)vmcb->exit_code;

	x->code = code;
	x->info = vmcb->exit_info1;
	x->rip = vmcb->rip;
	x->cpl = vmcb->cpl;
	if (code < COUNT_OF(exits)) {
		x->kind = exits[code].kind;
		if (exits[code].flags & MORE)
			decode_more(vcpu, vmcb, x);
		else
			x->next_rip = next_rip(vmcb);
		return;
	}
	if (code == VMEXIT_NPF)
		decode_fault(vmcb, x);
	else
		x->kind = code == VMEXIT_INVALID ? EXIT_INVALID : EXIT_UNKNOWN;
}

/*
 * The exit came while an event was being delivered (APM 2 15.20): deliver it
 * again. Software interrupts and exceptions come again by themselves, since
 * RIP is still at their instruction.
 */
static void __attribute__((noinline)) redeliver(struct vcpu *vcpu, uint64_t info)
{
	unsigned type = info >> 8 & 7, vector = info & 0xff;

	if (take_back(vcpu)) /* QEMU's CPU: reported as an exception, and requested still */
		return;
	if (type == 4 || (type == 3 && (vector == 3 || vector == 4)))
		return;
	vcpu_inject(vcpu, (uint32_t)info, (uint32_t)(info >> 32));
}

/*
 * RAX and RSP are in the VMCB, the other registers pass through gpr. The clean bits say that
 * nothing has changed since this exit (APM 2 15.15); each later change of the VMCB clears its bit.
 * The guest's TPR is V_TPR, which MOV to CR8 changes, mostly without an exit. An event whose
 * delivery the exit has broken off is delivered again, before the exit is decoded.
 */
void svm_run(struct vcpu *vcpu, struct hv_exit *x)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;

	if (vcpu->asid_generation != vcpu->cpu->asid_generation ||
	    vcpu->slat_seen != READ_ONCE(vcpu->domain->slat_changes))
		flush(vcpu);
	vmcb->rax = vcpu->gpr[SAMPO_RAX];
	vmcb->rsp = vcpu->gpr[SAMPO_RSP];
	svm_enter(vcpu->gpr, (uint64_t)vmcb);
	vcpu->gpr[SAMPO_RAX] = vmcb->rax;
	vcpu->gpr[SAMPO_RSP] = vmcb->rsp;
	vmcb->clean = CLEAN_ALL;
	vmcb->tlb_control = TLB_NOTHING;
	vlapic_set_cr8(&vcpu->lapic, vmcb->vintr & VINTR_TPR_MASK);
	if (vmcb->exit_int_info & EVENT_VALID)
		redeliver(vcpu, vmcb->exit_int_info);
	decode(vcpu, vmcb, x);
}
