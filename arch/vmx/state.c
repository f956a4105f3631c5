/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's registers in its VMCS, and events on their way into it. */
#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/up.h"
#include "arch/vmx/vmcs.h"
#include "arch/vmx/vmx.h"
#include "kernel/vcpu/vcpu.h"

#define PENDING_BS      0x4000ull
#define ATTRIB_PRESENT  0x80u
#define ATTRIB_S        0x10u
#define ATTRIB_ACCESSED 0x01u
#define ATTRIB_BUSY     0x02u
#define TYPE_EXTERNAL   0u
#define TYPE_NMI        2u
#define TYPE_EXCEPTION  3u
/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP */
#define WITH_ERROR_CODE 0x227d00u
#define EXCEPTION_NM    (1u << 7)

/* Where the VMCS has the segments of enum sampo_sreg. */
static const uint8_t segment[SAMPO_SREGS] = {0, 1, 2, 3, 4, 5, 8, 6, 9, 7};
#define SEGMENT_SELECTORS 8u /* GDTR and IDTR have none */

/* The kernel itself uses none of these. */
void vmx_load(struct vcpu *vcpu)
{
	const struct vmx_vcpu *v = &vcpu->vmx;

	vmx_use(vcpu);
#define LOAD(name, msr) cpu_wrmsr(msr, v->name);
	VMX_MSRS(LOAD)
#undef LOAD
	vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
	__asm__ volatile("mov %0, %%cr2; mov %1, %%db6" : : "r"(v->cr2), "r"(v->dr6));
}

void vmx_save(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = &vcpu->vmx;

	vmx_use(vcpu);
	vmx_drain_log(vcpu);
#define SAVE(name, msr) v->name = cpu_rdmsr(msr);
	VMX_MSRS(SAVE)
#undef SAVE
	__asm__ volatile("mov %%cr2, %0; mov %%db6, %1" : "=r"(v->cr2), "=r"(v->dr6));
}

void vmx_fetch_few(struct vcpu *vcpu, struct sampo_exit *page)
{
	vmx_use(vcpu);
	page->rip = vmcs_read(VMCS_GUEST_RIP);
	page->rflags = vcpu->vmx.rflags;
	page->cr4 = vmx_cr4();
}

static void end_shadow(void)
{
	uint64_t blocking = vmcs_read(VMCS_INTERRUPTIBILITY);

	if (blocking & BLOCKING_SHADOW)
		vmcs_write(VMCS_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKING_SHADOW);
}

static inline void move_rip(struct vcpu *vcpu, uint64_t next_rip)
{
	vmx_use(vcpu);
	/* Outside 64-bit code RIP has 32 bits. */
	if (next_rip >> 32 && !(vmcs_read(vmcs_nth(VMCS_GUEST_ATTRIB, SAMPO_CS)) & ATTRIB_LONG))
		next_rip = (uint32_t)next_rip;
	vmcs_write(VMCS_GUEST_RIP, next_rip);
	end_shadow();
}

/* The trap takes the place of one that the CPU may have left pending, which would not outlast an
 * interrupt (SDM 3C 27.7.3). */
static void __attribute__((noinline)) advance_traced(struct vcpu *vcpu, uint64_t next_rip)
{
	move_rip(vcpu, next_rip);
	vmcs_write(VMCS_PENDING_DEBUG, vmcs_read(VMCS_PENDING_DEBUG) & ~PENDING_BS);
	hv_single_step(vcpu);
}

void vmx_advance(struct vcpu *vcpu, uint64_t next_rip)
{
	if (vcpu->vmx.rflags & RFLAGS_TF)
		advance_traced(vcpu, next_rip);
	else
		move_rip(vcpu, next_rip);
}

bool vmx_interruptible(struct vcpu *vcpu)
{
	vmx_use(vcpu);
	return (vcpu->vmx.rflags & RFLAGS_IF) &&
	       !(vmcs_read(VMCS_INTERRUPTIBILITY) & BLOCKING_SHADOW);
}

bool vmx_nmi_allowed(struct vcpu *vcpu)
{
	vmx_use(vcpu);
	/* The window is held back by MOV SS (SDM 3C 26.2); STI holds back neither it nor the NMI,
	 * for which vmx_inject ends that shadow. */
	if (!vcpu->vmx.nmi_blocked && !(vmcs_read(VMCS_INTERRUPTIBILITY) & BLOCKING_MOV_SS))
		return true;
	vmx_set_proc(vcpu, PROC_NMI_WINDOW, true);
	return false;
}

