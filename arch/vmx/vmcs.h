/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control structure: SDM 3C chapter 25 and appendix B. */
#pragma once

#include "kernel/base/types.h"

/* A type of its own: a field's id cannot be taken for a value, nor the reverse. */
struct vmcs_field {
	uint64_t id;
};

#define FIELD(name, number) static const struct vmcs_field name = {number}
FIELD(VMCS_VPID, 0x0000);
FIELD(VMCS_GUEST_SELECTOR, 0x0800); /* first of eight, see vmcs_nth */
FIELD(VMCS_INTERRUPT_STATUS, 0x0810);
FIELD(VMCS_PML_INDEX, 0x0812);
FIELD(VMCS_HOST_ES, 0x0c00);
FIELD(VMCS_HOST_CS, 0x0c02);
FIELD(VMCS_HOST_SS, 0x0c04);
FIELD(VMCS_HOST_DS, 0x0c06);
FIELD(VMCS_HOST_FS, 0x0c08);
FIELD(VMCS_HOST_GS, 0x0c0a);
FIELD(VMCS_HOST_TR, 0x0c0c);
FIELD(VMCS_IO_BITMAP_A, 0x2000);
FIELD(VMCS_IO_BITMAP_B, 0x2002);
FIELD(VMCS_MSR_BITMAP, 0x2004);
FIELD(VMCS_PML_ADDRESS, 0x200e);
FIELD(VMCS_TSC_OFFSET, 0x2010);
FIELD(VMCS_APIC_PAGE, 0x2012);
FIELD(VMCS_EPT_POINTER, 0x201a);
FIELD(VMCS_EOI_EXIT, 0x201c); /* first of four */
FIELD(VMCS_XSS_EXITING, 0x202c);
FIELD(VMCS_TSC_MULTIPLIER, 0x2032);
FIELD(VMCS_GUEST_PHYSICAL, 0x2400);
FIELD(VMCS_LINK_POINTER, 0x2800);
FIELD(VMCS_GUEST_DEBUGCTL, 0x2802);
FIELD(VMCS_GUEST_PAT, 0x2804);
FIELD(VMCS_GUEST_EFER, 0x2806);
FIELD(VMCS_GUEST_PDPTE, 0x280a); /* first of four */
FIELD(VMCS_HOST_PAT, 0x2c00);
FIELD(VMCS_HOST_EFER, 0x2c02);
FIELD(VMCS_PIN_CONTROLS, 0x4000);
FIELD(VMCS_PROC_CONTROLS, 0x4002);
FIELD(VMCS_EXCEPTION_BITMAP, 0x4004);
FIELD(VMCS_PAGE_FAULT_MASK, 0x4006);
FIELD(VMCS_PAGE_FAULT_MATCH, 0x4008);
FIELD(VMCS_CR3_TARGETS, 0x400a);
FIELD(VMCS_EXIT_CONTROLS, 0x400c);
FIELD(VMCS_EXIT_MSR_STORES, 0x400e);
FIELD(VMCS_EXIT_MSR_LOADS, 0x4010);
FIELD(VMCS_ENTRY_CONTROLS, 0x4012);
FIELD(VMCS_ENTRY_MSR_LOADS, 0x4014);
FIELD(VMCS_ENTRY_EVENT, 0x4016);
FIELD(VMCS_ENTRY_ERROR, 0x4018);
FIELD(VMCS_TPR_THRESHOLD, 0x401c);
FIELD(VMCS_PROC2_CONTROLS, 0x401e);
FIELD(VMCS_PLE_GAP, 0x4020);
FIELD(VMCS_PLE_WINDOW, 0x4022);
FIELD(VMCS_INSTRUCTION_ERROR, 0x4400);
FIELD(VMCS_EXIT_REASON, 0x4402);
FIELD(VMCS_EXIT_EVENT, 0x4404);
FIELD(VMCS_EXIT_ERROR, 0x4406);
FIELD(VMCS_VECTORING_EVENT, 0x4408);
FIELD(VMCS_VECTORING_ERROR, 0x440a);
FIELD(VMCS_INSTRUCTION_LENGTH, 0x440c);
FIELD(VMCS_GUEST_LIMIT, 0x4800);
FIELD(VMCS_GUEST_ATTRIB, 0x4814);
FIELD(VMCS_INTERRUPTIBILITY, 0x4824);
FIELD(VMCS_ACTIVITY, 0x4826);
FIELD(VMCS_SMBASE, 0x4828);
FIELD(VMCS_GUEST_SYSENTER_CS, 0x482a);
FIELD(VMCS_PREEMPTION_TIMER, 0x482e);
FIELD(VMCS_HOST_SYSENTER_CS, 0x4c00);
FIELD(VMCS_CR0_MASK, 0x6000);
FIELD(VMCS_CR4_MASK, 0x6002);
FIELD(VMCS_CR0_SHADOW, 0x6004);
FIELD(VMCS_CR4_SHADOW, 0x6006);
FIELD(VMCS_QUALIFICATION, 0x6400);
FIELD(VMCS_GUEST_CR0, 0x6800);
FIELD(VMCS_GUEST_CR3, 0x6802);
FIELD(VMCS_GUEST_CR4, 0x6804);
FIELD(VMCS_GUEST_BASE, 0x6806);
FIELD(VMCS_GUEST_DR7, 0x681a);
FIELD(VMCS_GUEST_RSP, 0x681c);
FIELD(VMCS_GUEST_RIP, 0x681e);
FIELD(VMCS_GUEST_RFLAGS, 0x6820);
FIELD(VMCS_PENDING_DEBUG, 0x6822);
FIELD(VMCS_GUEST_SYSENTER_ESP, 0x6824);
FIELD(VMCS_GUEST_SYSENTER_EIP, 0x6826);
FIELD(VMCS_HOST_CR0, 0x6c00);
FIELD(VMCS_HOST_CR3, 0x6c02);
FIELD(VMCS_HOST_CR4, 0x6c04);
FIELD(VMCS_HOST_FS_BASE, 0x6c06);
FIELD(VMCS_HOST_GS_BASE, 0x6c08);
FIELD(VMCS_HOST_TR_BASE, 0x6c0a);
FIELD(VMCS_HOST_GDTR, 0x6c0c);
FIELD(VMCS_HOST_IDTR, 0x6c0e);
FIELD(VMCS_HOST_SYSENTER_ESP, 0x6c10);
FIELD(VMCS_HOST_SYSENTER_EIP, 0x6c12);
FIELD(VMCS_HOST_RIP, 0x6c16);
#undef FIELD

