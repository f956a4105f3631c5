/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control structure: SDM 3C chapter 25 and appendix B. */
#pragma once

#include "kernel/base/types.h"

/* A type of its own: a field's id cannot be taken for a value, nor the reverse. */
struct vmcs_field {
	uint64_t id;
};

#define FIELD(name, number) static const struct vmcs_field name = {number}
/* clang-format off */
FIELD(VMCS_VPID, 0x0000); FIELD(VMCS_INTERRUPT_STATUS, 0x0810); FIELD(VMCS_PML_INDEX, 0x0812);
FIELD(VMCS_GUEST_SELECTOR, 0x0800); /* first of eight, see vmcs_nth */
FIELD(VMCS_HOST_CS, 0x0c02); FIELD(VMCS_HOST_TR, 0x0c0c);
FIELD(VMCS_IO_BITMAP_A, 0x2000); FIELD(VMCS_IO_BITMAP_B, 0x2002); FIELD(VMCS_MSR_BITMAP, 0x2004);
FIELD(VMCS_PML_ADDRESS, 0x200e); FIELD(VMCS_TSC_OFFSET, 0x2010); FIELD(VMCS_APIC_PAGE, 0x2012); FIELD(VMCS_EPT_POINTER, 0x201a);
FIELD(VMCS_EOI_EXIT, 0x201c); /* first of four */ FIELD(VMCS_TSC_MULTIPLIER, 0x2032);
FIELD(VMCS_GUEST_PHYSICAL, 0x2400);
FIELD(VMCS_LINK_POINTER, 0x2800); FIELD(VMCS_GUEST_DEBUGCTL, 0x2802);
FIELD(VMCS_GUEST_PAT, 0x2804); FIELD(VMCS_GUEST_EFER, 0x2806);
FIELD(VMCS_GUEST_PDPTE, 0x280a); /* first of four */
FIELD(VMCS_HOST_PAT, 0x2c00); FIELD(VMCS_HOST_EFER, 0x2c02);
FIELD(VMCS_PIN_CONTROLS, 0x4000); FIELD(VMCS_PROC_CONTROLS, 0x4002);
FIELD(VMCS_EXCEPTION_BITMAP, 0x4004);
FIELD(VMCS_EXIT_CONTROLS, 0x400c); FIELD(VMCS_ENTRY_CONTROLS, 0x4012);
FIELD(VMCS_ENTRY_EVENT, 0x4016); FIELD(VMCS_ENTRY_ERROR, 0x4018);
FIELD(VMCS_PROC2_CONTROLS, 0x401e); FIELD(VMCS_PLE_GAP, 0x4020); FIELD(VMCS_PLE_WINDOW, 0x4022);
FIELD(VMCS_INSTRUCTION_ERROR, 0x4400); FIELD(VMCS_EXIT_REASON, 0x4402);
FIELD(VMCS_EXIT_EVENT, 0x4404); FIELD(VMCS_EXIT_ERROR, 0x4406);
FIELD(VMCS_VECTORING_EVENT, 0x4408); FIELD(VMCS_VECTORING_ERROR, 0x440a);
FIELD(VMCS_INSTRUCTION_LENGTH, 0x440c);
FIELD(VMCS_GUEST_LIMIT, 0x4800); FIELD(VMCS_GUEST_ATTRIB, 0x4814);
FIELD(VMCS_INTERRUPTIBILITY, 0x4824); FIELD(VMCS_ACTIVITY, 0x4826);
FIELD(VMCS_GUEST_SYSENTER_CS, 0x482a); FIELD(VMCS_PREEMPTION_TIMER, 0x482e);
FIELD(VMCS_CR0_MASK, 0x6000); FIELD(VMCS_CR4_MASK, 0x6002); FIELD(VMCS_CR0_SHADOW, 0x6004);
FIELD(VMCS_CR4_SHADOW, 0x6006);
FIELD(VMCS_QUALIFICATION, 0x6400);
FIELD(VMCS_GUEST_CR0, 0x6800); FIELD(VMCS_GUEST_CR3, 0x6802); FIELD(VMCS_GUEST_CR4, 0x6804);
FIELD(VMCS_GUEST_BASE, 0x6806); FIELD(VMCS_GUEST_DR7, 0x681a); FIELD(VMCS_GUEST_RSP, 0x681c);
FIELD(VMCS_GUEST_RIP, 0x681e); FIELD(VMCS_GUEST_RFLAGS, 0x6820);
FIELD(VMCS_PENDING_DEBUG, 0x6822);
FIELD(VMCS_GUEST_SYSENTER_ESP, 0x6824); FIELD(VMCS_GUEST_SYSENTER_EIP, 0x6826);
FIELD(VMCS_HOST_CR0, 0x6c00); FIELD(VMCS_HOST_CR3, 0x6c02); FIELD(VMCS_HOST_CR4, 0x6c04);
FIELD(VMCS_HOST_TR_BASE, 0x6c0a); FIELD(VMCS_HOST_GDTR, 0x6c0c); FIELD(VMCS_HOST_IDTR, 0x6c0e); FIELD(VMCS_HOST_RIP, 0x6c16);
/* clang-format on */
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

/* Controls that change while a vCPU lives, and bits of other fields. */
#define PROC_WINDOW     (1u << 2)
#define PROC_CR8_LOAD   (1u << 19)
#define PROC_NMI_WINDOW (1u << 22)
#define PROC_MOV_DR     (1u << 23)
/* x2APIC mode, APIC registers, virtual interrupts: one is of no use without the others */
#define PROC2_VID            (1u << 9)
#define PROC2_APICV          (1u << 4 | 1u << 8 | PROC2_VID)
#define PROC2_PLE            (1u << 10)
#define PROC2_PML            (1u << 17)
#define PROC2_TSC_SCALING    (1u << 25)
#define EXIT_SAVE_PREEMPTION (1u << 22)
#define PIN_PREEMPTION       (1u << 6)
#define ENTRY_IA32E          (1u << 9)
#define ATTRIB_UNUSABLE      (1u << 16)
#define ATTRIB_LONG          (1u << 13)
#define BLOCKING_STI         1u
#define BLOCKING_MOV_SS      2u
#define BLOCKING_SHADOW      (BLOCKING_STI | BLOCKING_MOV_SS)
#define BLOCKING_NMI         8u
#define EVENT_VALID          0x80000000u
#define EVENT_ERROR_CODE     0x800u
#define REASON_FAILED        0x80000000u /* the entry */
