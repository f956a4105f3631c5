/* SPDX-License-Identifier: BSD-2-Clause */
/* Entering a guest, and what an exit was. */
#include "arch/msr.h"
#include "arch/trap.h"
#include "arch/tss.h"
#include "arch/up.h"
#include "arch/vmx/vmcs.h"
#include "arch/vmx/vmx.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define INVEPT_CONTEXT 1ul
#define INVVPID_ALL    2ul

#define EVENT_TYPE(event) ((event) >> 8 & 7)
#define TYPE_NMI          2u
#define TYPE_SOFTWARE     4u /* and above: an instruction did it */
#define TYPE_ICEBP        5u

#define DR7_GD 0x2000ull

/*
 * By basic exit reason (SDM 3D appendix C). `answer`: the exception that a
 * FORBIDDEN instruction gets; that an EXCEPTION was, if its exit does not tell.
 */
static const struct {
	uint8_t kind, answer;
	bool more; /* see decode_more */
} exits[REASON_COUNT] = {
	[0 ... REASON_COUNT - 1] = {EXIT_UNKNOWN},
	[REASON_EXCEPTION_NMI] = {EXIT_EXCEPTION, 0, true},
	[REASON_EXTERNAL_INTERRUPT] = {EXIT_INTERRUPT},
	[REASON_TRIPLE_FAULT] = {EXIT_SHUTDOWN},
	[REASON_INTERRUPT_WINDOW] = {EXIT_WINDOW},
	[REASON_NMI_WINDOW] = {EXIT_WINDOW, 0, true},
	[REASON_TASK_SWITCH] = {EXIT_TASK, 0, true},
	[REASON_CPUID] = {EXIT_CPUID},
	[REASON_GETSEC] = {EXIT_FORBIDDEN, VECTOR_UD, true},
	[REASON_HLT] = {EXIT_HLT, 0, true},
	[REASON_INVD] = {EXIT_CACHE},
	[REASON_RDPMC] = {EXIT_FORBIDDEN, VECTOR_GP, true},
	[REASON_VMCALL] = {EXIT_HYPERCALL, 0, true},
	[REASON_VMCLEAR... REASON_VMXON] = {EXIT_FORBIDDEN, VECTOR_UD, true},
	[REASON_CR_ACCESS] = {EXIT_CR, 0, true},
	[REASON_MOV_DR] = {EXIT_DEBUG},
	[REASON_IO] = {EXIT_IO, 0, true},
	[REASON_RDMSR] = {EXIT_RDMSR},
	[REASON_WRMSR] = {EXIT_WRMSR},
	[REASON_GUEST_STATE... REASON_MSR_LOADING] = {EXIT_INVALID},
	[REASON_MWAIT] = {EXIT_FORBIDDEN, VECTOR_UD, true},
	[REASON_MONITOR] = {EXIT_FORBIDDEN, VECTOR_UD, true},
	[REASON_PAUSE] = {EXIT_PAUSE},
	[REASON_MACHINE_CHECK] = {EXIT_EXCEPTION, VECTOR_MC, true},
	[REASON_VIRTUALIZED_EOI] = {EXIT_EOI},
	[REASON_EPT_VIOLATION] = {EXIT_MEMORY, 0, true},
	[REASON_INVEPT] = {EXIT_FORBIDDEN, VECTOR_UD, true},
	[REASON_PREEMPTION_TIMER] = {EXIT_INTERRUPT, 0, true}, /* an interrupt may be pending */
	[REASON_INVVPID] = {EXIT_FORBIDDEN, VECTOR_UD, true},
	[REASON_WBINVD] = {EXIT_CACHE},
	[REASON_XSETBV] = {EXIT_XSETBV, 0, true},
	[REASON_APIC_WRITE] = {EXIT_WRMSR, 0, true}, /* done, but what it does is ours to do */
	[REASON_PML_FULL] = {EXIT_WINDOW, 0, true},
	[REASON_BUS_LOCK] = {EXIT_BUSLOCK}, /* behind the instruction */
};