/* Fields of the same kind follow each other. */
static inline struct vmcs_field vmcs_nth(struct vmcs_field first, unsigned n)
{
	return (struct vmcs_field){first.id + 2ul * n};
}

/* Of the VMCS that is current on this CPU. */
static inline uint64_t vmcs_read(struct vmcs_field field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field.id) : "cc", "memory");
	return value;
}

static inline void vmcs_write(struct vmcs_field field, uint64_t value)
{
	__asm__ volatile("vmwrite %0, %1" : : "r"(value), "r"(field.id) : "cc", "memory");
}

/*
 * X(name, set, bit, need, feature, text): the controls that are negotiated with the CPU (SDM
 * 3C 25.6 to 25.8), in the order in which a missing one is named. `feature` is the word that turns
 * the control off (HV_ALL: no word does); `text` says which MUST is missing, or which NEVER cannot
 * be left out.
 */
#define VMX_CONTROLS(X)                                                                       \
	X(PROC_SECONDARY, PROC, 31, MUST, HV_ALL, "no secondary controls")                    \
	X(PROC2_EPT, PROC2, 1, MUST, HV_ALL, "no extended page tables (EPT)")                 \
	X(PROC2_UNRESTRICTED, PROC2, 7, MUST, HV_ALL, "no unrestricted guest")                \
	X(PROC2_VPID, PROC2, 5, WANT, HV_VPID, NULL)                                          \
	X(PIN_INTERRUPTS, PIN, 0, MUST, HV_ALL, "no exits by interrupts")                     \
	X(PIN_NMIS, PIN, 3, MUST, HV_ALL, "no exits by NMIs")                                 \
	X(PIN_VIRTUAL_NMIS, PIN, 5, MUST, HV_ALL, "no virtual NMIs")                          \
	X(PIN_PREEMPTION, PIN, 6, WANT, HV_ALL, NULL)                                         \
	X(PROC_TSC_OFFSET, PROC, 3, MUST, HV_ALL, "no TSC offset")                            \
	X(PROC_HLT, PROC, 7, MUST, HV_ALL, "no exits by HLT")                                 \
	X(PROC_INVLPG, PROC, 9, NEVER, HV_ALL, "no INVLPG without exits")                     \
	X(PROC_MWAIT, PROC, 10, MUST, HV_ALL, "no exits by MWAIT")                            \
	X(PROC_RDPMC, PROC, 11, MUST, HV_ALL, "no exits by RDPMC")                            \
	X(PROC_CR3_LOAD, PROC, 15, NEVER, HV_ALL, "no MOV to CR3 without exits")              \
	X(PROC_CR3_STORE, PROC, 16, NEVER, HV_ALL, "no MOV from CR3 without exits")           \
	X(PROC_TPR_SHADOW, PROC, 21, MUST, HV_ALL, "no TPR shadow")                           \
	X(PROC_MOV_DR, PROC, 23, MUST, HV_ALL, "no exits by MOV to and from debug registers") \
	X(PROC_IO_BITMAPS, PROC, 25, MUST, HV_ALL, "no I/O bitmaps")                          \
	X(PROC_MSR_BITMAPS, PROC, 28, MUST, HV_ALL, "no MSR bitmaps")                         \
	X(PROC_MONITOR, PROC, 29, MUST, HV_ALL, "no exits by MONITOR")                        \
	X(PROC2_RDTSCP, PROC2, 3, WANT, HV_ALL, NULL)                                         \
	X(PROC2_X2APIC, PROC2, 4, WANT, HV_ALL, NULL)                                         \
	X(PROC2_WBINVD, PROC2, 6, MUST, HV_ALL, "no exits by WBINVD")                         \
	X(PROC2_APIC_REGISTERS, PROC2, 8, WANT, HV_ALL, NULL)                                 \
	X(PROC2_VID, PROC2, 9, WANT, HV_VID, NULL)                                            \
	X(PROC2_PLE, PROC2, 10, WANT, HV_PLE, NULL)                                           \
	X(PROC2_INVPCID, PROC2, 12, WANT, HV_ALL, NULL)                                       \
	X(PROC2_PML, PROC2, 17, WANT, HV_PML, NULL)                                           \
	X(PROC2_XSAVES, PROC2, 20, WANT, HV_XSAVES, NULL)                                     \
	X(PROC2_TSC_SCALING, PROC2, 25, WANT, HV_TSCSCALE, NULL)                              \
	X(PROC2_BUS_LOCK, PROC2, 30, WANT, HV_BUSLOCK, NULL)                                  \
	X(EXIT_SAVE_DEBUG, EXIT, 2, MUST, HV_ALL, "no saved debug controls")                  \
	X(EXIT_HOST_64, EXIT, 9, MUST, HV_ALL, "no 64-bit host")                              \
	X(EXIT_SAVE_PAT, EXIT, 18, MUST, HV_ALL, "no saved PAT")                              \
	X(EXIT_LOAD_PAT, EXIT, 19, MUST, HV_ALL, "no loaded host PAT")                        \
	X(EXIT_SAVE_EFER, EXIT, 20, MUST, HV_ALL, "no saved EFER")                            \
	X(EXIT_LOAD_EFER, EXIT, 21, MUST, HV_ALL, "no loaded host EFER")                      \
	X(EXIT_SAVE_PREEMPTION, EXIT, 22, WANT, HV_ALL, NULL)                                 \
	X(ENTRY_LOAD_DEBUG, ENTRY, 2, MUST, HV_ALL, "no loaded debug controls")               \
	X(ENTRY_LOAD_PAT, ENTRY, 14, MUST, HV_ALL, "no loaded guest PAT")                     \
	X(ENTRY_LOAD_EFER, ENTRY, 15, MUST, HV_ALL, "no loaded guest EFER")

