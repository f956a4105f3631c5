/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC by its x2APIC MSRs (SDM 3A, 11.12). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/cpu.h"

#define MSR_APIC_BASE    0x1bu
#define APIC_BASE_X2APIC 0x400u
#define APIC_BASE_ENABLE 0x800u
#define MSR_TSC_DEADLINE 0x6e0u

#define X2APIC_ID            0x802u
#define X2APIC_VERSION       0x803u
#define X2APIC_TPR           0x808u
#define X2APIC_EOI           0x80bu
#define X2APIC_SPURIOUS      0x80fu
#define X2APIC_ISR           0x810u
#define X2APIC_IRR           0x820u
#define X2APIC_ICR           0x830u
#define X2APIC_LVT_TIMER     0x832u
#define X2APIC_LVT_LINT0     0x835u
#define X2APIC_TIMER_INITIAL 0x838u
#define X2APIC_TIMER_CURRENT 0x839u
#define X2APIC_TIMER_DIVIDE  0x83eu
#define X2APIC_SELF_IPI      0x83fu

#define LVT_MASKED       0x10000u
#define LVT_PERIODIC     0x20000u
#define LVT_TSC_DEADLINE 0x40000u
#define ICR_LOWEST       0x100u
#define ICR_NMI          0x400u
#define ICR_INIT         0x500u
#define ICR_STARTUP      0x600u
#define ICR_LOGICAL      0x800u
#define ICR_ASSERT       0x4000u
#define ICR_SELF         0x40000u
#define ICR_ALL          0x80000u
#define ICR_OTHERS       0xc0000u
#define DIVIDE_BY_1      0xbu

/* The registers' page, in xAPIC mode. */
#define XAPIC          0xfee00000ull
#define XAPIC_ID       0x20u
#define XAPIC_VERSION  0x30u
#define XAPIC_TPR      0x80u
#define XAPIC_EOI      0xb0u
#define XAPIC_LDR      0xd0u
#define XAPIC_DFR      0xe0u
#define XAPIC_SPURIOUS 0xf0u
#define XAPIC_IRR      0x200u
#define XAPIC_ESR      0x280u
#define XAPIC_ICR_LOW  0x300u
#define XAPIC_ICR_HIGH 0x310u

static inline uint32_t xapic_read(unsigned offset)
{
	return *(volatile uint32_t *)(uintptr_t)(XAPIC + offset);
}

static inline void xapic_write(unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(XAPIC + offset) = value;
}

/* x2APIC mode, software enabled, spurious vector 0xff. */
static inline void lapic_enable(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (!(base & APIC_BASE_ENABLE))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	wrmsr(X2APIC_SPURIOUS, 0x1ff);
	wrmsr(X2APIC_TPR, 0);
}

/* Interrupt vectors 0x20 to 0xff that count in interrupt_count and send EOI
 * (except 0xff), by the page if interrupts_xapic says so; interrupts.S. */
extern volatile uint64_t interrupt_count[256];
extern volatile bool interrupts_xapic;
/* KVM's word for MSR_KVM_PV_EOI, and how often it saved an EOI. */
extern volatile uint32_t interrupt_eoi, interrupt_eoi_saved;
void interrupts_init(void);

static inline void interrupts_on(void)
{
	__asm__ volatile("sti; nop" : : : "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Sleeps until an interrupt has been handled; interrupts are off before and
 * after it. */
static inline void halt_once(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}