static void invalidate(uint64_t type, uint64_t what, bool ept)
{
	struct {
		uint64_t what, reserved;
	} descriptor = {what, 0};

	if (ept)
		__asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
	else
		__asm__ volatile("invvpid %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}

/*
 * SDM 3C 29.4.3: a VPID marks translations of linear addresses; those that the EPT alone or
 * together with linear addresses has given belong to the EPT.
 */
static void __attribute__((noinline)) flush(struct vcpu *vcpu)
{
	unsigned what = asid_renew(vcpu);

	if (what & ASID_FLUSH_ALL)
		invalidate(INVVPID_ALL, 0, false);
	if (what & ASID_NEW) {
		vmcs_write(VMCS_VPID, vcpu->asid);
		/* The first entry on a CPU passes here: what exits load is that CPU's. */
		vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&vcpu->cpu->tables->tss);
		vmcs_write(VMCS_HOST_GDTR, (uint64_t)vcpu->cpu->tables->gdt);
	}
	if (what & ASID_FLUSH_SLAT)
		invalidate(INVEPT_CONTEXT, vcpu->vmx.ept_pointer, true);
}

/* SDM 3C table 28-5 */
static void decode_io(struct hv_exit *x)
{
	x->port = (uint16_t)(x->info >> 16);
	x->size = (uint8_t)((x->info & 7) + 1);
	x->write = !(x->info & IO_IN);
	x->string = x->info & IO_STRING;
	x->rep = x->info & IO_REP;
}

/* An IRET that faults has ended the blocking of NMIs too soon (SDM 3C 28.2.3). */
static void iret_faulted(struct vcpu *vcpu)
{
	if (vmcs_read(VMCS_VECTORING_EVENT) & EVENT_VALID)
		return;
	vmcs_write(VMCS_INTERRUPTIBILITY, vmcs_read(VMCS_INTERRUPTIBILITY) | BLOCKING_NMI);
	vcpu->vmx.nmi_blocked = true;
}

/* SDM 3C table 28-7 */
static void decode_fault(struct vcpu *vcpu, struct hv_exit *x)
{
	x->gpa = vmcs_read(VMCS_GUEST_PHYSICAL);
	x->access = x->info & EPT_FETCH   ? SAMPO_ACCESS_X
		    : x->info & EPT_WRITE ? SAMPO_ACCESS_W
					  : SAMPO_ACCESS_R;
	if ((x->info & (EPT_LINEAR | EPT_FINAL)) == EPT_LINEAR)
		x->access |= SAMPO_ACCESS_WALK;
	if (x->info & IRET_FAULTED)
		iret_faulted(vcpu);
}

/* The exit came before the delivery, whose changes of DR6, DR7 and DEBUGCTL are made here (SDM
 * 3C 28.1). */
static void debug_exception(struct hv_exit *x, uint64_t event)
{
	uint64_t dr6;

	__asm__ volatile("mov %%db6, %0" : "=r"(dr6));
	dr6 = (dr6 & ~DR6_HITS) | (x->info & DR6_GUEST) | DR6_FIXED;
	__asm__ volatile("mov %0, %%db6" : : "r"(dr6));
	vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~DR7_GD);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0); /* SDM 3B 18.4.4: a debug exception clears BTF */
	if (EVENT_TYPE(event) == TYPE_ICEBP)
		vmcs_write(VMCS_GUEST_RIP, x->next_rip);
}

static void decode_exception(struct vcpu *vcpu, struct hv_exit *x)
{
	uint64_t event;

	x->vector = exits[(uint16_t)x->code].answer;
	if (x->vector)
		return;
	event = vmcs_read(VMCS_EXIT_EVENT);
	x->vector = (uint8_t)event;
	x->error = (uint32_t)vmcs_read(VMCS_EXIT_ERROR);
	if (EVENT_TYPE(event) == TYPE_NMI) {
		x->kind = EXIT_NMI;
		vmx_take_nmi();
		return;
	}
	if (x->vector == VECTOR_NM)
		x->kind = EXIT_FPU;
	else if (x->vector == VECTOR_DB)
		debug_exception(x, event);
	if (event & IRET_FAULTED)
		iret_faulted(vcpu);
}

/* SDM 3C 28.2.4: the switch is an event's delivery, so that nothing is left to deliver. RIP is
 * behind an instruction that asked for it, and where an interrupt or a fault came. */
static void decode_task(struct vcpu *vcpu, struct hv_exit *x)
{
	x->event = (uint32_t)vmcs_read(VMCS_VECTORING_EVENT);
	x->error = (uint32_t)vmcs_read(VMCS_VECTORING_ERROR);
	if (!(x->event & EVENT_VALID)) {
		x->event = 0;
		return;
	}
	vcpu->pending &= ~VCPU_PEND_EVENT;
	if (EVENT_TYPE(x->event) < TYPE_SOFTWARE)
		x->next_rip = x->rip;
}