enum {
#define VMX_CONTROL_MASK(name, set, bit, need, feature, text) name = 1u << (bit),
	VMX_CONTROLS(VMX_CONTROL_MASK)
#undef VMX_CONTROL_MASK
};

/* Controls that change while a vCPU lives and need no negotiation, and bits of other fields. */
#define PROC_WINDOW     (1u << 2)
#define PROC_CR8_LOAD   (1u << 19)
#define PROC_NMI_WINDOW (1u << 22)
/* One of these is of no use without the others. */
#define PROC2_APICV      (PROC2_X2APIC | PROC2_APIC_REGISTERS | PROC2_VID)
#define ENTRY_IA32E      (1u << 9)
#define ATTRIB_UNUSABLE  (1u << 16)
#define ATTRIB_LONG      (1u << 13)
#define BLOCKING_STI     1u
#define BLOCKING_MOV_SS  2u
#define BLOCKING_SHADOW  (BLOCKING_STI | BLOCKING_MOV_SS)
#define BLOCKING_NMI     8u
#define EVENT_VALID      0x80000000u
#define EVENT_ERROR_CODE 0x800u
#define REASON_FAILED    0x80000000u /* the entry */

/* Exit qualifications: SDM 3C tables 28-5 (I/O), 28-7 (EPT violations), 28-3 (control registers) */
#define IO_IN        0x8u
#define IO_STRING    0x10u
#define IO_REP       0x20u
#define EPT_WRITE    0x2u
#define EPT_FETCH    0x4u
#define EPT_LINEAR   0x80u  /* there was a linear address, */
#define EPT_FINAL    0x100u /* and it had been translated */
#define CR_FROM      0x10u
#define IRET_FAULTED 0x1000u /* also in VMCS_EXIT_EVENT: NMIs were blocked before an IRET */

/* Basic exit reasons (SDM 3D appendix C); VMX instructions are from VMCLEAR to VMXON. */
enum vmx_reason {
	REASON_EXCEPTION_NMI = 0,
	REASON_EXTERNAL_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INTERRUPT_WINDOW = 7,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_HLT = 12,
	REASON_INVD = 13,
	REASON_RDPMC = 15,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19,
	REASON_VMXON = 27,
	REASON_CR_ACCESS = 28,
	REASON_MOV_DR = 29,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_GUEST_STATE = 33,
	REASON_MSR_LOADING = 34,
	REASON_MWAIT = 36,
	REASON_MONITOR = 39,
	REASON_PAUSE = 40,
	REASON_MACHINE_CHECK = 41,
	REASON_VIRTUALIZED_EOI = 45,
	REASON_EPT_VIOLATION = 48,
	REASON_INVEPT = 50,
	REASON_PREEMPTION_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_WBINVD = 54,
	REASON_XSETBV = 55,
	REASON_APIC_WRITE = 56,
	REASON_PML_FULL = 62,
	REASON_BUS_LOCK = 74,
	REASON_COUNT
};