/* An event that the CPU would refuse to inject is put right or dropped (SDM 3C 27.2.1.3). */
void vmx_inject(struct vcpu *vcpu, uint32_t event, uint32_t code)
{
	unsigned type = event >> 8 & 7, vector = event & 0xff;
	uint64_t blocking;

	vmx_use(vcpu);
	blocking = vmcs_read(VMCS_INTERRUPTIBILITY) & ~(uint64_t)BLOCKING_SHADOW;
	event = EVENT_VALID | type << 8 | vector;
	switch (type) {
	case TYPE_NMI:
		blocking &= ~(uint64_t)BLOCKING_NMI; /* comes back with the delivery */
		vcpu->vmx.nmi_blocked = true;
		event = SAMPO_INJECT_NMI;
		break;
	case TYPE_EXCEPTION:
		if (vector > 31)
			return;
		if ((WITH_ERROR_CODE >> vector & 1) && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE))
			event |= EVENT_ERROR_CODE;
		break;
	case TYPE_EXTERNAL:
		if (!(vcpu->vmx.rflags & RFLAGS_IF))
			return;
		break;
	default:
		return;
	}
	vmcs_write(VMCS_INTERRUPTIBILITY, blocking);
	vmcs_write(VMCS_ENTRY_ERROR, code & 0xffff);
	vmcs_write(VMCS_ENTRY_EVENT, event);
}

void vmx_set_proc(struct vcpu *vcpu, uint32_t controls, bool on)
{
	uint32_t value = on ? vcpu->vmx.proc | controls : vcpu->vmx.proc & ~controls;

	if (value == vcpu->vmx.proc)
		return;
	vmx_use(vcpu);
	vmcs_write(VMCS_PROC_CONTROLS, value);
	vcpu->vmx.proc = value;
}

/* MOV to CR8 exits meanwhile: a lower TPR may let an interrupt through. */
void vmx_window(struct vcpu *vcpu, bool on)
{
	vmx_set_proc(vcpu, PROC_WINDOW, on && vcpu_wants_window(vcpu));
	vmx_set_proc(vcpu, PROC_CR8_LOAD, on);
}

void vmx_trap(struct vcpu *vcpu, enum hv_trap what, bool on)
{
	uint64_t cr0, exceptions;

	vmx_use(vcpu);
	if (what == HV_TRAP_DEBUG) {
		vmx_set_proc(vcpu, PROC_MOV_DR, on);
		return;
	}
	cr0 = vmcs_read(VMCS_GUEST_CR0);
	exceptions = vmcs_read(VMCS_EXCEPTION_BITMAP);
	vmcs_write(VMCS_GUEST_CR0, on ? cr0 | CR0_TS : cr0 & ~CR0_TS);
	vmcs_write(VMCS_EXCEPTION_BITMAP,
		   on ? exceptions | EXCEPTION_NM : exceptions & ~(uint64_t)EXCEPTION_NM);
	/* CLTS and MOV to CR0 leave TS as it is then. */
	vmcs_write(VMCS_CR0_MASK, on ? VMX_CR0_HOST | CR0_TS : VMX_CR0_HOST);
}

/* SDM 3C 25.4.1: the access rights have four bits between the VMCB's. */
static struct sampo_segment fetch_segment(unsigned i)
{
	unsigned n = segment[i];
	struct sampo_segment s = {.limit = (uint32_t)vmcs_read(vmcs_nth(VMCS_GUEST_LIMIT, n)),
				  .base = vmcs_read(vmcs_nth(VMCS_GUEST_BASE, n))};
	uint64_t attrib;

	if (n >= SEGMENT_SELECTORS)
		return s;
	attrib = vmcs_read(vmcs_nth(VMCS_GUEST_ATTRIB, n));
	s.selector = (uint16_t)vmcs_read(vmcs_nth(VMCS_GUEST_SELECTOR, n));
	s.attrib = (attrib & 0xff) | (attrib >> 4 & 0xf00);
	if (attrib & ATTRIB_UNUSABLE)
		s.attrib &= (uint16_t)~ATTRIB_PRESENT;
	return s;
}

/* The bits that loading the segment would have set are set: accessed, and a busy TSS. */
static void store_segment(unsigned i, const struct sampo_segment *s)
{
	uint64_t attrib = (s->attrib & 0xffu) | (s->attrib & 0xf00u) << 4;
	unsigned n = segment[i];
	bool table = n >= SEGMENT_SELECTORS;

	vmcs_write(vmcs_nth(VMCS_GUEST_LIMIT, n), table ? s->limit & 0xffff : s->limit);
	vmcs_write(vmcs_nth(VMCS_GUEST_BASE, n), s->base);
	if (table)
		return;
	if (attrib & ATTRIB_S)
		attrib |= ATTRIB_ACCESSED;
	if (i == SAMPO_TR)
		attrib |= ATTRIB_BUSY;
	if (!(attrib & ATTRIB_PRESENT))
		attrib |= ATTRIB_UNUSABLE;
	vmcs_write(vmcs_nth(VMCS_GUEST_ATTRIB, n), attrib);
	vmcs_write(vmcs_nth(VMCS_GUEST_SELECTOR, n), s->selector);
}