/* Decodes an exit of which the reason alone does not tell all. */
static void decode_more(struct vcpu *vcpu, struct hv_exit *x)
{
	switch (x->kind) {
	case EXIT_IO:
		decode_io(x);
		break;
	case EXIT_MEMORY:
		decode_fault(vcpu, x);
		break;
	case EXIT_EXCEPTION:
		decode_exception(vcpu, x);
		break;
	case EXIT_INTERRUPT:
		vmx_arm_preemption(vcpu, vcpu->vmx.blind);
		break;
	case EXIT_WINDOW:
		if ((uint16_t)x->code == REASON_PML_FULL) {
			vmx_drain_log(vcpu);
			if (x->info & IRET_FAULTED)
				iret_faulted(vcpu);
		} else {
			vmx_set_proc(vcpu, PROC_NMI_WINDOW, false);
		}
		break;
	case EXIT_HLT: /* what the CPU has yet to deliver ends it */
		if (vcpu->lapic.hardware)
			vlapic_update(&vcpu->lapic);
		break;
	case EXIT_WRMSR: /* a self-IPI that is an error: RCX and RAX still have it */
		x->next_rip = x->rip;
		break;
	case EXIT_CR: /* SDM 3C table 28-3 */
		x->vector = x->info & 15;
		x->write = !(x->info & CR_FROM);
		break;
	case EXIT_TASK:
		decode_task(vcpu, x);
		break;
	case EXIT_FORBIDDEN:
		x->vector = exits[(uint16_t)x->code].answer; /* above: flags (SDM 3C table 25-18) */
		break;
	default: /* HYPERCALL, XSETBV */
		x->cpl = vmcs_read(vmcs_nth(VMCS_GUEST_ATTRIB, SAMPO_SS)) >> 5 & 3;
	}
}

static void decode(struct vcpu *vcpu, struct hv_exit *x)
{
	x->rip = vmcs_read(VMCS_GUEST_RIP);
	x->next_rip = x->rip + vmcs_read(VMCS_INSTRUCTION_LENGTH);
	x->info = vmcs_read(VMCS_QUALIFICATION);
	x->insn_len = 0;
	x->cpl = 0;
	x->kind = EXIT_UNKNOWN;
	if ((uint16_t)x->code >= COUNT_OF(exits))
		return;
	x->kind = exits[(uint16_t)x->code].kind;
	if (exits[(uint16_t)x->code].more)
		decode_more(vcpu, x);
}

/*
 * The exit came while an event was being delivered (SDM 3C 28.2.4): deliver
 * it again. Software interrupts and exceptions come again by themselves,
 * since RIP is still at their instruction.
 */
static void __attribute__((noinline)) redeliver(struct vcpu *vcpu, uint64_t event)
{
	if (EVENT_TYPE(event) < TYPE_SOFTWARE)
		vcpu_inject(vcpu, (uint32_t)event, (uint32_t)vmcs_read(VMCS_VECTORING_ERROR));
}

/* The CPU found a control or host field wrong: the reason is in its error. */
static void not_entered(struct hv_exit *x)
{
	x->kind = EXIT_INVALID;
	x->code = REASON_FAILED;
	x->info = vmcs_read(VMCS_INSTRUCTION_ERROR);
	x->rip = x->next_rip = vmcs_read(VMCS_GUEST_RIP);
}

/*
 * An entry can fail in two ways: VMLAUNCH or VMRESUME refuses a control or host field and falls
 * through (SDM 3C 27.2), or the CPU finds the guest's state wrong and exits with bit 31 of the
 * reason set (SDM 3C 27.8). After the first one nothing of the guest has changed. A VMCS is
 * launched once and resumed from then on, until VMCLEAR.
 */
void vmx_run(struct vcpu *vcpu, struct hv_exit *x)
{
	struct vmx_vcpu *v = &vcpu->vmx;
	uint64_t event;
	uint32_t tpr;
	bool blind;

	vmx_use(vcpu);
	if (vcpu->asid_generation != vcpu->cpu->asid_generation ||
	    vcpu->slat_seen != READ_ONCE(vcpu->domain->slat_changes))
		flush(vcpu);
	blind = !(v->rflags & RFLAGS_IF);
	if (blind != v->blind)
		vmx_arm_preemption(vcpu, blind);
	tpr = vcpu->lapic.reg[LAPIC_TPR].value;
	vmcs_write(VMCS_GUEST_RSP, vcpu->gpr[SAMPO_RSP]);
	if (vmx_enter(vcpu->gpr, v->launched)) {
		not_entered(x);
		return;
	}
	x->code = (uint32_t)vmcs_read(VMCS_EXIT_REASON);
	if (!(x->code & REASON_FAILED)) {
		v->launched = true;
		v->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
		vcpu->gpr[SAMPO_RSP] = vmcs_read(VMCS_GUEST_RSP);
		if (tpr != vcpu->lapic.reg[LAPIC_TPR].value)
			vlapic_update(&vcpu->lapic);
		/* Only of a guest that had an NMI: Bochs carries the blocking
		 * over to the guest that is entered next. */
		if (v->nmi_blocked)
			v->nmi_blocked = vmcs_read(VMCS_INTERRUPTIBILITY) & BLOCKING_NMI;
		event = vmcs_read(VMCS_VECTORING_EVENT);
		if (event & EVENT_VALID)
			redeliver(vcpu, event);
	} else {
		vmcs_write(VMCS_ENTRY_EVENT, 0); /* it may have been the reason */
	}
	decode(vcpu, x);
}