/* The members of the exit page that are in the VMCS, and their fields there. */
#define REGISTERS(X)                             \
	X(cr3, VMCS_GUEST_CR3)                   \
	X(efer, VMCS_GUEST_EFER)                 \
	X(dr7, VMCS_GUEST_DR7)                   \
	X(debugctl, VMCS_GUEST_DEBUGCTL)         \
	X(pat, VMCS_GUEST_PAT)                   \
	X(sysenter_cs, VMCS_GUEST_SYSENTER_CS)   \
	X(sysenter_esp, VMCS_GUEST_SYSENTER_ESP) \
	X(sysenter_eip, VMCS_GUEST_SYSENTER_EIP)

/* Those that are in struct vmx_vcpu, under the same name. */
#define KEPT(X) VMX_MSRS(X) X(cr2, ) X(dr6, )

void vmx_fetch(struct vcpu *vcpu, struct sampo_exit *page)
{
	const struct vmx_vcpu *v = &vcpu->vmx;
	bool shadow;

	vmx_use(vcpu);
#define FETCH(name, field) page->name = vmcs_read(field);
	REGISTERS(FETCH)
#undef FETCH
#define FETCH(name, msr) page->name = v->name;
	KEPT(FETCH)
#undef FETCH
	page->cr0 = vmx_cr0();
	vmx_fetch_few(vcpu, page);
	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		page->seg[i] = fetch_segment(i);
	shadow = vmcs_read(VMCS_INTERRUPTIBILITY) & BLOCKING_SHADOW;
	page->interruptibility = shadow | (v->nmi_blocked ? 2 : 0);
}

/*
 * SDM 3C 27.3.1.5: in the shadow of MOV SS or STI the single step that TF asks for is pending,
 * and none is if TF is 0 or BTF has the CPU stop at branches only. The CPU enters no guest where
 * these disagree. The monitor may have set the shadow or TF, so BS follows from both.
 */
static void settle_step(const struct vcpu *vcpu)
{
	uint64_t pending = vmcs_read(VMCS_PENDING_DEBUG) & ~PENDING_BS;

	if (!(vmcs_read(VMCS_INTERRUPTIBILITY) & BLOCKING_SHADOW))
		return;
	if (vcpu->vmx.rflags & RFLAGS_TF && !(vmcs_read(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		pending |= PENDING_BS;
	vmcs_write(VMCS_PENDING_DEBUG, pending);
}

void vmx_store(struct vcpu *vcpu, const struct sampo_exit *page)
{
	struct vmx_vcpu *v = &vcpu->vmx;
	bool moved;

	vmx_use(vcpu);
	moved = page->cr0 != vmx_cr0() || page->cr3 != vmcs_read(VMCS_GUEST_CR3) ||
		page->cr4 != vmx_cr4();
#define STORE(name, field) vmcs_write(field, page->name);
	REGISTERS(STORE)
#undef STORE
#define STORE(name, msr) v->name = page->name;
	KEPT(STORE)
#undef STORE
	vmx_set_cr0(page->cr0);
	vmx_set_cr4(page->cr4);
	vmx_set_lma(page->efer & EFER_LMA);
	if (moved) /* else the CPU's entries stay, whatever the table has become */
		vmx_load_pdptes(vcpu);
	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		store_segment(i, &page->seg[i]);
	/* MOV SS's kind of shadow does not ask for IF to be set. */
	vmcs_write(VMCS_INTERRUPTIBILITY, (page->interruptibility & 1 ? BLOCKING_MOV_SS : 0) |
						  (page->interruptibility & 2 ? BLOCKING_NMI : 0));
	v->nmi_blocked = page->interruptibility & 2;
	settle_step(vcpu);
	vcpu->asid_generation = 0; /* CR3 and modes moved under the TLB's feet */
}

void vmx_store_rip(struct vcpu *vcpu, uint64_t rip, uint64_t rflags)
{
	vmx_use(vcpu);
	vmcs_write(VMCS_GUEST_RIP, rip);
	vcpu->vmx.rflags = (rflags & 0x3f7fd5ull) | 2;
	vmcs_write(VMCS_GUEST_RFLAGS, vcpu->vmx.rflags);
	end_shadow();
}

void vmx_vcpu_reset(struct vcpu *vcpu)
{
	vmx_use(vcpu);
	vmcs_write(VMCS_PENDING_DEBUG, 0);
	vmcs_write(VMCS_ENTRY_EVENT, 0);
	vmx_set_proc(vcpu, PROC_NMI_WINDOW, false);
	vmx_window(vcpu, false);
}
